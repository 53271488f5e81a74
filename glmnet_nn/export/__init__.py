"""The predict path of fitted models in the formats of other programs."""

from glmnet_nn.export.onnx import to_onnx

__all__ = ["to_onnx"]
