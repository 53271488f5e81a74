"""Paths of generalized linear models with an elastic net, and the choice of a point on them."""

from glmnet_nn.elastic_net.display import ElasticNetCVDisplay, ElasticNetPathDisplay
from glmnet_nn.elastic_net.path import PathData, PathOptions, fitted_path
from glmnet_nn.elastic_net.results import ElasticNetPath
from glmnet_nn.elastic_net.solver import Stopping

__all__ = [
    "ElasticNetCVDisplay",
    "ElasticNetPath",
    "ElasticNetPathDisplay",
    "PathData",
    "PathOptions",
    "Stopping",
    "fitted_path",
]
