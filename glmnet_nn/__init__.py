"""Deep networks whose output layer is a generalized linear model.

>>> from glmnet_nn import DeepGLMRegressor, Poisson
>>> DeepGLMRegressor(Poisson(), hidden_layer_sizes=())
DeepGLMRegressor(family=Poisson(link=Log()), hidden_layer_sizes=())
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from families import (
    Bernoulli,
    Binomial,
    ExponentialFamily,
    Gamma,
    InverseGaussian,
    Multinoulli,
    NegativeBinomial,
    Normal,
    Poisson,
    Tweedie,
    get_family,
)
from glmnet_nn.exceptions import BoundaryWarning, RankWarning, SeparationWarning

if TYPE_CHECKING:
    from glmnet_nn.bridges import to_statsmodels
    from glmnet_nn.estimators import DeepGLMClassifier, DeepGLMRegressor

__version__ = "0.1.0"

__all__ = [
    "Bernoulli",
    "Binomial",
    "BoundaryWarning",
    "DeepGLMClassifier",
    "DeepGLMRegressor",
    "ExponentialFamily",
    "Gamma",
    "InverseGaussian",
    "Multinoulli",
    "NegativeBinomial",
    "Normal",
    "Poisson",
    "RankWarning",
    "SeparationWarning",
    "Tweedie",
    "get_family",
    "to_statsmodels",
]

_LAZY = {
    "DeepGLMClassifier": "estimators",
    "DeepGLMRegressor": "estimators",
    "to_statsmodels": "bridges",
}


def __getattr__(name: str) -> Any:
    """Import what needs scikit-learn when it is first asked for."""
    if name not in _LAZY:
        raise AttributeError(f"module 'glmnet_nn' has no attribute {name!r}")
    return getattr(import_module(f"glmnet_nn.{_LAZY[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
