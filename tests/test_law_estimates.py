"""Parameters of laws by profile likelihood: R's and statsmodels' estimates, the definition."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import optimize, special, stats
from sklearn.base import clone

from families import NegativeBinomial, Power, Tweedie, get_family
from glmnet_nn import BoundaryWarning, DeepGLMRegressor

# Days absent of 146 children, by origin, sex, age and learner: MASS's quine (Aitkin 1978).
QUINE = """
A,M,F0,SL: 2 11 14
A,M,F0,AL: 5 5 13 20 22
A,M,F1,SL: 6 6 15
A,M,F1,AL: 7 14
A,M,F2,SL: 6 32 53 57
A,M,F2,AL: 14 16 16 17 40 43 46
A,M,F3,AL: 8 23 23 28 34 36 38
A,F,F0,SL: 3
A,F,F0,AL: 5 11 24 45
A,F,F1,SL: 5 6 6 9 13 23 25 32 53 54
A,F,F1,AL: 5 5 11 17 19
A,F,F2,SL: 8 13 14 20 47 48 60 81
A,F,F2,AL: 2
A,F,F3,AL: 0 2 3 5 10 14 21 36 40
N,M,F0,SL: 6 17 67
N,M,F0,AL: 0 0 2 7 11 12
N,M,F1,SL: 0 0 5 5 5 11 17
N,M,F1,AL: 3 4
N,M,F2,SL: 22 30 36
N,M,F2,AL: 8 0 1 5 7 16 27
N,M,F3,AL: 0 30 10 14 27 41 69
N,F,F0,SL: 25
N,F,F0,AL: 10 11 20 33
N,F,F1,SL: 5 7 0 1 5 5 5 5 7 11 15
N,F,F1,AL: 5 14 6 6 7 28
N,F,F2,SL: 0 5 14 2 2 3 8 10 12
N,F,F2,AL: 1
N,F,F3,AL: 1 9 22 3 3 5 15 18 22 37
"""
CELLS = [line.split(": ") for line in QUINE.strip().splitlines()]
LABELS = np.repeat([label.split(",") for label, _ in CELLS], [len(d.split()) for _, d in CELLS], 0)
DAYS = np.array([float(day) for _, days in CELLS for day in days.split()])
MAIN_EFFECTS = np.column_stack(
    [LABELS[:, column] == level for column, level in
     ((0, "N"), (1, "M"), (2, "F1"), (2, "F2"), (2, "F3"), (3, "SL"))]
).astype(float)  # fmt: skip
SATURATED = np.unique([",".join(row) for row in LABELS], return_inverse=True)[1]
SATURATED = np.eye(len(CELLS))[SATURATED][:, 1:]


def fitted(family, X, y, **asked):
    return DeepGLMRegressor(family, hidden_layer_sizes=(), **asked).fit(X, y)


def test_theta_is_that_of_glm_nb():
    """glm.nb(Days ~ Eth * Sex * Age * Lrn, quine), as in Crawley, The R Book, chapter 14."""
    model = fitted(NegativeBinomial("log", alpha="estimate"), SATURATED, DAYS)
    alpha, estimate = model.family_.alpha, model.law_estimate_
    assert 1 / alpha == pytest.approx(1.92836014510701, rel=1e-11)  # R's init.theta
    assert f"{estimate.standard_error / alpha**2:.3f}" == "0.269"
    results = model.inference(SATURATED, DAYS)
    assert f"{2 * results.llf:.3f}" == "-1039.324"
    assert f"{results.null_deviance:.2f} {results.deviance:.2f}" == "272.29 167.45"
    assert results.df_resid == 118
    assert f"{results.aic:.1f}" == "1097.3"  # R counts theta


def test_alpha_is_that_of_statsmodels():
    model = fitted(NegativeBinomial("log", alpha="estimate"), MAIN_EFFECTS, DAYS)
    ours = np.r_[model.intercept_, model.coef_, model.family_.alpha]
    theirs = sm.NegativeBinomial(DAYS, sm.add_constant(MAIN_EFFECTS))
    theirs = theirs.fit(disp=0, method="newton", start_params=ours * 1.01, tol=1e-12)
    np.testing.assert_allclose(ours, theirs.params, rtol=1e-9)
    assert model.law_estimate_.standard_error == pytest.approx(theirs.bse[-1], rel=1e-3)
    results = model.inference(MAIN_EFFECTS, DAYS)
    assert results.llf == pytest.approx(theirs.llf, rel=1e-12)
    assert results.aic == pytest.approx(theirs.aic, rel=1e-12)
    assert results.bic == pytest.approx(theirs.bic, rel=1e-12)


def test_likelihood_ratio_lets_each_model_have_its_own_estimate():
    """2 x log-likelihood: -1039.324 and, of the main effects, -1093.151, as glm.nb prints."""
    family = NegativeBinomial("log", alpha="estimate")
    full = fitted(family, SATURATED, DAYS).inference(SATURATED, DAYS)
    main = fitted(family, MAIN_EFFECTS, DAYS)
    test = full.lr_test(main.inference(MAIN_EFFECTS, DAYS))
    assert float(test.statistic) == pytest.approx(1093.151 - 1039.324, abs=2e-3)
    assert test.df_num == 27 - 6
    given = fitted(main.family_, MAIN_EFFECTS, DAYS).inference(MAIN_EFFECTS, DAYS)
    with pytest.raises(ValueError, match=r"compares deviances of one law.*Fit the restricted"):
        full.lr_test(given)


@pytest.mark.parametrize("link", ["auto", "sqrt", "identity"])
def test_every_link_has_its_own_estimate(link):
    model = fitted(NegativeBinomial(link, alpha="estimate"), MAIN_EFFECTS[:, :1], DAYS)
    assert model.converged_
    assert_no_other_alpha_is_better(model, MAIN_EFFECTS[:, :1], DAYS)


def assert_no_other_alpha_is_better(model, X, y):
    """The definition: the fit at a given alpha has its highest likelihood at the estimate."""
    best = model.inference(X, y).llf
    for factor in (0.97, 1.03):
        family = get_family(model.family_, alpha=factor * model.family_.alpha)
        assert fitted(family, X, y).inference(X, y).llf < best - 1e-3


def test_weights_offset_and_penalty_take_part():
    rng = np.random.default_rng(0)
    weight, time = rng.integers(0, 3, len(DAYS)), rng.uniform(0.5, 2.0, len(DAYS))
    family = NegativeBinomial("log", alpha="estimate")
    model = DeepGLMRegressor(family, hidden_layer_sizes=(), alpha=0.01)
    model.fit(MAIN_EFFECTS, DAYS, sample_weight=weight, exposure=time)
    repeated = clone(model).fit(
        np.repeat(MAIN_EFFECTS, weight, axis=0),
        np.repeat(DAYS, weight),
        exposure=np.repeat(time, weight),
    )
    assert model.family_.alpha == pytest.approx(repeated.family_.alpha, rel=1e-9)
    mu = model.predict(MAIN_EFFECTS, exposure=time)

    def fall(log_alpha):
        law = NegativeBinomial("log", alpha=np.exp(log_alpha))
        return -weight @ law.log_likelihood(DAYS, mu)

    found = optimize.minimize_scalar(fall, bracket=(-1.0, 0.0), tol=1e-10)
    assert model.family_.alpha == pytest.approx(np.exp(found.x), rel=1e-6)


@pytest.mark.parametrize(
    ("solver", "within"), [("lbfgs", 0.01), ("newton_cg", 0.01), ("adam", 0.5)]
)
def test_network_ends_where_alpha_maximises_the_likelihood_at_its_means(solver, within):
    family = NegativeBinomial("log", alpha="estimate")
    model = DeepGLMRegressor(family, hidden_layer_sizes=(3,), random_state=0, solver=solver)
    model.fit(MAIN_EFFECTS, DAYS)
    mu, estimate = model.predict(MAIN_EFFECTS), model.law_estimate_

    def fall(alpha):
        return -NegativeBinomial("log", alpha=alpha).log_likelihood(DAYS, mu).sum()

    found = optimize.minimize_scalar(fall, bounds=(0.1, 3.0), method="bounded")
    assert abs(found.x - estimate.value) < within * estimate.standard_error
    assert model.family_.alpha == estimate.value


# ---------------------------------------------------------------- Tweedie


def compound_log_likelihood(y, mu, phi, p):
    """The definition: N ~ Poisson, y the sum of N Gamma sizes."""
    rate = mu ** (2 - p) / (phi * (2 - p))
    shape, scale = (2 - p) / (p - 1), phi * (p - 1) * mu ** (p - 1)
    k = np.arange(1, 80)
    sizes = stats.gamma.pdf(np.maximum(y, 1e-300)[:, None], k * shape, scale=scale[:, None])
    density = (stats.poisson.pmf(k, rate[:, None]) * sizes).sum(axis=1)
    return np.where(y > 0, np.log(np.where(y > 0, density, 1.0)), -rate).sum()


@pytest.fixture(scope="module")
def rain():
    rng = np.random.default_rng(3)
    X = np.repeat([[0.0], [1.0]], 75, axis=0)
    return X, Tweedie(power=1.3).sample(np.exp(0.5 + 0.8 * X[:, 0]), 1.2, rng)


def test_power_is_the_maximum_likelihood_estimate(rain):
    X, y = rain

    def fall(point):
        mu = np.exp(point[0] + point[1] * X[:, 0])
        return -compound_log_likelihood(y, mu, np.exp(point[2]), 1 + special.expit(point[3]))

    found = optimize.minimize(fall, [0.5, 0.8, 0.0, 0.0], method="BFGS", options={"gtol": 1e-5})
    model = fitted(Tweedie("log", power="estimate"), X, y)
    assert model.family_.power == pytest.approx(1 + special.expit(found.x[3]), abs=1e-5)
    np.testing.assert_allclose([model.intercept_, *model.coef_], found.x[:2], atol=1e-5)
    slope = special.expit(found.x[3]) * special.expit(-found.x[3])
    rises = [
        optimize.approx_fprime(found.x + step, fall, 1e-5)
        - optimize.approx_fprime(found.x - step, fall, 1e-5)
        for step in 1e-2 * np.eye(4)
    ]
    variance = np.linalg.inv(np.array(rises) / 2e-2)[3, 3]
    assert model.law_estimate_.standard_error == pytest.approx(slope * variance**0.5, rel=0.02)


def test_canonical_link_follows_the_power(rain):
    model = fitted(Tweedie(power="estimate"), *rain)
    assert model.link_ == Power(1 - model.family_.power)
    assert model.converged_


# ------------------------------------------------------- ends of the range


@pytest.mark.parametrize(
    ("family", "draw", "limit", "end"),
    [
        (NegativeBinomial("log", alpha="estimate"), lambda rng: rng.binomial(9, 0.4, 200),
         "the Poisson law", 1e-8),
        (Tweedie("log", power="estimate"), lambda rng: rng.wald(1.0, 0.5, 200),
         "the Gamma law", 1.99),
    ],
)  # fmt: skip
def test_estimate_at_the_end_of_its_range_is_said_with_a_remedy(family, draw, limit, end):
    rng = np.random.default_rng(4)
    X, y = rng.normal(size=(200, 1)), draw(rng)
    with pytest.warns(BoundaryWarning, match=f"still rises.*{limit}"):
        model = fitted(family, X, y)
    assert model.law_estimate_.value == pytest.approx(end)
    assert np.isinf(model.law_estimate_.standard_error)
    assert np.isfinite(model.score(X, y))


def test_known_parameters_have_no_estimate():
    assert fitted(NegativeBinomial("log", alpha=0.5), MAIN_EFFECTS, DAYS).law_estimate_ is None


# ------------------------------------------------------------ the promise


@pytest.mark.parametrize("law", [NegativeBinomial, Tweedie])
def test_law_that_is_to_be_estimated_computes_nothing(law):
    name = law.estimable.name
    promise = get_family(law.name, **{name: "estimate"})
    assert promise.unknown is law.estimable
    assert promise == law(**{name: "estimate"}) != law()
    with pytest.raises(ValueError, match=f"{name} .*to be estimated, and not known yet"):
        promise.variance(np.ones(2))
    with pytest.raises(ValueError, match=f"{name} .*to be estimated, and not known yet"):
        promise.mean(np.ones(2))
    with pytest.raises(ValueError, match=rf"{name} as a number or 'estimate', but got 'auto'"):
        law(**{name: "auto"})
    assert promise.at(1.25) == law(**{name: 1.25}) == get_family(promise, **{name: 1.25})
    assert get_family(promise, "log").at(1.25) == law("log", **{name: 1.25})
    assert law().at(7.0) == law() == law().initial


def test_link_is_checked_before_the_estimate_is_known():
    with pytest.raises(ValueError, match="link must be one of"):
        NegativeBinomial("no such link", alpha="estimate")
    model = DeepGLMRegressor(NegativeBinomial(alpha="estimate"), hidden_layer_sizes=())
    with pytest.raises(ValueError, match="exposure multiplies the mean"):
        model.fit(MAIN_EFFECTS, DAYS, exposure=np.ones(len(DAYS)))


def test_asked_for_by_name_and_cloned():
    model = DeepGLMRegressor(get_family("tweedie", "log", power="estimate"))
    assert clone(model).get_params()["family"] == Tweedie("log", power="estimate")


def test_bias_reduction_is_not_for_unknown_laws():
    with pytest.raises(ValueError, match="alpha of NegativeBinomial is to be estimated"):
        fitted(NegativeBinomial(alpha="estimate"), MAIN_EFFECTS, DAYS, bias_reduction=True)


def test_a_network_stays_where_it_is_when_the_link_moves_with_alpha():
    """Of counts that vary little alpha falls to the end: then the same eta is other means."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(200, 3)), rng.binomial(10, 0.3, 200).astype(float)
    network = DeepGLMRegressor(
        NegativeBinomial(alpha="estimate"), hidden_layer_sizes=(4,), max_iter=100, random_state=0
    )
    with pytest.warns(BoundaryWarning, match="still rises at 1e-08"):
        network.fit(X, y)
    assert network.predict(X).mean() == pytest.approx(y.mean(), rel=0.02)
