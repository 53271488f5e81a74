"""get_prediction and contrast of results: statsmodels' numbers, and what is not known."""

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from scipy import special, stats
from statsmodels.tools.numdiff import approx_fprime

from glmnet_nn import DeepGLMClassifier, DeepGLMRegressor, InferenceWarning

TIGHT = {"tol": 1e-14, "tol_criterion": "params", "maxiter": 300}
OF_MEAN = ["mean", "mean_se", "mean_ci_lower", "mean_ci_upper"]


def glm(family, **options):
    return DeepGLMRegressor(family, hidden_layer_sizes=(), **options)


def claims(n=120):
    """Counts of policies, with a factor, an exposure and clusters."""
    rng = np.random.default_rng(3)
    table = pd.DataFrame(
        {
            "age": rng.uniform(18, 80, n),
            "area": pd.Categorical(rng.choice(list("abc"), n)),
            "years": rng.uniform(0.2, 2.0, n),
            "firm": rng.integers(0, 12, n),
        },
        index=[f"policy {i}" for i in range(n)],
    )
    eta = 0.5 - 0.01 * table["age"] + 0.4 * (table["area"] == "b")
    return table.assign(n=rng.poisson(table["years"] * np.exp(eta)))


@pytest.mark.parametrize(
    ("options", "their_options"),
    [
        ({"cov_type": "HC0"}, {"cov_type": "HC0"}),
        (
            {"cov_type": "cluster", "groups": claims()["firm"]},
            {"cov_type": "cluster", "cov_kwds": {"groups": claims()["firm"]}},
        ),
        (
            {"cov_type": "HAC", "hac_maxlags": 3},
            {"cov_type": "HAC", "cov_kwds": {"maxlags": 3}},
        ),
        ({"dispersion": "pearson", "use_t": True}, {"scale": "X2", "use_t": True}),
    ],
    ids=["HC0", "cluster", "HAC", "quasi"],
)
def test_tables_and_formulas_under_every_covariance(options, their_options):
    """As smf.glm: rows come as they are, with their factor, labels and exposure."""
    data = claims()
    law = {"family": sm.families.Poisson(), "exposure": data["years"]}
    theirs = smf.glm("n ~ age + area", data, **law).fit(**their_options, **TIGHT)
    new = data[::7]
    expected = theirs.get_prediction(new, exposure=new["years"]).summary_frame(alpha=0.2)
    with_years, X, y = data[["age", "area", "years"]], data[["age", "area"]], data["n"]
    table = glm("poisson", exposure="years").fit(with_years, y)
    formula = DeepGLMRegressor.from_formula(
        "n ~ age + C(area)", data, family="poisson", exposure="years", hidden_layer_sizes=()
    )
    plain = glm("poisson").fit(X, y, exposure=data["years"])
    plain = plain.inference(X, y, exposure=data["years"], **options)
    for found in (
        table.inference(with_years, y, **options).get_prediction(with_years[::7]),
        formula.inference(data, **options).get_prediction(new),
        plain.get_prediction(X[::7], exposure=new["years"]),
        plain.get_prediction(X[::7], offset=np.log(new["years"])),
    ):
        frame = found.summary_frame(alpha=0.2)
        assert frame.index.tolist() == new.index.tolist()
        np.testing.assert_allclose(frame[OF_MEAN], expected, rtol=1e-9)
        np.testing.assert_allclose(found.conf_int(alpha=0.2), expected.iloc[:, 2:], rtol=1e-9)
        np.testing.assert_allclose(found.var_pred_mean, expected["mean_se"] ** 2, rtol=1e-9)


def test_without_x_it_is_of_the_rows_of_the_fit():
    data = claims()
    X, y, years = data[["age"]], data["n"], data["years"]
    model = glm("poisson").fit(X, y, exposure=years)
    results = model.inference(X, y, exposure=years)
    found = results.get_prediction()
    np.testing.assert_allclose(found.predicted_mean, results.fittedvalues, rtol=1e-12)
    again = results.get_prediction(X, exposure=years).summary_frame()
    pd.testing.assert_frame_equal(found.summary_frame(), again, rtol=1e-10)
    ends = model.predict_interval(X, exposure=years, kind="mean", inference=results)
    np.testing.assert_allclose(found.conf_int(), ends, rtol=1e-10)
    with pytest.raises(ValueError, match="offset and exposure belong to new rows"):
        results.get_prediction(exposure=years)


def test_of_classes_it_is_that_of_multinomial_logit():
    data = sm.datasets.anes96.load_pandas()
    X, y = data.exog[["age", "income"]][:300], data.endog[:300] % 3
    model = DeepGLMClassifier(hidden_layer_sizes=()).fit(X, y)
    found = model.inference(X, y).get_prediction()
    theirs = sm.MNLogit(y, sm.add_constant(X)).fit(disp=0, method="newton", tol=1e-14)
    np.testing.assert_allclose(found.predicted_mean, theirs.predict(), rtol=1e-9)
    law, flat = theirs.model, theirs.params.to_numpy().ravel("F")
    slopes = approx_fprime(
        flat, lambda b: law.predict(b.reshape(-1, 2, order="F"))[:5].ravel(), centered=True
    )
    variance = np.diagonal(slopes @ theirs.cov_params().to_numpy() @ slopes.T)
    np.testing.assert_allclose(found.se_mean[:5].ravel(), np.sqrt(variance), rtol=1e-6)
    assert found.linpred.shape == (300, 2)  # against the first class
    np.testing.assert_allclose(found.linpred, theirs.predict(which="linear")[:, 1:], rtol=1e-7)
    mu = found.predicted_mean
    half = stats.norm.ppf(0.975) * found.se_mean / (mu * (1.0 - mu))  # of the log odds
    for k, end in enumerate((-half, half)):
        expected = special.expit(special.logit(mu) + end)
        np.testing.assert_allclose(found.conf_int()[..., k], expected, rtol=1e-9)
    far = model.inference(X, y).get_prediction(X[:1] + 1e5)  # probabilities round to 0 and 1
    low, high = np.moveaxis(far.conf_int(), -1, 0)
    assert np.isfinite(low).all()
    assert np.all(low < high)


def test_contrasts_are_those_of_the_coefficients():
    data = claims()[["age", "area", "n"]]
    X = data[["age", "area"]]
    model = glm("poisson").fit(X, data["n"])
    results = model.inference(X, data["n"], cov_type="HC0")
    one, two = X.iloc[:4], X.iloc[4:8]
    design = [
        np.column_stack([np.ones(4), rows["age"], rows["area"] == "b", rows["area"] == "c"])
        for rows in (one, two)
    ]
    expected = results.t_test(design[0] - design[1]).summary_frame()
    found = results.contrast(one, two, which="linear").summary_frame()
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    mean = results.contrast(one, two)
    mu = [model.predict(rows) for rows in (one, two)]
    slopes = mu[0][:, None] * design[0] - mu[1][:, None] * design[1]
    variance = np.diagonal(slopes @ results.cov_params().to_numpy() @ slopes.T)
    np.testing.assert_allclose(mean.effect, mu[0] - mu[1], rtol=1e-10)
    np.testing.assert_allclose(mean.sd, np.sqrt(variance), rtol=1e-9)


@pytest.mark.filterwarnings("ignore::glmnet_nn.exceptions.RankWarning")
def test_rows_outside_those_of_dependent_columns():
    """Their mean is predict's, of the coefficients of minimum norm; its error is not known."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2))
    X = np.column_stack([X, 100.0 * X[:, 0] + 3.0 * X[:, 1] + 5.0])  # on another scale
    y = rng.poisson(np.exp(1.0 + 0.3 * X[:, 0]))
    model = glm("poisson", store_covariance=True).fit(X, y)
    new = X[:3].copy()
    new[1, 2] += 1.0
    full = glm("poisson").fit(X[:, :2], y)
    inside = full.inference(X[:, :2], y).get_prediction(new[:, :2]).summary_frame()
    results = model.inference(X, y)
    forecast = model.forecast(new).summary_frame()
    with pytest.warns(InferenceWarning, match="2 standard errors are nan"):
        table = results.get_prediction(new).summary_frame()
    with pytest.warns(InferenceWarning, match="1 standard errors are nan"):
        assert np.isnan(results.contrast(new[:1], new[1:2]).sd).all()
    for found in (forecast, table):
        np.testing.assert_allclose(found["mean"], model.predict(new), rtol=1e-12)
        assert found.filter(regex="se|ci").loc[1].isna().all()
        np.testing.assert_allclose(found.loc[[0, 2], OF_MEAN], inside.loc[[0, 2], OF_MEAN], 1e-9)
    assert np.isnan(model.predict_interval(new)[1]).all()
    with pytest.warns(InferenceWarning, match="1 of 1 averages are not determined"):
        effect = results.partial_effect(new[1:2], "x2", [new[1, 2]])
    np.testing.assert_allclose(effect.effect, model.predict(new[1:2]), rtol=1e-12)


@pytest.mark.filterwarnings("ignore::glmnet_nn.exceptions.SeparationWarning")
def test_of_what_is_separated_nothing_is_known():
    X = np.arange(20.0)[:, None]
    y = (X[:, 0] > 9.5).astype(int)
    model = DeepGLMClassifier(hidden_layer_sizes=()).fit(X, y)
    results = model.inference(X, y)
    new = [[0.0], [9.5], [1e5]]  # the slope of the last mean is 0 in double precision
    with pytest.warns(InferenceWarning, match="6 standard errors are nan"):
        table = results.get_prediction(new).summary_frame()
    assert table.filter(regex="se|ci").isna().all(axis=None)
    assert np.isnan(model.predict_interval(new, inference=results)).all()


def test_other_ends():
    data = claims(30)
    X, y = data[["age", "years"]], data["n"] + 1.0
    few = glm("normal").fit(X[:3], y[:3])
    with pytest.warns(InferenceWarning, match="as many parameters as rows"):
        assert np.isnan(few.inference(X[:3], y[:3]).get_prediction().se_mean).all()
    falling = glm("gamma").fit(X, y).inference(X, y)
    far = falling.get_prediction(X[:1] - 1e4 * np.sign(falling.params.to_numpy()[1:]))
    assert far.linpred[0] < 0  # no mean has this linear predictor
    assert np.isinf(far.predicted_mean[0])
    assert np.isinf(far.se_mean[0])


def test_residuals_of_a_network_have_the_names_of_statsmodels():
    data = claims()
    model = DeepGLMRegressor("poisson", hidden_layer_sizes=(1,), random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InferenceWarning)  # a fit for prediction
        results = model.fit(data[["age"]], data["n"]).inference(data[["age"]], data["n"])
    np.testing.assert_allclose(results.fittedvalues, model.predict(data[["age"]]), rtol=1e-12)
    np.testing.assert_allclose(results.resid_response, data["n"] - results.fittedvalues)
    assert np.square(results.resid_deviance).sum() == pytest.approx(results.deviance)
    assert np.square(results.resid_pearson).sum() == pytest.approx(results.pearson_chi2)
