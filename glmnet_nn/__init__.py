"""Deep networks whose output layer is a generalized linear model.

Estimators of scikit-learn's kind, ``hidden_layer_sizes=()`` being the classical GLM:

    DeepGLMRegressor              numbers: amounts, counts, shares
    DeepGLMClassifier             labels
    DoubleGLMRegressor            a second model, for the dispersion
    ElasticNetGLMCV, ElasticNetGLMClassifierCV, elastic_net_path
                                  GLMs along a sequence of penalties
    Poisson, Gamma, Tweedie, ...  laws of y as objects; most go by name, ``family="poisson"``

What a fitted model is asked:

    model.inference(X, y).summary()   standard errors and tests; to_statsmodels the same there
    model.predict_interval(X)         and predict_distribution, predict_quantiles, sample_y
    model.residuals(X, y)             model.local_coef(X), the coefficients row by row
    compare, nonlinearity_test        is the network better than the GLM? glm_to_net_path: by
                                      how much of it?
    glmnet_nn.validation              calibration, lift, Gini, actual against expected
    ...Display                        figures, by their from_estimator (they need matplotlib)
    save_model, load_model, to_onnx   files
    Blocks, ParquetBlocks             rows that do not fit in memory

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
from glmnet_nn.exceptions import (
    BoundaryWarning,
    InferenceWarning,
    RankWarning,
    SeparationWarning,
)

if TYPE_CHECKING:
    from glmnet_nn._config import configuration, show_config
    from glmnet_nn.blocks import Blocks, ParquetBlocks
    from glmnet_nn.bridges import to_statsmodels
    from glmnet_nn.comparison import (
        DevianceScorer,
        compare,
        deviance_scorer,
        nonlinearity_test,
        vuong_test,
    )
    from glmnet_nn.displays import (
        CoefficientDisplay,
        PartialEffectDisplay,
        QuantileResidualDisplay,
        ResidualDisplay,
        TrainingCurveDisplay,
    )
    from glmnet_nn.elastic_net import ElasticNetPath
    from glmnet_nn.estimators import DeepGLMClassifier, DeepGLMRegressor, DoubleGLMRegressor
    from glmnet_nn.estimators.elastic_net import ElasticNetGLMClassifierCV, ElasticNetGLMCV
    from glmnet_nn.estimators.paths import elastic_net_path
    from glmnet_nn.explanation import (
        InteractionProfileDisplay,
        LocalCoefDisplay,
        LocalImportanceDisplay,
        LocalInteractionsDisplay,
        interaction_profile,
        local_importance,
        local_interactions,
        local_profile,
    )
    from glmnet_nn.export import to_onnx
    from glmnet_nn.nesting import glm_to_net_path
    from glmnet_nn.persistence import load_model, save_model

__version__ = "0.1.0"

__all__ = [
    "Bernoulli",
    "Binomial",
    "Blocks",
    "BoundaryWarning",
    "CoefficientDisplay",
    "DeepGLMClassifier",
    "DeepGLMRegressor",
    "DevianceScorer",
    "DoubleGLMRegressor",
    "ElasticNetGLMCV",
    "ElasticNetGLMClassifierCV",
    "ElasticNetPath",
    "ExponentialFamily",
    "Gamma",
    "InferenceWarning",
    "InteractionProfileDisplay",
    "InverseGaussian",
    "LocalCoefDisplay",
    "LocalImportanceDisplay",
    "LocalInteractionsDisplay",
    "Multinoulli",
    "NegativeBinomial",
    "Normal",
    "ParquetBlocks",
    "PartialEffectDisplay",
    "Poisson",
    "QuantileResidualDisplay",
    "RankWarning",
    "ResidualDisplay",
    "SeparationWarning",
    "TrainingCurveDisplay",
    "Tweedie",
    "compare",
    "configuration",
    "deviance_scorer",
    "elastic_net_path",
    "get_family",
    "glm_to_net_path",
    "interaction_profile",
    "load_model",
    "local_importance",
    "local_interactions",
    "local_profile",
    "nonlinearity_test",
    "save_model",
    "show_config",
    "to_onnx",
    "to_statsmodels",
    "vuong_test",
]

_PACKAGES = ("elastic_net", "nesting", "validation")  # with public names of their own
_LAZY = {
    "Blocks": "blocks",
    "ParquetBlocks": "blocks",
    "CoefficientDisplay": "displays",
    "PartialEffectDisplay": "displays",
    "QuantileResidualDisplay": "displays",
    "ResidualDisplay": "displays",
    "TrainingCurveDisplay": "displays",
    "DeepGLMClassifier": "estimators",
    "DeepGLMRegressor": "estimators",
    "DoubleGLMRegressor": "estimators",
    "DevianceScorer": "comparison",
    "ElasticNetGLMCV": "estimators.elastic_net",
    "ElasticNetGLMClassifierCV": "estimators.elastic_net",
    "ElasticNetPath": "elastic_net",
    "compare": "comparison",
    "deviance_scorer": "comparison",
    "elastic_net_path": "estimators.paths",
    "nonlinearity_test": "comparison",
    "vuong_test": "comparison",
    "glm_to_net_path": "nesting",
    "InteractionProfileDisplay": "explanation",
    "LocalCoefDisplay": "explanation",
    "LocalImportanceDisplay": "explanation",
    "LocalInteractionsDisplay": "explanation",
    "interaction_profile": "explanation",
    "local_importance": "explanation",
    "local_interactions": "explanation",
    "local_profile": "explanation",
    "load_model": "persistence",
    "save_model": "persistence",
    "configuration": "_config",
    "show_config": "_config",
    "to_onnx": "export",
    "to_statsmodels": "bridges",
}


def __getattr__(name: str) -> Any:
    """Import what needs scikit-learn when first asked for."""
    if name in _PACKAGES:
        return import_module(f"glmnet_nn.{name}")
    if name not in _LAZY:
        raise AttributeError(f"module 'glmnet_nn' has no attribute {name!r}")
    return getattr(import_module(f"glmnet_nn.{_LAZY[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*__all__, *_PACKAGES, "__version__"])
