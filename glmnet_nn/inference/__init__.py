"""What statistics says of a fitted model: information, covariance, results."""

from glmnet_nn.inference.covariance import covariance
from glmnet_nn.inference.observed import RIDGE, ObservedInformation, recommended_starts
from glmnet_nn.inference.results import GLMResults

__all__ = ["RIDGE", "GLMResults", "ObservedInformation", "covariance", "recommended_starts"]
