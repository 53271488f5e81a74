"""What statistics says of a fitted model: information, covariance, results, predictions."""

from glmnet_nn.inference.class_prediction import ClassPrediction
from glmnet_nn.inference.covariance import covariance
from glmnet_nn.inference.estimate import Estimate, root_of
from glmnet_nn.inference.prediction import Prediction
from glmnet_nn.inference.predictive import PredictiveDistribution
from glmnet_nn.inference.results import GLMResults

__all__ = [
    "ClassPrediction",
    "Estimate",
    "GLMResults",
    "Prediction",
    "PredictiveDistribution",
    "covariance",
    "root_of",
]
