"""What statistics says of a fitted model: covariance, tests, residuals, influence, results."""

from glmnet_nn.inference.coefficients import Coefficients
from glmnet_nn.inference.covariance import Fitted
from glmnet_nn.inference.options import InferenceOptions
from glmnet_nn.inference.results import GLMResults

__all__ = ["Coefficients", "Fitted", "GLMResults", "InferenceOptions"]
