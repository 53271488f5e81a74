"""scikit-learn's own checks, for every solver at depth zero and with hidden layers.

None is expected to fail. The checks fit designs with more columns than rows, and
separated classes, and cut ``max_iter`` to a few: the warnings that say so are right there,
and they alone are let through.
"""

import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from glmnet_nn import DeepGLMClassifier, DeepGLMRegressor, DoubleGLMRegressor

DEPTHS = {
    (): ("auto", "newton", "lbfgs", "newton_cg", "adam"),
    (5,): ("auto", "lbfgs", "newton_cg", "adam"),
    (32, 16): ("auto",),  # the default, asked for by asking for nothing
}
# A fit for every format there is: five steps show as much as all.
FORMATS = (
    "check_estimator_sparse_array",
    "check_estimator_sparse_matrix",
    "check_sample_weight_equivalence_on_sparse_data",
)


def _estimators():
    for cls in (DeepGLMRegressor, DeepGLMClassifier):
        for hidden, solvers in DEPTHS.items():
            for solver in solvers:
                asked = {} if hidden == (32, 16) else {"hidden_layer_sizes": hidden}
                yield cls(**asked) if solver == "auto" else cls(**asked, solver=solver)
    yield DeepGLMClassifier(hidden_layer_sizes=(), bias_reduction=True)
    yield DeepGLMRegressor(hidden_layer_sizes=(5,), polish_output=True)
    for cls in (DeepGLMRegressor, DeepGLMClassifier):
        yield cls(hidden_layer_sizes=(5,), n_estimators=3, max_iter=100)
        for how in (True, "fixed"):
            yield cls(hidden_layer_sizes=(5,), skip_connection=how)
        yield cls(hidden_layer_sizes=(5,), architecture="local")
    for hidden, alpha, solver in (((), "auto", "auto"), ((5,), 0.1, "lbfgs")):
        mean = DeepGLMRegressor(hidden_layer_sizes=hidden, alpha=alpha, solver=solver)
        yield DoubleGLMRegressor(mean, max_iter=2)  # two rounds show as much as all


@pytest.mark.filterwarnings("ignore::glmnet_nn.RankWarning")
@pytest.mark.filterwarnings("ignore::glmnet_nn.BoundaryWarning")
@pytest.mark.filterwarnings("ignore::glmnet_nn.SeparationWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(list(_estimators()))
def test_check_estimator(estimator, check):
    if check.func.__name__ in FORMATS:
        estimator = clone(estimator).set_params(max_iter=5)  # one object serves all checks
    check(estimator)
