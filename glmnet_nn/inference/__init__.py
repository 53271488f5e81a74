"""What statistics says of a fitted model: covariance, tests, diagnostics, predictions."""

from glmnet_nn.inference.class_forecast import ClassForecast
from glmnet_nn.inference.coefficients import Coefficients
from glmnet_nn.inference.covariance import Fitted
from glmnet_nn.inference.double_glm import DoubleGLMResults, PartResults
from glmnet_nn.inference.draws import generator
from glmnet_nn.inference.estimate import Estimate, root_of
from glmnet_nn.inference.flags import Search
from glmnet_nn.inference.forecast import Forecast
from glmnet_nn.inference.local_coefficients import RATIOS, Door, LocalCoefficients
from glmnet_nn.inference.network_results import NetworkResults
from glmnet_nn.inference.observed import RIDGE, ObservedInformation, recommended_starts
from glmnet_nn.inference.options import InferenceOptions
from glmnet_nn.inference.partial_effects import PartialEffect
from glmnet_nn.inference.predictions import Differences, Prediction
from glmnet_nn.inference.predictive import PredictiveDistribution
from glmnet_nn.inference.results import GLMResults

__all__ = [
    "RATIOS",
    "RIDGE",
    "ClassForecast",
    "Coefficients",
    "Differences",
    "Door",
    "DoubleGLMResults",
    "Estimate",
    "Fitted",
    "Forecast",
    "GLMResults",
    "InferenceOptions",
    "LocalCoefficients",
    "NetworkResults",
    "ObservedInformation",
    "PartResults",
    "PartialEffect",
    "Prediction",
    "PredictiveDistribution",
    "Search",
    "generator",
    "recommended_starts",
    "root_of",
]
