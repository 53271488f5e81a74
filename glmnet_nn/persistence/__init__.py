"""Models in files that hold data and no code."""

from glmnet_nn.persistence.files import load_model, save_model

__all__ = ["load_model", "save_model"]
