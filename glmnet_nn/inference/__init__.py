"""What statistics says of a fitted model: information, covariance, results."""

from glmnet_nn.inference.covariance import covariance
from glmnet_nn.inference.results import GLMResults

__all__ = ["GLMResults", "covariance"]
