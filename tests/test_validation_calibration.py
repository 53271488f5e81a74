"""Calibration, Murphy's decomposition and Lorenz curves: identities, and other makers' numbers."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats
from scipy.integrate import trapezoid
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import (
    log_loss,
    mean_gamma_deviance,
    mean_poisson_deviance,
    mean_squared_error,
    roc_auc_score,
)

from families import get_family, known_families
from glmnet_nn.training.data import Rows
from glmnet_nn.training.separation import find_separation
from glmnet_nn.training.start import linear_objective
from glmnet_nn.validation import (
    gini_table,
    isotonic_calibration,
    local_calibration,
    lorenz_curve,
    murphy_decomposition,
)
from glmnet_nn.validation.calibration import _Neighbours, isotonic
from glmnet_nn.validation.observations import observations

LAWS = [law().initial for law in known_families()]
SCALAR = [law for law in LAWS if not law.event_ndim]
EACH = pytest.mark.parametrize("law", SCALAR, ids=lambda law: law.name)


def draw(law, n=300, seed=0):
    """y of the law, its means with ties, and weights."""
    rng = np.random.default_rng(seed)
    mu = np.round(rng.uniform(0.1, 0.9, n), 2)
    y = np.asarray(law.sample(mu, 0.25, rng), dtype=float)
    return y, mu, rng.uniform(0.5, 2.0, n)


# ------------------------------------------------------------------- Murphy


@EACH
def test_the_parts_of_the_score(law):
    y, mu, w = draw(law)
    skewed = mu**1.5
    found = murphy_decomposition(y, {"right": mu, "skewed": skewed}, law, sample_weight=w)
    parts = found["miscalibration"] - found["discrimination"] + found["uncertainty"]
    np.testing.assert_allclose(parts, found["score"], rtol=1e-13)
    mean = np.full(len(y), np.average(y, weights=w))
    for name, values in {"right": mu, "skewed": skewed}.items():
        expected = np.average(law.unit_deviance(y, values), weights=w)
        np.testing.assert_allclose(found.loc[name, "score"], expected, rtol=1e-13)
    np.testing.assert_allclose(
        found["uncertainty"], np.average(law.unit_deviance(y, mean), weights=w), rtol=1e-13
    )
    assert (found[["miscalibration", "discrimination"]] > 0).all(axis=None)
    np.testing.assert_allclose(found["d2"], 1 - found["score"] / found["uncertainty"], rtol=1e-12)
    gap = np.diff(found["discrimination"])  # the same order of rows: the same recalibration
    np.testing.assert_allclose(gap, 0.0, atol=1e-12)


@EACH
def test_recalibrated_predictions_are_calibrated_and_the_mean_says_nothing(law):
    y, mu, w = draw(law)
    recalibrated = isotonic(observations(y, mu, w), mu)
    mean = np.full(len(y), np.average(y, weights=w))
    found = murphy_decomposition(y, {"r": recalibrated, "mean": mean}, law, sample_weight=w)
    np.testing.assert_allclose(found["miscalibration"], 0.0, atol=1e-12)
    np.testing.assert_allclose(found.loc["mean", "discrimination"], 0.0, atol=1e-12)
    assert found.loc["r", "discrimination"] > 1e-3


@EACH
def test_no_other_nondecreasing_function_of_mu_fits_better(law):
    """The isotonic regression minimises every deviance at once (Barlow and Brunk 1972)."""
    y, mu, w = draw(law, n=60)
    fitted = isotonic(observations(y, mu, w), mu)
    best = np.average(law.unit_deviance(y, fitted), weights=w)
    rng = np.random.default_rng(1)
    for _ in range(50):
        other = np.interp(mu, np.linspace(0, 1, 8), np.sort(rng.uniform(0.05, 0.95, 8)))
        for share in (0.01, 1.0):
            trial = (1 - share) * fitted + share * other
            with np.errstate(all="ignore"):
                assert np.average(law.unit_deviance(y, trial), weights=w) >= best - 1e-12


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("poisson", mean_poisson_deviance),
        ("gamma", mean_gamma_deviance),
        ("normal", mean_squared_error),
        (
            "bernoulli",
            lambda y, mu, sample_weight: 2 * log_loss(y, mu, sample_weight=sample_weight),
        ),
    ],
)
def test_the_score_is_scikit_learns(name, theirs):
    y, mu, w = draw(get_family(name))
    found = murphy_decomposition(y, mu, name, sample_weight=w)
    expected = theirs(y, mu, sample_weight=w)
    np.testing.assert_allclose(found["score"], expected, rtol=1e-12)


def test_with_exposure_the_score_is_what_actuaries_report():
    y, rate, time = draw(get_family("poisson"))
    found = murphy_decomposition(y, rate * time, "poisson", exposure=time)
    expected = mean_poisson_deviance(y / time, rate, sample_weight=time)
    np.testing.assert_allclose(found["score"], expected, rtol=1e-12)
    counts = get_family("poisson").unit_deviance(y, rate * time).sum()
    np.testing.assert_allclose(found["score"] * time.sum(), counts, rtol=1e-12)


def test_model_diagnostics_prints_the_same():
    """The example in the docstring of model_diagnostics 1.5.0, scoring.decompose."""
    found = murphy_decomposition([0, 0, 1, 1], [-1, 1, 1, 2], "normal").iloc[0]
    assert found.tolist()[:4] == [0.625, 0.125, 0.25, 0.75]


def test_a_mean_that_the_law_cannot_have():
    found = murphy_decomposition([0.0, 1.0, 2.0], [-0.5, 1.0, 2.0], "poisson").iloc[0]
    assert found["score"] == found["miscalibration"] == np.inf
    assert np.isfinite(found["discrimination"])
    assert found["d2"] == -np.inf


def test_a_block_of_zeros_has_no_deviance():
    found = murphy_decomposition([0, 0, 1, 2], [0.1, 0.2, 1.0, 2.0], "poisson").iloc[0]
    assert found["discrimination"] == pytest.approx(found["uncertainty"], abs=1e-15)
    constant = murphy_decomposition([0.1, 0.1, 0.1], [0.1, 0.2, 0.3], "poisson").iloc[0]
    assert np.isnan(constant["d2"])
    assert constant["uncertainty"] == pytest.approx(0, abs=1e-15)


def classes(n=400, K=3):
    rng = np.random.default_rng(0)
    x = rng.normal(size=n)
    eta = np.outer(x, np.arange(K))
    mu = np.exp(eta) / np.exp(eta).sum(axis=1, keepdims=True)
    return rng.multinomial(1, mu).astype(float), mu, rng.uniform(0.5, 2, n)


def test_the_parts_of_several_classes():
    y, mu, w = classes()
    sharp = mu**2 / (mu**2).sum(axis=1, keepdims=True)
    mean = np.tile(np.average(y, axis=0, weights=w), (len(y), 1))
    models = {"right": mu, "sharp": sharp, "mean": mean}
    found = murphy_decomposition(y, models, "multinoulli", sample_weight=w)
    parts = found["miscalibration"] - found["discrimination"] + found["uncertainty"]
    np.testing.assert_allclose(parts, found["score"], rtol=1e-13)
    for name, values in models.items():
        loss = log_loss(y.argmax(axis=1), values, sample_weight=w)
        np.testing.assert_allclose(found.loc[name, "score"], 2 * loss, rtol=1e-12)
    np.testing.assert_allclose(found["uncertainty"], found.loc["mean", "score"], rtol=1e-12)
    assert np.all(found["miscalibration"] >= -1e-10)
    np.testing.assert_allclose(found.loc["mean", "discrimination"], 0.0, atol=1e-10)
    # both log-odds are the same but for a factor, so their recalibrations are
    np.testing.assert_allclose(
        found.loc["sharp", "discrimination"], found.loc["right", "discrimination"], rtol=1e-7
    )
    assert found.loc["sharp", "miscalibration"] > 4 * found.loc["right", "miscalibration"]


def test_of_classes_probabilities_are_asked_for():
    y, mu, _ = classes(20)
    with pytest.raises(ValueError, match="must hold 3 probabilities > 0 a row"):
        murphy_decomposition(y, mu[:, :2] / mu[:, :2].sum(axis=1, keepdims=True), "multinoulli")
    with pytest.raises(ValueError, match="20 rows do not"):
        murphy_decomposition(y, 2 * mu, "multinoulli")
    with pytest.raises(ValueError, match="no rates, and so no exposure"):
        murphy_decomposition(y, mu, "multinoulli", exposure=np.ones(20))


# -------------------------------------------------------------- calibration


@EACH
def test_isotonic_blocks_are_those_of_scikit_learn(law):
    y, mu, w = draw(law)
    theirs = IsotonicRegression().fit(mu, y, sample_weight=w).predict(mu)
    fitted = isotonic(observations(y, mu, w), mu)
    np.testing.assert_allclose(fitted, theirs, rtol=1e-9, atol=1e-12)
    table = isotonic_calibration(y, mu, sample_weight=w)
    np.testing.assert_allclose(table["exposure"] @ table["recalibrated"], w @ y, rtol=1e-12)
    np.testing.assert_allclose(table["exposure"] @ table["expected"], w @ mu, rtol=1e-12)
    assert np.all(np.diff(table["recalibrated"]) > 0)
    assert np.all(table["lower"].to_numpy()[1:] > table["upper"].to_numpy()[:-1])
    for block in table.itertuples():
        inside = (mu >= block.lower) & (mu <= block.upper)
        np.testing.assert_allclose(fitted[inside], block.recalibrated, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(
            np.average(y[inside], weights=w[inside]), block.recalibrated, rtol=1e-9, atol=1e-12
        )


def test_tiny_and_huge_predictions_are_ordered_all_the_same():
    y, mu, w = draw(get_family("gamma"))
    expected = isotonic_calibration(y, mu, sample_weight=w)["recalibrated"]
    for scale in (1e-200, 1e200):
        found = isotonic_calibration(y, scale * mu, sample_weight=w)["recalibrated"]
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def window(x, w, at, span):
    """Tricube weights, as Loader (1999) has them, by a loop."""
    d = np.abs(x - at)
    order = np.argsort(d, kind="stable")
    total = 0.0
    for i in order:
        total += w[i]
        if total >= span * w.sum():
            h = d[i]
            break
    return np.where(d < h, w * (1 - (np.minimum(d / h, 1)) ** 3) ** 3, 0.0)


@EACH
def test_the_local_mean(law):
    """Degree 0: sum nu (y - m) = 0, the local balance of Denuit, Charpentier and Trufin."""
    y, mu, w = draw(law)
    table = local_calibration(y, mu, law, degree=0, n_points=6, span=0.4, sample_weight=w)
    x = law.link_of(mu)
    for row in table.itertuples():
        nu = window(x, w, float(law.link_of(np.array(row.expected))), 0.4)
        np.testing.assert_allclose(row.recalibrated, np.average(y, weights=nu), rtol=1e-9)
        assert row.lower <= row.recalibrated <= row.upper
    assert not table["degree"].any()


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("poisson", sm.families.Poisson()),
        ("bernoulli", sm.families.Binomial()),
        ("normal", sm.families.Gaussian()),
        (get_family("gamma", link="log"), sm.families.Gamma(sm.families.links.Log())),
    ],
)
def test_the_local_line_is_a_glm_of_statsmodels(name, family):
    """With the sandwich standard error, as cov_type="HC0"."""
    law = get_family(name)
    y, mu, w = draw(law)
    table = local_calibration(y, mu, law, n_points=4, span=0.5, alpha=0.1, sample_weight=w)
    x, z = law.link_of(mu), stats.norm.ppf(0.95)
    for row in table.itertuples():
        at = float(law.link_of(np.array(row.expected)))
        nu = window(x, w, at, 0.5)
        near = nu > 0
        exog = sm.add_constant(x[near] - at)
        fit = sm.GLM(y[near], exog, family=family, var_weights=nu[near]).fit(tol=1e-12)
        eta = fit.params[0]
        np.testing.assert_allclose(row.recalibrated, float(law.mean(np.array(eta))), rtol=1e-7)
        # a weight w stands for w rows: its score counts w times, squared once
        score = exog * (nu[near] * law.error(y[near], exog @ fit.params))[:, None]
        bread = fit.cov_params() / fit.scale
        se = np.sqrt((bread @ (score.T / w[near]) @ score @ bread)[0, 0])
        ends = law.mean(eta + z * se * np.array([-1, 1]))
        np.testing.assert_allclose([row.lower, row.upper], ends, rtol=1e-6)


def test_the_band_is_statsmodels_hc0_without_weights():
    y, mu, _ = draw(get_family("poisson"))
    table = local_calibration(y, mu, "poisson", n_points=3, span=0.5)
    x = np.log(mu)
    for row in table.itertuples():
        at = np.log(row.expected)
        nu = window(x, np.ones(len(y)), at, 0.5)
        near = nu > 0
        exog = sm.add_constant(x[near] - at)
        model = sm.GLM(y[near], exog, family=sm.families.Poisson(), var_weights=nu[near])
        low, high = model.fit(cov_type="HC0", tol=1e-12).conf_int()[0]
        np.testing.assert_allclose([row.lower, row.upper], np.exp([low, high]), rtol=1e-6)


@EACH
def test_what_is_calibrated_lies_on_the_diagonal(law):
    """y = mu is fitted exactly by b_0 = g(m), b_1 = 1."""
    mu = np.linspace(0.1, 0.9, 200)
    table = local_calibration(mu, mu, law, n_points=5)
    np.testing.assert_allclose(table["recalibrated"], table["expected"], rtol=1e-8)
    assert table["degree"].all()


def test_intervals_end_where_means_do():
    y, mu, _ = draw(get_family("poisson"), n=40)
    table = local_calibration(y, mu, get_family("poisson", "identity"), n_points=4, alpha=1e-9)
    assert np.all(table["lower"] >= 0)
    falling = local_calibration(y + 1.0, mu, "gamma", n_points=4, alpha=1e-9)
    assert falling["expected"].is_monotonic_increasing  # canonical: g(mu) = 1 / mu
    assert np.all(falling["lower"] < falling["upper"])
    assert np.isinf(falling["upper"]).any()
    assert np.all(falling["lower"] > 0)


def test_windows_without_claims_or_with_one_prediction_have_their_mean():
    mu = np.repeat([0.1, 0.5, 2.0], 100)
    y = np.repeat([0.0, 0.0, 2.0], 100)
    table = local_calibration(y, mu, "poisson", n_points=20, span=0.2)
    assert table["degree"].tolist() == [0, 0, 0]
    np.testing.assert_allclose(table["recalibrated"], [0.0, 0.0, 2.0])
    zeros = local_calibration(np.zeros(300), np.linspace(0.1, 1, 300), "poisson", n_points=3)
    assert (zeros[["recalibrated", "lower", "upper", "degree"]] == 0).all(axis=None)
    parted = np.repeat([0.0, 1.0], 150)  # by the middle, where the slope is infinite
    split = local_calibration(parted, np.linspace(0.01, 0.99, 300), "bernoulli", span=0.5)
    means = split[["recalibrated", "lower", "upper"]]
    assert ((means >= 0) & (means <= 1)).all(axis=None)
    assert not split["degree"].any()
    parted[[140, 160]] = parted[[160, 140]]
    crossed = local_calibration(parted, np.linspace(0.01, 0.99, 300), "bernoulli", span=0.5)
    assert crossed["degree"].any()


@pytest.mark.parametrize("name", ["bernoulli", "poisson"])
def test_a_line_has_a_maximum_where_a_linear_program_finds_no_separation(name):
    law, rng = get_family(name), np.random.default_rng(0)
    answers = set()
    for _ in range(40):
        x = rng.integers(0, 4, 5).astype(float)
        y = rng.choice([0.0, 1.0, 1.0, 0.0, 0.5], 5)
        if np.ptp(x) == 0:
            continue
        rows = _Neighbours(law, x, y, np.ones(5), np.ones(5), 1.0)
        objective = linear_objective(Rows(x[:, None], y[:, None], np.ones(5)), law, True)
        expected = find_separation(objective, np.array([0.0, 0.5]), np.inf) is None
        assert rows._has_maximum(x, y) == expected
        answers.add(expected)
    assert answers == {True, False}


# ------------------------------------------------------------ Lorenz and Gini


def amounts(n=250, seed=0):
    rng = np.random.default_rng(seed)
    mu = np.round(rng.gamma(2.0, size=n), 1) + 0.1
    y = rng.poisson(mu) * rng.gamma(3.0, size=n)
    return y, mu, rng.uniform(0.5, 2.0, n), np.round(rng.gamma(4.0, size=n), 1) + 0.1


def test_of_zeros_and_ones_it_is_twice_the_area_under_the_roc_curve_less_one():
    y, p, w = draw(get_family("bernoulli"))
    found = gini_table(y, p, sample_weight=w)["normalized"].iloc[0]
    np.testing.assert_allclose(found, 2 * roc_auc_score(y, p, sample_weight=w) - 1, rtol=1e-12)


def test_the_perfect_order_the_reverse_one_and_none():
    y, _, w, _ = amounts()
    models = {"best": y + 1.0, "worst": y.max() - y, "none": np.ones(len(y))}
    found = gini_table(y, models, sample_weight=w)
    np.testing.assert_allclose(found["normalized"], [1.0, -1.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(found.loc["none", ["gini", "lorenz", "abc"]], 0.0, atol=1e-15)


def test_the_gini_of_lorenz_is_half_the_relative_mean_difference():
    """sum |m_i - m_j| / (2 n^2 mean), Gini's own definition."""
    y, mu, _, _ = amounts()
    found = gini_table(y, mu)["lorenz"].iloc[0]
    expected = np.abs(mu[:, None] - mu).mean() / (2 * mu.mean())
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_the_indices_are_areas_of_the_curves():
    y, mu, w, base = amounts()
    for charged, axis in ((None, "exposure"), (base, "base")):
        curve = lorenz_curve(y, mu, base=charged, sample_weight=w)
        found = gini_table(y, mu, base=charged, sample_weight=w).iloc[0]
        assert curve.iloc[0].tolist() == [0.0, 0.0, 0.0]
        np.testing.assert_allclose(curve.iloc[-1], 1.0, rtol=1e-12)
        area = {c: trapezoid(curve[c], curve[axis]) for c in ("actual", "expected")}
        np.testing.assert_allclose(found["gini"], 1 - 2 * area["actual"], rtol=1e-10)
        np.testing.assert_allclose(found["lorenz"], 1 - 2 * area["expected"], rtol=1e-10)
        np.testing.assert_allclose(found["abc"], area["actual"] - area["expected"], atol=1e-10)


def test_the_curves_of_what_is_autocalibrated_are_one():
    y, mu, w, _ = amounts()
    recalibrated = isotonic(observations(y, mu, w), mu)
    curve = lorenz_curve(y, recalibrated, sample_weight=w)
    np.testing.assert_allclose(curve["actual"], curve["expected"], atol=1e-12)
    assert abs(gini_table(y, recalibrated, sample_weight=w)["abc"].iloc[0]) < 1e-12


def test_a_flat_base_is_exposure():
    y, mu, time, _ = amounts()
    one = gini_table(y, mu * time, exposure=time)
    other = gini_table(y, mu * time, base=3.0 * time, exposure=time)
    np.testing.assert_allclose(one, other, rtol=1e-10)


def test_a_model_is_nothing_against_itself_as_base():
    y, mu, w, base = amounts()
    found = gini_table(y, {"a": base, "b": 2 * base}, base=base, sample_weight=w)
    np.testing.assert_allclose(found[["gini", "se"]], 0.0, atol=1e-15)
    paired = gini_table(y, {"a": mu, "b": mu}, reference="a", sample_weight=w)
    assert paired["pvalue"].tolist() == [1.0, 1.0]
    constant = gini_table(np.full(7, 0.1), np.arange(1.0, 8.0)).iloc[0]
    assert np.isnan(constant["normalized"])
    assert constant["gini"] == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize("charged", [False, True])
def test_the_standard_error_is_that_of_the_slopes_in_the_weights(charged):
    """u_i = dG / d log s_i by differences of the index itself: the infinitesimal jackknife."""
    y, mu, w, base = amounts(40)
    time = np.linspace(0.5, 1.5, 40)
    base = base * time if charged else None

    def gini(weight):
        models = {"a": mu * time, "b": np.sqrt(mu) * time * (1 + np.arange(40) % 3)}
        return gini_table(y, models, base=base, reference="a", sample_weight=weight, exposure=time)

    found, h = gini(w), 1e-5
    slopes = np.empty((40, 2))
    for i in range(40):
        up, down = (w * np.exp(s * h * (np.arange(40) == i)) for s in (1, -1))
        slopes[i] = (gini(up)["gini"] - gini(down)["gini"]) / (2 * h)
    expected = np.sqrt((np.square(slopes) / w[:, None]).sum(axis=0))
    np.testing.assert_allclose(found["se"], expected, rtol=1e-6)
    gap = np.sqrt((np.square(slopes[:, 1] - slopes[:, 0]) / w).sum())
    np.testing.assert_allclose(found.loc["b", "difference_se"], gap, rtol=1e-6)


def test_intervals_of_the_index_cover():
    """400 samples of 300: the mean standard error is the spread, within its own noise."""
    rng = np.random.default_rng(3)
    found = []
    for _ in range(400):
        mu = rng.gamma(2.0, size=300)
        row = gini_table(rng.poisson(mu), mu).iloc[0]
        found.append((row["gini"], row["se"]))
    values, errors = np.transpose(found)
    assert np.abs(errors.mean() / values.std() - 1) < 0.11  # 3 / sqrt(2 400)
