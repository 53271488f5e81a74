"""Data that determine no model, or not all of one: what is said, and what the numbers mean."""

import inspect
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression

from families import Bernoulli, known_pairs
from glmnet_nn import DeepGLMClassifier, DeepGLMRegressor, RankWarning, SeparationWarning
from glmnet_nn.estimators._validation import check_estimable

DEPTHS = [(), (3,)]
depths = pytest.mark.parametrize("hidden", DEPTHS)


def glm(family="normal", **parameters):
    return DeepGLMRegressor(family, **{"hidden_layer_sizes": (), **parameters})


def glm_classifier(**parameters):
    return DeepGLMClassifier(**{"hidden_layer_sizes": (), **parameters})


def plain(n=40, p=3, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p))
    return X, X @ np.arange(1.0, p + 1) + rng.normal(size=n) + 2.0


def counts(n=40, seed=0):
    X, _ = plain(n, seed=seed)
    return X, np.random.default_rng(seed + 1).poisson(2.0, n).astype(float)


def caught(fit):
    """The one warning of a fit, and the fitted model."""
    with warnings.catch_warnings(record=True) as issued:
        warnings.simplefilter("always")
        model = fit()
    assert len(issued) == 1, [str(warning.message) for warning in issued]
    return issued[0], model


# ------------------------------------------------------------ rank deficiency


def dependent(n=40):
    X, y = plain(n)
    return np.column_stack([X, X[:, 0] - 2 * X[:, 2]]), y


@pytest.mark.parametrize("solver", ["newton", "lbfgs"])
def test_dependent_columns_get_the_minimum_norm(solver):
    X, y = dependent()
    warning, model = caught(lambda: glm(solver=solver).fit(X, y))
    assert warning.category is RankWarning
    expected = LinearRegression().fit(X, y)  # by lstsq of centred columns
    rtol = 1e-10 if solver == "newton" else 1e-4
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=rtol)
    assert model.intercept_ == pytest.approx(expected.intercept_, rel=rtol)
    assert model.rank_ == 3
    assert model.estimable_coef_.tolist() == [[False, True, False, False, True]]


def test_dependent_columns_without_intercept():
    X, y = dependent()
    warning, model = caught(lambda: glm(fit_intercept=False).fit(X, y))
    assert warning.category is RankWarning
    np.testing.assert_allclose(model.coef_, np.linalg.pinv(X) @ y, rtol=1e-10)


def test_rank_warning_names_columns_rule_and_remedy():
    X, y = dependent()
    warning, _ = caught(lambda: glm().fit(X, y))
    message = str(warning.message)
    for part in ("rank 3", "4 columns", "'x0', 'x2', 'x3'", "minimum norm", "alpha"):
        assert part in message
    assert "x1" not in message
    frame = pd.DataFrame(X, columns=["age", "sex", "bmi", "mix"])
    message = str(caught(lambda: glm().fit(frame, y))[0].message)
    assert "'age', 'bmi', 'mix'" in message
    assert "sex" not in message


@pytest.mark.parametrize("family", ["poisson", "bernoulli"])
def test_minimum_norm_of_any_law(family):
    """The predictions are those of independent columns; the coefficients have no null part."""
    X, y = dependent()
    y = (y > y.mean()) + 0.0 if family == "bernoulli" else np.round(np.exp(y / 4))
    y[:5] = 1.0 - y[:5] if family == "bernoulli" else y[:5]
    _, model = caught(lambda: glm(family).fit(X, y))
    np.testing.assert_allclose(model.predict(X), glm(family).fit(X[:, :3], y).predict(X[:, :3]))
    assert model.coef_ @ [1.0, 0.0, -2.0, -1.0] == pytest.approx(0, abs=1e-12)


def test_constant_column():
    X, y = plain()
    X = np.column_stack([X, np.full(len(X), 7.3)])
    warning, model = caught(lambda: glm().fit(X, y))
    assert warning.category is RankWarning
    assert "x3" in str(warning.message)
    assert model.coef_[3] == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(model.coef_[:3], glm().fit(X[:, :3], y).coef_, rtol=1e-10)
    assert model.estimable_coef_.tolist() == [[True, True, True, False, False]]


def test_column_of_zeros_leaves_the_intercept_alone():
    X, y = plain()
    X = np.column_stack([np.zeros(len(X)), X])
    _, model = caught(lambda: glm().fit(X, y))
    assert model.coef_[0] == pytest.approx(0, abs=1e-12)
    assert model.estimable_coef_.tolist() == [[False, True, True, True, True]]


def test_a_constant_column_is_an_intercept_where_there_is_none():
    X, y = plain()
    with_constant = np.column_stack([X, np.ones(len(X))])
    model = glm(fit_intercept=False).fit(with_constant, y)
    expected = glm().fit(X, y)
    np.testing.assert_allclose(model.coef_, [*expected.coef_, expected.intercept_], rtol=1e-10)


def test_more_columns_than_rows():
    X, y = plain(n=8, p=20)
    warning, model = caught(lambda: glm().fit(X, y))
    assert warning.category is RankWarning
    expected = LinearRegression().fit(X, y)
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(model.predict(X), y, rtol=1e-10)
    assert not model.estimable_coef_[0, :-1].any()
    assert model.deviance_ == pytest.approx(0, abs=1e-18)


def test_a_duplicated_column_shares_the_coefficient():
    X, y = plain()
    _, model = caught(lambda: glm().fit(np.column_stack([X, X[:, 1]]), y))
    expected = glm().fit(X, y).coef_
    np.testing.assert_allclose(model.coef_[[1, 3]], expected[1] / 2, rtol=1e-10)
    np.testing.assert_allclose(model.coef_[[0, 2]], expected[[0, 2]], rtol=1e-10)


@pytest.mark.parametrize("unit", [1e-8, 1e8])
def test_rank_does_not_depend_on_units(unit):
    X, y = plain()
    model = glm().fit(X * [1.0, unit, 1.0], y)  # would warn
    assert model.rank_ == 3
    X, y = dependent()
    _, model = caught(lambda: glm().fit(X * [1.0, unit, 1.0, 1.0], y))
    assert model.rank_ == 3


def test_a_ridge_determines_dependent_columns():
    X, y = dependent()
    glm(alpha=0.1).fit(X, y)  # would warn


def test_hidden_layers_do_not_ask_for_rank():
    X, y = dependent()
    DeepGLMRegressor(hidden_layer_sizes=(3,), random_state=0).fit(X, y)  # would warn


# --------------------------------------------------------------- separation


def separated(kind):
    x = np.array([-3.0, -2.0, -1.0, 1.0, 2.0, 3.0])
    z = np.array([0.3, -1.0, 0.8, 0.1, -0.5, 0.9])
    y = (x > 0).astype(float)
    if kind == "quasi":  # a tie at 0: both outcomes
        x, z, y = np.r_[x, 0.0, 0.0, 0.0], np.r_[z, 0.2, 0.7, -0.4], np.r_[y, 0.0, 1.0, 1.0]
    return np.column_stack([x, z]), y


def test_perfect_separation():
    X, y = separated("perfect")
    warning, model = caught(lambda: glm("bernoulli").fit(X, y))
    assert warning.category is SeparationWarning
    message = str(warning.message)
    for part in ("6 rows", "[0, 1, 2, 3, 4]", "x0", "no finite", "alpha"):
        assert part in message
    assert model.separated_rows_.tolist() == list(range(6))
    np.testing.assert_allclose(model.predict(X), y, atol=1e-15)
    assert model.deviance_ == pytest.approx(0, abs=1e-12)
    assert not model.estimable_coef_.any()
    assert np.all(np.isfinite(model.coef_))
    assert model.coef_[0] > 0


def test_quasi_separation():
    """What is left, the tie, is a model of its own: the certified part is finite and right."""
    X, y = separated("quasi")
    warning, model = caught(lambda: glm("bernoulli").fit(X, y))
    assert warning.category is SeparationWarning
    assert "x0" in str(warning.message)
    assert "x1" not in str(warning.message)
    assert model.separated_rows_.tolist() == list(range(6))
    np.testing.assert_allclose(model.predict(X[:6]), y[:6], atol=1e-15)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SeparationWarning)
        rest = glm("bernoulli").fit(X[6:, 1:], y[6:])
    if not len(rest.separated_rows_):
        np.testing.assert_allclose(model.predict(X[6:]), rest.predict(X[6:, 1:]), atol=1e-9)
        assert model.coef_[1] == pytest.approx(rest.coef_[0], rel=1e-8)
        assert model.estimable_coef_.tolist() == [[False, True, True]]


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog"])
@pytest.mark.parametrize("labels", [["a", "b"], [True, False]])
def test_separated_classes(link, labels):
    X, y = separated("perfect")
    names = np.array(labels)[y.astype(int)]
    warning, model = caught(lambda: glm_classifier(link=link).fit(X, names))
    assert warning.category is SeparationWarning
    assert model.predict(X).tolist() == names.tolist()
    assert np.all(np.isfinite(model.decision_function(X)))


def test_poisson_separation():
    """A dummy whose rows are all 0: its coefficient alone is infinite."""
    X, y = counts()
    dummy = (np.arange(len(y)) < 6).astype(float)
    y[:6] = 0.0
    frame = pd.DataFrame({"a": X[:, 0], "dummy": dummy, "b": X[:, 1]})
    warning, model = caught(lambda: glm("poisson").fit(frame, y))
    assert warning.category is SeparationWarning
    assert "the coefficients of 'dummy' have" in str(warning.message)
    rest = glm("poisson").fit(frame.loc[6:, ["a", "b"]], y[6:])
    np.testing.assert_allclose(model.coef_[[0, 2]], rest.coef_, rtol=1e-9)
    assert model.intercept_ == pytest.approx(rest.intercept_, rel=1e-9)
    assert model.deviance_ == pytest.approx(rest.deviance_, rel=1e-10)
    assert model.estimable_coef_.tolist() == [[True, False, True, True]]
    assert np.all(model.predict(frame)[:6] < 1e-15)


@pytest.mark.parametrize("solver", ["lbfgs", "newton_cg", "adam"])
def test_separation_is_found_by_every_solver(solver):
    X, y = counts()
    X[:, 2] = np.arange(len(y)) < 6
    y[:6] = 0.0
    warning, model = caught(lambda: glm("poisson", solver=solver).fit(X, y))
    assert warning.category is SeparationWarning
    assert model.separated_rows_.tolist() == list(range(6))
    rest = glm("poisson").fit(X[6:, :2], y[6:])
    np.testing.assert_allclose(model.coef_[:2], rest.coef_, rtol=1e-6)


def test_multinoulli_separation():
    """Class 2 lives beyond x = 1; classes 0 and 1 share the rest."""
    X = np.r_[np.linspace(-1, 1, 10), np.linspace(2, 3, 5)][:, None]
    y = np.r_[[0, 1, 1, 0, 1, 0, 1, 0, 0, 1], np.full(5, 2)]
    warning, model = caught(lambda: glm_classifier().fit(X, y))
    assert warning.category is SeparationWarning
    rest = glm_classifier().fit(X[:10], y[:10])
    probability = model.predict_proba(X)
    np.testing.assert_allclose(probability[:10, 1], rest.predict_proba(X[:10])[:, 1], atol=1e-8)
    np.testing.assert_allclose(probability[10:, 2], 1.0, atol=1e-12)
    assert model.coef_[1, 0] - model.coef_[0, 0] == pytest.approx(rest.coef_[0], rel=1e-6)
    assert model.deviance_ == pytest.approx(rest.deviance_, rel=1e-9)
    np.testing.assert_allclose(probability.sum(axis=1), 1.0)


def test_one_output_of_several_separated():
    """Multilabel: the other output keeps its finite estimate, and its own answer."""
    X, y = counts()
    other = (y > 1).astype(int)
    labels = np.column_stack([X[:, 0] > 0, other]).astype(int)
    warning, model = caught(lambda: glm_classifier().fit(X, labels))
    assert warning.category is SeparationWarning
    alone = glm_classifier().fit(X, other)
    np.testing.assert_allclose(model.coef_[1], alone.coef_, rtol=1e-8)
    assert model.estimable_coef_[1].tolist() == [True, True, True, True]
    assert not model.estimable_coef_[0, 0]


def test_overlap_is_no_separation():
    """One row on the wrong side by a hair: a finite, if large, estimate and no warning."""
    X = np.array([-2.0, -1.0, 1e-3, -1e-3, 1.0, 2.0])[:, None]
    y = np.array([0.0, 0.0, 0.0, 1.0, 1.0, 1.0])
    model = glm("bernoulli").fit(X, y)
    assert model.converged_
    assert len(model.separated_rows_) == 0
    error = y - model.predict(X)
    assert abs(X[:, 0] @ error) <= 1e-9


def test_a_ridge_ends_separation():
    X, y = separated("perfect")
    model = glm("bernoulli", alpha=0.01).fit(X, y)  # would warn
    assert np.abs(model.coef_).max() < 10
    assert len(model.separated_rows_) == 0


def test_separation_by_rows_of_weight_zero():
    """Absent rows do not keep the others from being separated."""
    X, y = separated("quasi")
    weight = np.r_[np.ones(6), np.zeros(3)]
    warning, _ = caught(lambda: glm("bernoulli").fit(X, y, sample_weight=weight))
    assert warning.category is SeparationWarning


# ------------------------------------------------------------------ constant y


@pytest.mark.parametrize("law", [law for law in known_pairs() if not law.event_ndim], ids=str)
def test_a_constant_y_is_fitted_by_that_constant(law):
    """Under a prior that is no accident of rounding: as if y varied by its own size."""
    X, _ = plain(n=97)
    weight = np.random.default_rng(1).uniform(0.5, 2.0, 97)
    c = 1 / 3
    other = np.nextafter(c, 1.0) if law.has_dispersion else c  # the next number of all
    y = np.where(np.arange(97) % 2 == 0, c, other)
    model = DeepGLMRegressor(law, hidden_layer_sizes=(3,), solver="lbfgs", random_state=0)
    model.fit(X, y, sample_weight=weight)  # would warn
    phi = c**2 / float(law.variance(np.array(c))) if law.has_dispersion else 1.0
    assert model.alpha_[0] == pytest.approx(10.0 * phi / weight.sum())
    assert 1e-3 < model.alpha_[1] * weight.sum() < 1e4
    np.testing.assert_allclose(model.predict(X), c, rtol=1e-9)


def test_a_prior_of_no_variation_goes_with_the_unit_of_y():
    X, _ = plain(n=97)
    for offset in (None, X[:, 0]):
        alphas = [
            DeepGLMRegressor(hidden_layer_sizes=(3,), solver="lbfgs", random_state=0)
            .fit(X, np.full(97, unit), offset=None if offset is None else unit * offset)
            .alpha_
            for unit in (1.0, 1e6)
        ]
        np.testing.assert_allclose(alphas[1], alphas[0] * np.array([1e12, 1.0]), rtol=1e-6)


def test_all_at_the_end_of_the_range_is_refused_whatever_the_weights():
    """A weighted sum of ones may miss one by rounding: then a mean below it seemed possible."""
    rng = np.random.default_rng(0)
    for n in range(90, 130):
        for weight in (np.ones(n), rng.uniform(size=n)):
            with pytest.raises(ValueError, match="determine no model: add rows in which y varies"):
                check_estimable(Bernoulli(), np.ones((n, 1)), weight)


# --------------------------------------------------- warnings point at the caller


@pytest.mark.parametrize(
    "fit",
    [
        lambda: glm().fit(*dependent()),
        lambda: glm("bernoulli").fit(*separated("perfect")),
        lambda: glm_classifier().fit(*separated("perfect")),
        lambda: DeepGLMRegressor(solver="lbfgs", max_iter=1, random_state=0).fit(*plain()),
        lambda: DeepGLMClassifier(solver="lbfgs", max_iter=1).fit(*separated("quasi")),
    ],
)
def test_warnings_point_at_the_call_of_fit(fit):
    warning, _ = caught(fit)
    assert warning.category in (RankWarning, SeparationWarning, ConvergenceWarning)
    assert warning.filename == __file__
    line = inspect.getsource(inspect.getmodule(fit)).splitlines()[warning.lineno - 1]
    assert ".fit(*" in line
