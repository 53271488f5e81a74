"""The double GLM without hidden layers: against R's output, optimality, identities."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import optimize, stats

from glmnet_nn import (
    BoundaryWarning,
    DeepGLMRegressor,
    DoubleGLMRegressor,
    Gamma,
    InverseGaussian,
    Normal,
    RankWarning,
    Tweedie,
)

LAWS = {
    "normal": Normal(),
    "gamma": Gamma("log"),
    "inverse_gaussian": InverseGaussian("log"),
    "tweedie": Tweedie("log", power=1.6),
}
every_law = pytest.mark.parametrize("name", LAWS)


def glm(family="normal", **parameters):
    return DeepGLMRegressor(family, hidden_layer_sizes=(), **parameters)


def sample(name, n=120, seed=0):
    """Rows whose mean and dispersion depend on x, and the law's y."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (n, 3))
    eta, zeta = 0.4 + X @ [0.6, -0.4, 0.0], -1.0 + X @ [0.0, 0.9, -0.7]
    law = LAWS[name]
    return X, law.sample(law.mean(eta), np.exp(zeta), rng)


def joint_gradient(double, X, y, weight=1.0, precision=1.0):
    """The gradient of the joint log-likelihood in both models, by differences."""
    design = np.column_stack([np.ones(len(y)), X])
    law, p = double.family_, X.shape[1] + 1
    at = np.concatenate(
        [[m.intercept_, *m.coef_] for m in (double.mean_, double.dispersion_model_)]
    )

    def llf(b):
        phi = np.exp(design @ b[p:]) / precision
        return np.sum(weight * law.log_likelihood(y, law.mean(design @ b[:p]), phi))

    return optimize.approx_fprime(at, llf, 1e-6), llf, at


# ----------------------------------------------------- numbers from elsewhere

# R's dglm 1.8.6, the output stored with its tests: dglm(lot1 ~ log(u), ~ u, family = Gamma)
CLOTTING = pd.DataFrame(
    {
        "u": [5.0, 10, 15, 20, 30, 40, 60, 80, 100],
        "log_u": np.log([5.0, 10, 15, 20, 30, 40, 60, 80, 100]),
    }
)
LOT1 = np.array([118.0, 58, 42, 35, 27, 25, 21, 19, 18])


def test_gamma_of_exact_likelihood_is_that_of_dglm():
    double = DoubleGLMRegressor(
        glm("gamma"), mean_features=["log_u"], dispersion_features=["u"], method="ml"
    ).fit(CLOTTING, LOT1)
    found = double.inference(CLOTTING, LOT1)
    np.testing.assert_allclose(found.mean.params, [-0.01784797, 0.01596262], rtol=2e-6)
    # summary.glm multiplies the standard errors of the mean by the root of its own dispersion
    ratio = np.array([0.0010062108, 0.0002301215]) / np.sqrt(1.307633)
    np.testing.assert_allclose(found.mean.bse, ratio, rtol=1e-5)
    np.testing.assert_allclose(found.dispersion.params, [-4.59256962, -0.06966577], rtol=1e-5)
    np.testing.assert_allclose(found.dispersion.bse, [0.76357166, 0.01502817], rtol=1e-5)
    assert -2.0 * found.llf == pytest.approx(22.17126, abs=5e-6)
    assert found.dispersion.pvalues["u"] == pytest.approx(3.557663e-06, rel=1e-3)


# statmod 1.5.0: remlscore(y, X, Z, tol = 1e-12) of data(welding), Smyth (2002), table 1
WELDING = pd.DataFrame(
    {
        "drying": [0, 0, 1, 1, 1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 1, 1],
        "material": [0, 1, 1, 0, 1, 0, 0, 1, 1, 0, 0, 1, 0, 1, 1, 0],
        "method": [0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1],
        "preheating": [0, 1, 0, 1, 1, 0, 1, 0, 1, 0, 1, 0, 0, 1, 0, 1],
    },
    dtype=float,
)
STRENGTH = [43.7, 40.2, 42.4, 44.7, 42.4, 45.9, 42.2, 40.6]
STRENGTH += [42.4, 45.5, 43.6, 40.6, 44.0, 40.2, 42.5, 46.5]


def test_reml_is_that_of_remlscore_with_its_standard_errors():
    double = DoubleGLMRegressor(
        glm(),
        mean_features=["drying", "material"],
        dispersion_features=["material", "method", "preheating"],
    ).fit(WELDING, STRENGTH)
    found = double.inference(WELDING, STRENGTH)
    beta = [43.82420221580262, 1.86227261871826, -3.23747519905799]
    gamma = [-3.1589123805343995, -2.7354439288352053, -0.0860268361544896, 3.3325942585898911]
    np.testing.assert_allclose(found.mean.params, beta, rtol=1e-8)
    np.testing.assert_allclose(found.dispersion.params, gamma, rtol=1e-6)
    se = [0.103911891836062, 0.048056289969896, 0.1040780904479]
    np.testing.assert_allclose(found.mean.bse, se, rtol=1e-7)
    se = [0.831308315128926, 0.822482153888387, 0.835094355649588, 0.825023647073736]
    np.testing.assert_allclose(found.dispersion.bse, se, rtol=1e-7)


@pytest.mark.parametrize("name", ["normal", "gamma"])
def test_the_joint_likelihood_has_no_higher_point(name):
    """Found by scipy from another start, and by its densities."""
    X, y = sample(name)
    design = np.column_stack([np.ones(len(y)), X])

    def negative(b):
        eta, phi = design @ b[:4], np.exp(design @ b[4:])
        if name == "normal":
            return -stats.norm.logpdf(y, eta, np.sqrt(phi)).sum()
        return -stats.gamma.logpdf(y, 1 / phi, scale=np.exp(eta) * phi).sum()

    best = optimize.minimize(negative, np.zeros(8), method="BFGS", options={"gtol": 1e-7})
    double = DoubleGLMRegressor(glm(LAWS[name]), method="ml").fit(X, y)
    found = double.inference(X, y)
    np.testing.assert_allclose(found.params, best.x, atol=2e-5)
    assert found.llf == pytest.approx(-best.fun, abs=1e-8)
    assert found.llf == pytest.approx(double.log_likelihood_curve_[-1], abs=1e-8)


def test_the_mean_is_weighted_least_squares_with_its_robust_covariance():
    X, y = sample("normal")
    double = DoubleGLMRegressor(glm()).fit(X, y)
    peer = sm.WLS(y, sm.add_constant(X), weights=1 / double.predict_dispersion(X)).fit(
        cov_type="HC0"
    )
    found = double.inference(X, y, cov_type="HC0").mean
    np.testing.assert_allclose(found.params, peer.params, rtol=1e-6)
    np.testing.assert_allclose(found.bse, peer.bse, rtol=1e-6)


# ------------------------------------------------------------------ optimality


@every_law
def test_the_joint_score_vanishes(name):
    X, y = sample(name)
    double = DoubleGLMRegressor(glm(LAWS[name]), method="ml").fit(X, y)
    gradient, _, _ = joint_gradient(double, X, y)
    se = double.inference(X, y).bse.to_numpy()
    assert np.abs(gradient * se).max() < 3e-4  # of the differences; in standard errors
    assert double.converged_
    assert double.n_iter_ < 40


@pytest.mark.parametrize("name", ["gamma", "tweedie"])
def test_the_saddlepoint_makes_every_deviance_have_mean_phi(name):
    X, y = sample(name)
    double = DoubleGLMRegressor(glm(LAWS[name]), method="ml", likelihood="saddlepoint").fit(X, y)
    d = double.family_.unit_deviance(y, double.predict(X))
    score = (d / double.predict_dispersion(X) - 1) @ np.column_stack([np.ones(len(y)), X])
    np.testing.assert_allclose(score, 0.0, atol=1e-4)
    exact = DoubleGLMRegressor(glm(LAWS[name]), method="ml").fit(X, y)
    assert exact.log_likelihood(X, y) > double.log_likelihood(X, y)


def test_reml_maximises_the_restricted_likelihood_and_is_unbiased_of_groups():
    X, y = sample("normal", n=40)
    design = np.column_stack([np.ones(len(y)), X])
    double = DoubleGLMRegressor(glm()).fit(X, y)

    def restricted(gamma):
        phi = np.exp(design @ gamma)
        F = design.T @ (design / phi[:, None])
        r = y - design @ np.linalg.solve(F, design.T @ (y / phi))
        return -0.5 * (np.log(phi).sum() + r @ (r / phi) + np.linalg.slogdet(F)[1])

    gamma = np.array([double.dispersion_model_.intercept_, *double.dispersion_model_.coef_])
    np.testing.assert_allclose(optimize.approx_fprime(gamma, restricted, 1e-6), 0.0, atol=1e-4)


def test_of_one_dispersion_reml_divides_by_n_less_p():
    X, y = sample("normal", n=30)
    constant = pd.DataFrame(X, columns=list("abc")).assign(one=1.0)
    with pytest.warns(RankWarning, match="'one'"):
        double = DoubleGLMRegressor(
            glm(), mean_features=list("abc"), dispersion_features=["one"]
        ).fit(constant, y)
    plain = glm().fit(X, y)
    np.testing.assert_allclose(double.predict_dispersion(constant), plain.dispersion_, rtol=1e-8)
    np.testing.assert_allclose(double.predict(constant), plain.predict(X), rtol=1e-8)


@pytest.mark.parametrize("name", ["normal", "gamma"])
def test_standard_errors_are_those_of_repeated_sampling(name):
    """The information is the mean of minus the second derivatives: here at one large sample."""
    X, y = sample(name, n=3000, seed=3)
    double = DoubleGLMRegressor(glm(LAWS[name]), method="ml").fit(X, y)
    _, llf, at = joint_gradient(double, X, y)
    h, k = 1e-3, len(at)
    steps = h * np.eye(k)
    H = np.array(
        [
            [llf(at + a + b) - llf(at + a - b) - llf(at - a + b) + llf(at - a - b) for a in steps]
            for b in steps
        ]
    )
    se = np.sqrt(np.diag(np.linalg.inv(-H / (4 * h * h))))
    np.testing.assert_allclose(double.inference(X, y).bse, se, rtol=0.06)


# ------------------------------------------------------------------- weights


@pytest.mark.parametrize("method", ["ml", "reml"])
def test_a_frequency_weight_is_so_many_rows(method):
    X, y = sample("gamma", n=60)
    weight = np.arange(60) % 4
    times = np.repeat(np.arange(60), weight)
    model = DoubleGLMRegressor(glm(LAWS["gamma"]), method=method)
    weighted, repeated = model.fit(X, y, weight), None
    one = weighted.inference(X, y, weight)
    repeated = DoubleGLMRegressor(glm(LAWS["gamma"]), method=method).fit(X[times], y[times])
    other = repeated.inference(X[times], y[times])
    np.testing.assert_allclose(one.params, other.params, rtol=1e-6)
    np.testing.assert_allclose(one.bse, other.bse, rtol=1e-6)
    assert one.llf == pytest.approx(other.llf, abs=1e-9)
    assert one.nobs == other.nobs == weight.sum()


@every_law
def test_a_precision_divides_the_dispersion(name):
    X, y = sample(name, n=80)
    w = np.linspace(0.5, 4.0, 80)
    double = DoubleGLMRegressor(glm(LAWS[name]), method="ml", weight_type="var").fit(X, y, w)
    gradient, llf, at = joint_gradient(double, X, y, precision=w)
    se = double.inference(X, y, w).bse.to_numpy()
    assert np.abs(gradient * se).max() < 3e-4
    assert double.log_likelihood(X, y, w) == pytest.approx(llf(at), rel=1e-12)


def test_the_unit_of_precisions_is_that_of_phi():
    X, y = sample("gamma", n=80)
    w = np.linspace(0.5, 4.0, 80)
    one, three = (
        DoubleGLMRegressor(glm(LAWS["gamma"]), weight_type="var").fit(X, y, unit * w)
        for unit in (1, 3)
    )
    np.testing.assert_allclose(
        three.predict_dispersion(X), 3 * one.predict_dispersion(X), rtol=1e-5
    )


# ------------------------------------------------------------------ singular


def test_a_likelihood_without_a_maximum_is_said():
    """One level of a factor in both models: its row is reproduced, and its phi falls to 0."""
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.standard_normal(30), np.zeros(30)])
    X[7, 1] = 1.0
    y = X[:, 0] + rng.standard_normal(30)
    with pytest.warns(BoundaryWarning, match=r"in 1 of 30 rows \(the first: \[7\]\)"):
        ml = DoubleGLMRegressor(glm(), method="ml").fit(X, y)
    assert ml.predict_dispersion(X)[7] < 1e-9
    reml = DoubleGLMRegressor(glm()).fit(X, y)  # the row says nothing of its dispersion
    others = np.delete(np.arange(30), 7)
    alone = DoubleGLMRegressor(glm()).fit(X[others][:, :1], y[others])
    np.testing.assert_allclose(
        reml.predict_dispersion(X[others]), alone.predict_dispersion(X[others][:, :1]), rtol=1e-5
    )
