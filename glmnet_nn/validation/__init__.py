"""Model validation: is a model calibrated, does it tell risks apart, and where does it miss?

Functions take y, predictions and weights and return DataFrames; each has a display with
``from_predictions`` and ``from_estimator``. With ``exposure``, y and predictions are counts,
and tables are of rates, weighted by exposure.
"""

from glmnet_nn.validation.actual_expected import actual_expected
from glmnet_nn.validation.calibration import isotonic_calibration, local_calibration
from glmnet_nn.validation.calibration_display import AutocalibrationDisplay, MurphyDisplay
from glmnet_nn.validation.lift import double_lift_table, lift_table
from glmnet_nn.validation.lift_display import (
    ActualExpectedDisplay,
    DoubleLiftDisplay,
    LiftDisplay,
)
from glmnet_nn.validation.lorenz import gini_table, lorenz_curve
from glmnet_nn.validation.lorenz_display import LorenzDisplay, RelativitiesDisplay
from glmnet_nn.validation.murphy import murphy_decomposition
from glmnet_nn.validation.relativities import relativities

__all__ = [
    "ActualExpectedDisplay",
    "AutocalibrationDisplay",
    "DoubleLiftDisplay",
    "LiftDisplay",
    "LorenzDisplay",
    "MurphyDisplay",
    "RelativitiesDisplay",
    "actual_expected",
    "double_lift_table",
    "gini_table",
    "isotonic_calibration",
    "lift_table",
    "local_calibration",
    "lorenz_curve",
    "murphy_decomposition",
    "relativities",
]
