"""Tables of model validation: totals, ties, weights, rates, and what they refuse."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf

from glmnet_nn import DeepGLMRegressor
from glmnet_nn.validation import (
    actual_expected,
    double_lift_table,
    gini_table,
    isotonic_calibration,
    lift_table,
    local_calibration,
    lorenz_curve,
    murphy_decomposition,
    relativities,
)


def portfolio(n=400, seed=0):
    """Counts, expected counts of two models with many ties, weights, exposures, a factor."""
    rng = np.random.default_rng(seed)
    time = rng.uniform(0.2, 2.0, n)
    rate = rng.choice([0.2, 0.5, 1.0, 1.5, 3.0], n) * rng.choice([1.0, 1.2], n)
    other = rng.choice([0.3, 0.7, 1.1], n)
    weight = rng.integers(0, 4, n).astype(float)
    y = rng.poisson(0.9 * rate**0.8 * time).astype(float)
    return y, {"a": rate * time, "b": other * time}, weight, time, rng.choice(list("pqrstuvw"), n)


def codes(letters):
    return np.array([float(ord(letter[0])) for letter in letters])


TABLES = {
    "lift": lambda y, mu, by, **w: lift_table(y, mu, n_bins=6, **w),
    "double": lambda y, mu, by, **w: double_lift_table(y, mu, n_bins=6, **w),
    "factor": lambda y, mu, by, **w: actual_expected(y, mu, by, **w),
    "number": lambda y, mu, by, **w: actual_expected(y, mu, codes(by), n_bins=5, **w),
    "murphy": lambda y, mu, by, **w: murphy_decomposition(y, mu, "poisson", **w),
    "isotonic": lambda y, mu, by, **w: isotonic_calibration(y, mu["a"], **w),
    "local": lambda y, mu, by, **w: local_calibration(y, mu["a"], "poisson", n_points=4, **w),
    "lorenz": lambda y, mu, by, **w: lorenz_curve(y, mu, **w),
    "gini": lambda y, mu, by, **w: gini_table(y, mu, reference="b", **w),
    "ordered": lambda y, mu, by, **w: gini_table(y, {"a": mu["a"]}, base=mu["b"], **w),
}
EACH = pytest.mark.parametrize("table", TABLES.values(), ids=TABLES.keys())


def same(one, other, rtol=1e-9):
    pd.testing.assert_frame_equal(one, other, rtol=rtol, atol=1e-11)


@EACH
def test_a_weight_of_k_is_k_rows(table):
    y, mu, weight, time, by = portfolio()
    rows = np.repeat(np.arange(len(y)), weight.astype(int))
    repeated = {name: values[rows] for name, values in mu.items()}
    expected = table(y[rows], repeated, by[rows], exposure=time[rows])
    same(table(y, mu, by, sample_weight=weight, exposure=time), expected)


@EACH
def test_the_order_of_rows_does_not_matter(table):
    y, mu, weight, time, by = portfolio()
    mixed = np.random.default_rng(1).permutation(len(y))
    again = table(
        y[mixed],
        {name: values[mixed] for name, values in mu.items()},
        by[mixed],
        sample_weight=weight[mixed],
        exposure=time[mixed],
    )
    same(again, table(y, mu, by, sample_weight=weight, exposure=time))


@EACH
def test_counts_with_exposure_are_rates_weighted_by_it(table):
    """All but standard errors, which count rows and not exposure."""
    y, mu, _, time, by = portfolio()
    counts = table(y, mu, by, exposure=time)
    rates = table(y / time, {k: v / time for k, v in mu.items()}, by, sample_weight=time)
    errors = ["se", "z", "difference_se", "pvalue", "lower", "upper"]
    drop = errors[:4] if table is TABLES["isotonic"] else errors
    same(counts.drop(columns=drop, errors="ignore"), rates.drop(columns=drop, errors="ignore"))


@EACH
def test_what_holds_numbers_is_taken_and_not_changed(table):
    y, mu, weight, time, by = portfolio()
    expected = table(y, mu, by, sample_weight=weight, exposure=time)
    kept = [v.copy() for v in (y, *mu.values(), weight, time)]
    for values in (y, *mu.values(), weight, time):
        values.setflags(write=False)
    index = np.arange(len(y))[::-1]  # a name for each row, which must not align anything
    frame = pd.DataFrame(mu, index=index)
    given = table(
        pd.Series(y.astype(int), index=index, dtype="Int64"),
        frame,
        pd.Series(by),
        sample_weight=pd.Series(weight),
        exposure=pd.DataFrame({"time": time})["time"],
    )
    same(given.rename_axis(index=expected.index.names), expected)
    for values, copy in zip((y, *mu.values(), weight, time), kept, strict=True):
        np.testing.assert_array_equal(values, copy)


@EACH
def test_rows_of_weight_zero_are_absent_whatever_they_hold(table):
    y, mu, weight, time, by = portfolio()
    expected = table(y, mu, by, sample_weight=weight, exposure=time)
    none = weight == 0
    y[none], mu["a"][none], time[none] = np.nan, -1.0, 0.0
    by = np.where(none, "never", by)
    same(table(y, mu, by, sample_weight=weight, exposure=time), expected)


@pytest.mark.parametrize("name", ["lift", "factor", "number"])
def test_totals_are_kept(name):
    y, mu, weight, time, by = portfolio()
    found = TABLES[name](y, mu, by, sample_weight=weight, exposure=time)
    for model, values in mu.items():
        part = found.loc[model]
        for column, total in (("actual", weight @ y), ("expected", weight @ values)):
            np.testing.assert_allclose(part["exposure"] @ part[column], total, rtol=1e-12)
        np.testing.assert_allclose(part["exposure"].sum(), weight @ time, rtol=1e-12)


def test_double_lift_keeps_totals_and_sorts_by_the_ratio():
    y, mu, weight, time, _ = portfolio()
    found = double_lift_table(y, mu, n_bins=5, sample_weight=weight, exposure=time)
    for column, values in {"actual": y, **mu}.items():
        np.testing.assert_allclose(found["exposure"] @ found[column], weight @ values, rtol=1e-12)
    np.testing.assert_allclose(found["sort_ratio"], found["a"] / found["b"], rtol=1e-12)
    assert np.all(np.diff(found["sort_ratio"]) > 0)


def test_bins_of_the_double_lift_are_of_the_ratio():
    rng = np.random.default_rng(0)
    mu = {"a": rng.gamma(3.0, size=60), "b": rng.gamma(3.0, size=60)}
    y = rng.gamma(3.0, size=60)
    found = double_lift_table(y, mu, n_bins=4)
    rows = np.argsort(mu["a"] / mu["b"]).reshape(4, 15)
    for column, values in {"actual": y, **mu}.items():
        np.testing.assert_allclose(found[column], values[rows].mean(axis=1), rtol=1e-12)


def test_the_standard_error_is_that_of_the_sum_of_residuals():
    """Rows are independent and s of each; y - mu is of counts, the exposure of the level."""
    y, mu, weight, time, by = portfolio()
    table = actual_expected(y, mu["a"], by, sample_weight=weight, exposure=time)
    for level, row in table.iterrows():
        here = by == level
        variance = (weight * (y - mu["a"]) ** 2)[here].sum()
        np.testing.assert_allclose(row["se"], np.sqrt(variance) / row["exposure"], rtol=1e-12)
        total = (weight * (y - mu["a"]))[here].sum()
        np.testing.assert_allclose(row["z"], total / np.sqrt(variance), rtol=1e-12)


def test_bins_without_ties_are_deciles():
    rng = np.random.default_rng(0)
    mu = rng.permutation(np.arange(1.0, 101.0))
    found = lift_table(mu + 1.0, mu)
    np.testing.assert_array_equal(found["exposure"], 10.0)
    np.testing.assert_allclose(found["expected"], np.arange(5.5, 100.0, 10.0))
    np.testing.assert_allclose(found["lift"], (np.arange(5.5, 100.0, 10.0) + 1.0) / 51.5)
    np.testing.assert_allclose(found["se"], np.sqrt(10.0) / 10.0)


def test_levels_are_those_of_pandas():
    y, mu, _, time, by = portfolio()
    found = actual_expected(y, mu["a"], pd.Series(by, name="who"), exposure=time)
    sums = pd.DataFrame({"y": y, "mu": mu["a"], "time": time, "who": by}).groupby("who").sum()
    np.testing.assert_allclose(found["actual"], sums["y"] / sums["time"], rtol=1e-12)
    np.testing.assert_allclose(found["ratio"], sums["y"] / sums["mu"], rtol=1e-12)
    assert found.index.name == "who"
    assert found.index.tolist() == list("pqrstuvw")


def test_categories_keep_their_order_and_what_is_missing_is_a_level():
    by = pd.Series(pd.Categorical(["high", "low", None, "low"], ["low", "mid", "high"]))
    found = actual_expected([1, 2, 3, 4], np.ones(4), by)
    assert found.index.tolist() == ["low", "high", "missing"]
    np.testing.assert_allclose(found["actual"], [3.0, 1.0, 3.0])
    bare = actual_expected([1, 2, 3, 4], np.ones(4), by.array)
    pd.testing.assert_frame_equal(bare, found)
    numbers = actual_expected(np.ones(5), np.ones(5), [1.0, np.nan, 2.0, 3.0, 4.0], n_bins=2)
    assert numbers.index.tolist() == ["1 to 2", "3 to 4", "missing"]
    assert actual_expected([1, 2], [1, 1], [True, False]).index.tolist() == [False, True]
    near = actual_expected(np.ones(4), np.ones(4), [1.0, 1.00001, 1.00002, 1.00003], n_bins=2)
    assert near.index.tolist() == ["1 to 1.00001", "1.00002 to 1.00003"]


def test_a_poisson_glm_has_ratio_one_in_every_level_of_its_factors():
    """The equations of the score: sum over a level of y - mu is 0, with exposure and weights."""
    y, _, weight, time, by = portfolio()
    X = pd.get_dummies(pd.Series(by), drop_first=True, dtype=float)
    glm = DeepGLMRegressor("poisson", hidden_layer_sizes=())
    glm.fit(X, y, sample_weight=weight, exposure=time)
    found = actual_expected(
        y, glm.predict(X, exposure=time), by, sample_weight=weight, exposure=time
    )
    np.testing.assert_allclose(found["ratio"], 1.0, rtol=1e-9)


def test_rates_that_differ_by_rounding_are_tied():
    """mu / e of equal rates differs in the last digit; isotonic blocks must not cut there."""
    y, _, _, time, by = portfolio()
    rates = np.array([0.3, 0.7, 1.1])[codes(by).astype(int) % 3]
    assert len(np.unique(rates * time / time)) > 3
    assert len(lorenz_curve(y, rates * time, exposure=time)) == 4
    assert len(isotonic_calibration(y, rates * time, exposure=time)) <= 3
    assert len(lift_table(y, rates * time, exposure=time, n_bins=50)) == 3
    local = local_calibration(y, rates * time, "poisson", exposure=time, span=0.2)
    assert local["degree"].tolist() == [0, 0, 0]
    for rate, found in zip([0.3, 0.7, 1.1], local["recalibrated"], strict=True):
        level = rates == rate
        np.testing.assert_allclose(found, y[level].sum() / time[level].sum(), rtol=1e-12)
    single = (rates * time).astype(np.float32)
    assert len(lorenz_curve(y, single, exposure=time)) == 4


# -------------------------------------------------------------- relativities


def factor_glm():
    y, _, _, time, by = portfolio()
    by = np.where(codes(by) > ord("r"), "r", by)
    frame = pd.DataFrame({"y": y, "by": by, "t": time, "x": np.linspace(-1, 1, len(y))})
    X = pd.get_dummies(frame[["by", "x"]], drop_first=True, dtype=float)
    return frame, X


def test_relativities_are_those_of_statsmodels():
    frame, X = factor_glm()
    glm = DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(X, frame["y"], exposure=frame["t"])
    found = relativities(glm.inference(X, frame["y"], exposure=frame["t"]), {"by": "p"}, alpha=0.1)
    theirs = smf.glm("y ~ x + by", frame, family=sm.families.Poisson(), exposure=frame["t"]).fit()
    names = {"Intercept": ("Intercept", ""), "x": ("x", "")}
    names |= {f"by[T.{level}]": ("by", level) for level in "qr"}
    limits = np.exp(theirs.conf_int(alpha=0.1))
    for name, place in names.items():
        row = found.loc[place]
        np.testing.assert_allclose(row["relativity"], np.exp(theirs.params[name]), rtol=1e-8)
        np.testing.assert_allclose(row[["lower", "upper"]], limits.loc[name], rtol=1e-8)
    assert found.loc["by"].index.tolist() == ["p", "q", "r"]
    assert found.loc["by"].iloc[0].tolist() == [0.0, 0.0, 1.0, 1.0, 1.0]


def test_any_table_of_estimates_will_do():
    frame, X = factor_glm()
    ours = DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(X, frame["y"])
    results = ours.inference(X, frame["y"])
    same(relativities(results.summary_frame(), {"by": "p"}), relativities(results, {"by": "p"}))
    theirs = smf.glm("y ~ C(by) + x", frame, family=sm.families.Poisson()).fit()
    tables = [
        pd.DataFrame({"params": theirs.params, "bse": theirs.bse}),
        pd.DataFrame({"estimate": theirs.params, "se": theirs.bse, "n": 1}),
        pd.DataFrame({"coef": theirs.params, "std err": theirs.bse}),
    ]
    found = [relativities(table, {"by": "p"}) for table in tables]
    same(found[0], found[1])
    same(found[0], found[2])
    assert found[0].index.tolist() == [
        ("Intercept", ""),
        ("by", "p"),
        ("by", "q"),
        ("by", "r"),
        ("x", ""),
    ]
    np.testing.assert_allclose(
        found[0].drop(("by", "p"))[["lower", "upper"]], np.exp(theirs.conf_int()), rtol=1e-12
    )


def test_a_column_belongs_to_the_factor_of_the_longest_name():
    table = pd.DataFrame({"estimate": [0.1, 0.2], "se": 0.1}, index=["car_red", "car_age_3"])
    found = relativities(table, {"car": "blue", "car_age": 0})
    assert found.index.tolist() == [
        ("car", "blue"),
        ("car", "red"),
        ("car_age", "0"),
        ("car_age", "3"),
    ]


def test_the_levels_of_a_factor_stand_together():
    table = pd.DataFrame({"estimate": [0.1, 0.2, 0.3], "se": 0.1}, index=["a_y", "x", "a_z"])
    found = relativities(table, {"a": "w"})
    assert found.index.tolist() == [("a", "w"), ("a", "y"), ("a", "z"), ("x", "")]


def test_relativities_of_what_is_not_determined_are_nan():
    table = pd.DataFrame({"estimate": [0.1, 1.0], "se": [np.nan, 0.0]}, index=["u", "v"])
    found = relativities(table)
    assert found.loc["u", ["lower", "upper"]].isna().all(axis=None)
    np.testing.assert_allclose(found.loc["v", ["lower", "upper"]].astype(float), np.e)


def log_odds():
    X = np.array([[0.0], [0.0], [1.0], [1.0], [0.0], [1.0]])
    y = np.array([0.0, 1.0, 1.0, 1.0, 0.0, 0.0])
    return X, y


def test_odds_ratios_of_a_logit_and_no_other_link():
    X, y = log_odds()
    glm = DeepGLMRegressor("bernoulli", hidden_layer_sizes=()).fit(X, y)
    found = relativities(glm.inference(X, y))
    np.testing.assert_allclose(found.loc[("x0", ""), "relativity"], 2 / 0.5, rtol=1e-8)
    other = DeepGLMRegressor("bernoulli", link="probit", hidden_layer_sizes=()).fit(X, y)
    with pytest.raises(ValueError, match=r"the link is 'probit'\. Fit with link='log'"):
        relativities(other.inference(X, y))


@pytest.mark.filterwarnings("ignore::glmnet_nn.exceptions.InferenceWarning")
def test_relativities_of_networks_are_those_of_local_coefficients():
    rng = np.random.default_rng(5)
    X = pd.DataFrame({"a": rng.standard_normal(80), "by_q": rng.integers(0, 2, 80).astype(float)})
    y = rng.poisson(np.exp(0.5 * X["a"] * X["by_q"]))
    net = DeepGLMRegressor(
        "poisson", hidden_layer_sizes=(2,), alpha=0.1, solver="lbfgs", tol=1e-9, random_state=0
    ).fit(X, y)
    results, slopes = net.inference(X, y), net.local_coef(X)
    places = [("a", ""), ("by", "q")]
    found = relativities(results, {"by": "p"})
    np.testing.assert_allclose(found.loc[places, "relativity"], np.exp(slopes.mean(axis=0)))
    np.testing.assert_array_equal(found.loc[("by", "p")], [0.0, 0.0, 1.0, 1.0, 1.0])
    one = results.local_coef(X[:1])
    found = relativities(one, {"by": "p"}, alpha=0.1)
    np.testing.assert_allclose(found.loc[places, "relativity"], np.exp(slopes[0]))
    limits = np.exp(one.conf_int(0.1)[0])
    np.testing.assert_allclose(found.loc[places, ["lower", "upper"]], limits)
    with pytest.raises(ValueError, match=r"of several rows or outputs, of shape \(2, 2\)"):
        relativities(results.local_coef(X[:2]))


# ------------------------------------------------------------------ refusals

ONE = {"y": [1.0, 2.0], "mu": [1.0, 1.0]}
ESTIMATES = pd.DataFrame({"estimate": [0.1], "se": [0.1]}, index=["a_x"])
REFUSED = [
    (lambda: lift_table([1, 2], [1]), ValueError, "inconsistent numbers"),
    (lambda: lift_table([], []), ValueError, "minimum of 1|at least one|0 sample"),
    (lambda: lift_table([1, np.nan], [1, 1]), ValueError, "y contains NaN"),
    (lambda: lift_table([1, 1], [1, np.inf]), ValueError, "mu contains infinity"),
    (lambda: lift_table(["no", "yes"], [0.1, 0.9]), TypeError, "y == label"),
    (lambda: lift_table([[1, 2], [1, 2]], [1, 1]), ValueError, "one output at a time"),
    (lambda: lift_table(**ONE, n_bins=0), ValueError, "n_bins must be an integer >= 1"),
    (lambda: lift_table(**ONE, n_bins=2.5), ValueError, "n_bins must be an integer >= 1"),
    (lambda: lift_table([1, 2], {}), ValueError, "it is empty"),
    (lambda: lift_table(**ONE, exposure=[1, 0]), ValueError, "exposure must be > 0"),
    (lambda: lift_table(**ONE, exposure=[1]), ValueError, "inconsistent numbers"),
    (lambda: lift_table(**ONE, sample_weight=[0, 0]), ValueError, "zero everywhere"),
    (lambda: lift_table(**ONE, sample_weight=[1, -1]), ValueError, "must be >= 0"),
    (lambda: lift_table(**ONE, exposure="time"), TypeError, "exposure must hold a number"),
    (lambda: lift_table(**ONE, sample_weight="w"), TypeError, "sample_weight must hold a number"),
    (lambda: murphy_decomposition(**ONE, family="multinoulli"), ValueError, r"shape \(n, K\)"),
    (lambda: double_lift_table([1, 2], [1, 2]), ValueError, "of two models"),
    (
        lambda: double_lift_table([1, 2], {"a": [1, 2], "b": [0, 1]}),
        ValueError,
        "of 'b' in row 0 is 0.0",
    ),
    (
        lambda: double_lift_table([1, 2], {"actual": [1, 2], "b": [1, 1]}),
        ValueError,
        r"called \['actual'\]",
    ),
    (lambda: actual_expected(**ONE, by=["a"]), ValueError, "by must have one value for each"),
    (lambda: isotonic_calibration([1, 2], {"a": [1, 2], "b": [1, 1]}), ValueError, "one model"),
    (lambda: local_calibration(**ONE, family="poisson", span=0), ValueError, r"span .* \(0, 1\]"),
    (lambda: local_calibration(**ONE, family="poisson", span="a"), ValueError, r"span .* 'a'"),
    (lambda: local_calibration(**ONE, family="poisson", degree=2), ValueError, "0 or 1"),
    (lambda: local_calibration(**ONE, family="poisson", n_points=0), ValueError, "n_points"),
    (lambda: local_calibration(**ONE, family="poisson", alpha=1), ValueError, "alpha"),
    (lambda: local_calibration(**ONE, family="multinoulli"), ValueError, "one class"),
    (lambda: local_calibration([1, 2], [0, 1], "poisson"), ValueError, "row 0, 0.0. Use isotonic"),
    (lambda: local_calibration([-1, 2], [1, 1], "poisson"), ValueError, "Poisson needs y >= 0"),
    (lambda: murphy_decomposition([-1, 2], [1, 1], "poisson"), ValueError, "Poisson needs y >= 0"),
    (lambda: murphy_decomposition(**ONE, family="none"), ValueError, "family must be one of"),
    (lambda: lorenz_curve([-1, 2], [1, 1]), ValueError, "y is -1.0 in row 0"),
    (lambda: lorenz_curve([0, 0], [1, 1]), ValueError, "not all 0, but y"),
    (lambda: lorenz_curve([1, 0], [-1, 1]), ValueError, "mu of 'model' is -1.0"),
    (lambda: lorenz_curve(**ONE, base=[1]), ValueError, "base must have one value for each"),
    (lambda: lorenz_curve(**ONE, base=[1, 0]), ValueError, r"base\[1\] = 0.0"),
    (lambda: gini_table(**ONE, reference="glm"), ValueError, r"one of the models \[\]"),
    (lambda: relativities([0.1]), TypeError, "columns 'estimate' and 'se'"),
    (lambda: relativities(ESTIMATES, {"b": "x"}), ValueError, r"\['b'\], but no coefficient"),
    (lambda: relativities(ESTIMATES, {"a": "x"}), ValueError, "'x' of 'a' is there twice"),
    (lambda: relativities(ESTIMATES, alpha=0), ValueError, "alpha must be"),
    (lambda: relativities(ESTIMATES.drop(columns="se")), ValueError, "one column for se"),
    (lambda: relativities(-ESTIMATES), ValueError, "standard errors must be >= 0"),
]


@pytest.mark.parametrize(("call", "error", "said"), REFUSED)
def test_what_makes_no_sense_is_refused_in_words(call, error, said):
    with pytest.raises(error, match=said):
        call()


def test_a_law_to_be_estimated_has_no_deviance_yet():
    from families import NegativeBinomial

    law = NegativeBinomial("log", alpha="estimate")
    with pytest.raises(ValueError, match="alpha, which is to be estimated"):
        murphy_decomposition([1, 2], [1.0, 1.0], law)
