"""Which model predicts better: scores, cross-validated comparison, tests."""

from glmnet_nn.comparison.scoring import DevianceScorer, deviance_scorer

__all__ = ["DevianceScorer", "deviance_scorer"]
