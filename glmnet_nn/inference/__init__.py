"""What statistics says of a fitted model: covariance, tests, residuals, influence, results."""

from glmnet_nn.inference.coefficients import Coefficients
from glmnet_nn.inference.covariance import Fitted
from glmnet_nn.inference.flags import Search
from glmnet_nn.inference.network_results import NetworkResults
from glmnet_nn.inference.observed import RIDGE, ObservedInformation, recommended_starts
from glmnet_nn.inference.options import InferenceOptions
from glmnet_nn.inference.results import GLMResults

__all__ = [
    "RIDGE",
    "Coefficients",
    "Fitted",
    "GLMResults",
    "InferenceOptions",
    "NetworkResults",
    "ObservedInformation",
    "Search",
    "recommended_starts",
]
