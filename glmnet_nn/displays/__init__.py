"""Figures of a fit: its training, its residuals, its coefficients, the effect of a column."""

from glmnet_nn.displays.coefficients import CoefficientDisplay
from glmnet_nn.displays.partial_effects import PartialEffectDisplay
from glmnet_nn.displays.quantile_plot import QuantileResidualDisplay
from glmnet_nn.displays.residuals import ResidualDisplay
from glmnet_nn.displays.training_curves import TrainingCurveDisplay

__all__ = [
    "CoefficientDisplay",
    "PartialEffectDisplay",
    "QuantileResidualDisplay",
    "ResidualDisplay",
    "TrainingCurveDisplay",
]
