"""Without hidden layers, inference() is statsmodels' GLM: every family, link and kind of weight.

The list is computed: every pair of ours whose link statsmodels has for that family. A
frequency weight is compared with the rows repeated, which is what it means.
"""

import warnings
from functools import cache

import numpy as np
import pytest
import statsmodels.api as sm
from statsmodels.genmod.families import links
from statsmodels.stats import sandwich_covariance

from families import known_pairs
from glmnet_nn import DeepGLMRegressor

LAWS = sm.families
THEIRS = {
    "normal": LAWS.Gaussian,
    "bernoulli": LAWS.Binomial,
    "poisson": LAWS.Poisson,
    "gamma": LAWS.Gamma,
    "inverse_gaussian": LAWS.InverseGaussian,
    "tweedie": lambda link: LAWS.Tweedie(link, var_power=1.5),
    "negative_binomial": lambda link: LAWS.NegativeBinomial(link, alpha=1.0),
}
LINKS = {
    "identity": links.Identity(), "log": links.Log(), "logit": links.Logit(),
    "probit": links.Probit(), "cloglog": links.CLogLog(), "loglog": links.LogLog(),
    "cauchit": links.Cauchy(), "inverse": links.InversePower(), "sqrt": links.Sqrt(),
    "inverse_squared": links.InverseSquared(), "power": links.Power(-0.5),
    "nbinom": links.NegativeBinomial(alpha=1.0),
}  # fmt: skip
SPREAD = {"normal": 0.04, "gamma": 0.1, "inverse_gaussian": 0.05, "tweedie": 0.2}
N = 40


def their_law(pair):
    """The family of statsmodels, or None if it has not this one with this link."""
    if pair.name not in THEIRS:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return THEIRS[pair.name](LINKS[pair.link_name])
    except ValueError:
        return None


PAIRS = [pair for pair in known_pairs() if their_law(pair) is not None]
CASES = [
    pytest.param(pair, kind, id=f"{pair.name}-{pair.link_name}-{kind}")
    for pair in PAIRS
    for kind in ("none", "freq", "var")
]
cases = pytest.mark.parametrize(("pair", "kind"), CASES)


@cache
def fits(pair, kind):
    """Our results, theirs, the design, and where each of our rows is among theirs."""
    rng = np.random.default_rng(9)  # every optimum is inside the domain of its means
    X = rng.uniform(size=(N, 2))
    unit = pair.name == "bernoulli" or pair.link_name in ("logit", "cloglog")
    mu = 0.3 + X @ [0.2, 0.1] if unit else 3 + X @ [1.0, 0.5]
    y = pair.sample(mu, SPREAD.get(pair.name, 1.0), rng)
    w = rng.integers(1, 4, N).astype(float)
    weight = None if kind == "none" else w
    model = DeepGLMRegressor(pair, hidden_layer_sizes=(), max_iter=300).fit(X, y, weight)
    times = w.astype(int) if kind == "freq" else np.ones(N, dtype=int)
    rows = np.repeat(np.arange(N), times)
    var_weights = w if kind == "var" else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # links that leave the domain of means
        theirs = sm.GLM(y[rows], sm.add_constant(X)[rows], their_law(pair), var_weights=var_weights)
        start = np.r_[model.intercept_, model.coef_]
        theirs = theirs.fit(start_params=start, tol=1e-15, tol_criterion="params", maxiter=500)

    @cache
    def ours(**options):
        return model.inference(
            X, y, weight, weight_type="var" if kind == "var" else "freq", **options
        )

    return ours, theirs, X, rows, np.r_[0, np.cumsum(times)[:-1]]


def agree(ours, theirs, rtol=1e-8):
    """To rtol of the largest: an entry near 0 has the error of its neighbours."""
    size = np.max(np.abs(theirs))
    np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=rtol * size)


def test_the_list_holds_every_family_of_statsmodels():
    assert {pair.name for pair in PAIRS} == set(THEIRS)
    assert len(PAIRS) >= 27


@cases
def test_numbers(pair, kind):
    ours, theirs, *_ = fits(pair, kind)
    results = ours()
    agree(results.params, theirs.params)
    agree(results.bse, theirs.bse)
    agree(results.cov_params(), theirs.cov_params())
    for name in ("llf", "aic", "deviance", "null_deviance", "pearson_chi2", "scale", "df_resid"):
        assert getattr(results, name) == pytest.approx(getattr(theirs, name), rel=1e-8), name
    assert results.bic == pytest.approx(theirs.bic_llf, rel=1e-8)
    assert results.nobs == theirs.nobs


@cases
def test_residuals(pair, kind):
    ours, theirs, _, _, first = fits(pair, kind)
    results = ours()
    for name in ("response", "working", "pearson"):
        agree(getattr(results, f"resid_{name}"), getattr(theirs, f"resid_{name}")[first])
    # squares: where y is near mu theirs is the root of a difference that cancels
    agree(np.square(results.resid_deviance), np.square(theirs.resid_deviance[first]))
    assert np.all(results.resid_deviance * results.resid_response >= 0)
    agree(results.resid_anscombe, theirs.resid_anscombe_unscaled[first])


@cases
def test_influence(pair, kind):
    ours, theirs, _, _, first = fits(pair, kind)
    results, influence = ours().get_influence(), theirs.get_influence(observed=False)
    agree(results.hat_matrix_diag, influence.hat_matrix_diag[first])
    agree(results.cooks_distance, np.array(influence.cooks_distance)[:, first])
    # statsmodels multiplies the residual by sqrt(weight) x, whatever the sign of d mu / d eta
    falls = pair.link_name in ("inverse", "inverse_squared", "power")
    sign = -1.0 if falls else 1.0
    agree(results.resid_studentized, influence.resid_studentized[first])
    for name in ("d_params", "dfbetas", "d_linpred", "d_fittedvalues"):
        agree(getattr(results, name), sign * getattr(influence, name)[first])


@cases
def test_robust_covariances(pair, kind):
    ours, theirs, _, rows, _ = fits(pair, kind)
    group = np.arange(N) // 3
    agree(
        ours(cov_type="HC0").cov_params(),
        sandwich_covariance.cov_white_simple(theirs, use_correction=False),
    )
    agree(
        ours(cov_type="cluster", groups=tuple(group)).cov_params(),
        sandwich_covariance.cov_cluster(theirs, group[rows]),
    )
    if kind != "freq":
        agree(
            ours(cov_type="HAC", hac_maxlags=3).cov_params(),
            sandwich_covariance.cov_hac(theirs, nlags=3, use_correction=False),
        )


@cases
@pytest.mark.parametrize("observed", [True, False])
def test_score_test(pair, kind, observed):
    ours, theirs, X, rows, _ = fits(pair, kind)
    extra = np.column_stack([X[:, 0] ** 2, X[:, 0] * X[:, 1]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "not verified with var_weights"
        expected = theirs.score_test(exog_extra=extra[rows], observed=observed)
    test = ours().score_test(extra, observed=observed)
    assert test.statistic == pytest.approx(expected[0], rel=1e-7)  # a tuple before 0.15
    assert test.pvalue == pytest.approx(expected[1], rel=1e-7)


@cases
def test_wald_and_t_tests(pair, kind):
    ours, theirs, *_ = fits(pair, kind)
    for use_t in (False, True):
        results = ours(use_t=use_t)
        theirs._results.use_t = use_t  # what their tests ask
        joint = theirs.wald_test("x1 = 2 * x2, const = 1", use_f=use_t, scalar=True)
        test = results.wald_test("x0 = 2 * x1, Intercept = 1")
        assert test.statistic == pytest.approx(float(joint.statistic), rel=1e-7)
        assert test.pvalue == pytest.approx(float(joint.pvalue), rel=1e-6, abs=1e-290)
        single = theirs.t_test("x1 - x2 / 3 = 0.5, x2")
        test = results.t_test("x0 - x1 / 3 = 0.5, x1")
        for name in ("effect", "sd", "tvalue", "pvalue"):
            agree(getattr(test, name), np.ravel(getattr(single, name)), rtol=1e-7)
        agree(test.conf_int(), single.conf_int(), rtol=1e-7)
    theirs._results.use_t = False
    agree(ours().pvalues, theirs.pvalues, rtol=1e-6)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair.name}-{pair.link_name}")
def test_predictions(pair):
    ours, theirs, X, *_ = fits(pair, "none")
    new, offset = X[:5] * [1.0, 0.9], np.linspace(-0.01, 0.01, 5)
    found = ours().get_prediction(new, offset=offset)
    expected = theirs.get_prediction(sm.add_constant(new), offset=offset)
    agree(found.linpred, expected.linpred.predicted, rtol=1e-9)
    agree(found.se_linpred, expected.linpred.se, rtol=1e-9)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they try the link at 0
        frame = expected.summary_frame(alpha=0.1)
    ends = ["mean_ci_lower", "mean_ci_upper"]
    frame[ends] = np.sort(frame[ends])  # statsmodels turns them round for decreasing links
    agree(found.summary_frame(alpha=0.1)[frame.columns], frame, rtol=1e-9)
