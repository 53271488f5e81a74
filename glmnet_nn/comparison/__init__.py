"""Which model predicts better: scores, cross-validated comparison, tests."""

from glmnet_nn.comparison.nonlinearity import NonlinearityTest, nonlinearity_test
from glmnet_nn.comparison.paired import DevianceDifference, deviance_difference
from glmnet_nn.comparison.scoring import DevianceScorer, deviance_scorer
from glmnet_nn.comparison.table import Comparison, compare
from glmnet_nn.comparison.vuong import VuongTest, vuong_test

__all__ = [
    "Comparison",
    "DevianceDifference",
    "DevianceScorer",
    "NonlinearityTest",
    "VuongTest",
    "compare",
    "deviance_difference",
    "deviance_scorer",
    "nonlinearity_test",
    "vuong_test",
]
