"""The scikit-learn face: validate, build the objective, solve, store."""

from glmnet_nn.estimators.classifier import DeepGLMClassifier
from glmnet_nn.estimators.double_glm import DoubleGLMRegressor
from glmnet_nn.estimators.regressor import DeepGLMRegressor

__all__ = ["DeepGLMClassifier", "DeepGLMRegressor", "DoubleGLMRegressor"]
