"""DoubleGLMRegressor as its users meet it: networks, columns, laws of new observations."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score

from glmnet_nn import DeepGLMRegressor, DoubleGLMRegressor, Gamma, Tweedie


def glm(family="normal", **parameters):
    return DeepGLMRegressor(family, hidden_layer_sizes=(), **parameters)


def net(family="normal", **parameters):
    return DeepGLMRegressor(
        family, **{"hidden_layer_sizes": (8,), "random_state": 0, **parameters}
    )


def curved(n, seed, law=None):
    """Rows whose mean and dispersion bend with x; the law is Normal, or the one given."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-2, 2, (n, 2))
    eta, phi = np.sin(2 * X[:, 0]) + X[:, 1] / 2, np.exp(-1.5 + 1.2 * np.cos(2 * X[:, 0]))
    if law is None:
        return X, eta + np.sqrt(phi) * rng.standard_normal(n), phi
    return X, law.sample(law.mean(0.5 * eta), phi, rng), phi


# ------------------------------------------------------------------ networks


@pytest.fixture(scope="module")
def double_net():
    X, y, _ = curved(500, 0)
    return DoubleGLMRegressor(net()).fit(X, y)


def test_a_network_finds_both_curves(double_net):
    X, y, phi = curved(4000, 1)
    assert double_net.converged_
    assert double_net.n_iter_ <= 15
    found = np.log(double_net.predict_dispersion(X))
    assert np.corrcoef(found, np.log(phi))[0, 1] > 0.9
    assert abs(np.mean(found - np.log(phi))) < 0.1
    single = net().fit(*curved(500, 0)[:2])
    of_one = stats.norm.logpdf(y, single.predict(X), np.sqrt(single.dispersion_)).sum()
    assert double_net.log_likelihood(X, y) > of_one + 0.1 * len(y)


def test_intervals_of_a_network_cover_everywhere(double_net):
    X, y, phi = curved(8000, 2)
    low, high = double_net.predict_interval(X, coverage=0.8).T
    inside = (low <= y) & (y <= high)
    assert inside.mean() == pytest.approx(0.8, abs=0.03)
    for part in np.array_split(np.argsort(phi), 4):  # not too wide here and too narrow there
        assert inside[part].mean() == pytest.approx(0.8, abs=0.07)


def test_the_alternation_climbs_the_penalised_joint_likelihood():
    """With both priors as they are stored, on the scale of the log-likelihood."""
    X, y, _ = curved(150, 3)
    found = []
    for rounds in (1, 2, 4):
        model = DoubleGLMRegressor(net(tol=1e-8), method="ml", max_iter=rounds, tol=1e6 / rounds)
        with np.errstate(all="ignore"):
            model.fit(X, y) if rounds == 1 else None
        found.append(model)
    model = DoubleGLMRegressor(net(tol=1e-8), method="ml", tol=1e-4).fit(X, y)
    curve = np.array(model.log_likelihood_curve_)
    assert np.all(np.diff(curve) > -1e-3)
