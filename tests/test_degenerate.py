"""Data that determine no model, or not all of one: what is said, and what the numbers mean."""

import copy
import inspect
import pickle
import re
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression

from glmnet_nn import DeepGLMClassifier, DeepGLMRegressor, RankWarning, SeparationWarning

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


# --------------------------------------------------- warnings point at the caller


@pytest.mark.parametrize(
    "fit",
    [
        lambda: glm().fit(*dependent()),
        lambda: glm("bernoulli").fit(*separated("perfect")),
        lambda: glm_classifier().fit(*separated("perfect")),
        lambda: DeepGLMRegressor(max_iter=1, random_state=0).fit(*plain()),
        lambda: DeepGLMClassifier(max_iter=1, random_state=0).fit(*separated("quasi")),
    ],
)
def test_warnings_point_at_the_call_of_fit(fit):
    warning, _ = caught(fit)
    assert warning.category in (RankWarning, SeparationWarning, ConvergenceWarning)
    assert warning.filename == __file__
    line = inspect.getsource(inspect.getmodule(fit)).splitlines()[warning.lineno - 1]
    assert ".fit(*" in line


# -------------------------------------------------------- what is refused: data


def fits(**changes):
    """A fit of otherwise sound counts, with these arguments changed."""

    def fit(hidden):
        X, y = counts()
        arguments = {"X": X, "y": y, **{k: v for k, v in changes.items() if k in _OF_FIT}}
        parameters = {k: v for k, v in changes.items() if k not in _OF_FIT}
        model = DeepGLMRegressor(**{"family": "poisson", "hidden_layer_sizes": hidden} | parameters)
        return model.fit(**{k: v(X, y) if callable(v) else v for k, v in arguments.items()})

    return fit


_OF_FIT = {"X", "y", "sample_weight", "offset", "exposure"}


def put(value, at=3):
    def change(X, y):
        y = y.copy()
        y[at] = value
        return y

    return change


def put_x(value):
    def change(X, y):
        X = X.copy()
        X[3, 1] = value
        return X

    return change


def column(value, at=3):
    def change(X, y):
        values = np.ones(len(y))
        values[at] = value
        return values

    return change


REFUSED = {
    "negative counts": (fits(y=put(-2.0)), r"Poisson needs y >= 0.*y\[3\] = -2.0.*Remove"),
    "all counts 0": (fits(y=lambda X, y: 0 * y), r"mean of y is 0.0.*Poisson.*log.*add rows"),
    "all 0 where weight": (
        fits(y=lambda X, y: np.r_[5.0, 0 * y[1:]], sample_weight=column(0.0, at=0)),
        r"mean of y is 0.0.*Poisson",
    ),
    "proportion above 1": (
        fits(family="bernoulli", y=put(2.0)),
        r"Bernoulli needs 0 <= y <= 1.*y\[3\] = 2.0|Bernoulli needs 0 <= y <= 1.*y\[\d+\] = ",
    ),
    "all proportions 1": (
        fits(family="bernoulli", y=lambda X, y: 0 * y + 1),
        r"mean of y is 1.0.*Bernoulli.*logit.*add rows",
    ),
    "not a simplex": (
        fits(family="multinoulli", y=lambda X, y: np.column_stack([y, y])),
        r"Multinoulli needs rows of y that are >= 0 and sum to 1.*y\[0",
    ),
    "one column of probabilities": (
        fits(family="multinoulli"),
        r"Multinoulli needs y of shape \(n, K\).*shape \(40,\).*DeepGLMClassifier",
    ),
    "y NaN": (fits(y=put(np.nan)), "Input y contains NaN"),
    "y infinite": (fits(y=put(np.inf)), "Input y contains infinity"),
    "X NaN": (fits(X=put_x(np.nan)), "Input X contains NaN"),
    "X infinite": (fits(X=put_x(-np.inf)), "Input X contains infinity"),
    "X a vector": (fits(X=lambda X, y: X[:, 0]), "Expected 2D array, got 1D array"),
    "X of strings": (fits(X=lambda X, y: np.full(X.shape, "a")), "could not convert string"),
    "X and y of different length": (
        fits(X=lambda X, y: X[:-1]),
        r"inconsistent numbers of samples: \[39, 40\]",
    ),
    "X without rows": (fits(X=lambda X, y: X[:0], y=lambda X, y: y[:0]), r"0 sample\(s\)"),
    "X without columns": (fits(X=lambda X, y: X[:, :0]), r"0 feature\(s\)"),
    "weights all 0": (
        fits(sample_weight=lambda X, y: 0 * y),
        r"sample_weight must not be zero everywhere, but all 40 are 0",
    ),
    "a negative weight": (
        fits(sample_weight=column(-0.5)),
        r"sample_weight must be >= 0, but sample_weight\[3\] = -0.5.*Use 0",
    ),
    "weight NaN": (fits(sample_weight=column(np.nan)), "sample_weight contains NaN"),
    "weight infinite": (fits(sample_weight=column(np.inf)), "sample_weight contains infinity"),
    "too few weights": (fits(sample_weight=lambda X, y: y[:-1] + 1), "sample_weight.shape"),
    "exposure 0": (
        fits(exposure=column(0.0)),
        r"exposure must be > 0, but exposure\[3\] = 0.0.*Remove",
    ),
    "exposure negative": (
        fits(exposure=column(-1.5)),
        r"exposure must be > 0, but exposure\[3\] = -1.5",
    ),
    "exposure NaN": (fits(exposure=column(np.nan)), "Input exposure contains NaN"),
    "exposure with another link": (
        fits(exposure=column(2.0), link="identity"),
        r"exposure multiplies the mean.*'identity'.*link='log'.*offset",
    ),
    "exposure of another law": (
        fits(exposure=column(2.0), family="normal"),
        r"exposure multiplies the mean.*'identity'",
    ),
    "too few exposures": (
        fits(exposure=lambda X, y: y[:-1] + 1),
        r"exposure must have shape .*\(40,\).*its shape is \(39,\)",
    ),
    "offset NaN": (fits(offset=column(np.nan)), "Input offset contains NaN"),
    "offset infinite": (fits(offset=column(np.inf)), "Input offset contains infinity"),
    "offset of another shape": (
        fits(offset=lambda X, y: np.ones((40, 2))),
        r"offset must have shape .*\(40, 1\).*its shape is \(40, 2\)",
    ),
    "offset of strings": (fits(offset=lambda X, y: ["a"] * 40), "could not convert string"),
    "one alpha too many": (
        fits(alpha=[0.1, 0.2, 0.3]),
        r"alpha must be 'auto', a number >= 0 or . of them.*\[0.1, 0.2, 0.3\]",
    ),
    "alpha negative in a list": (fits(alpha=[-0.1]), r"alpha must be.*>= 0.*\[-0.1\]"),
    "alpha NaN in a list": (fits(alpha=[np.nan]), r"alpha must be.*>= 0.*nan"),
    "alpha of words": (fits(alpha=["a"]), "alpha|could not convert"),
    "alpha negative": (fits(alpha=-1.0), r"'alpha' parameter of DeepGLMRegressor.*-1.0"),
    "alpha another word": (fits(alpha="some"), r"'alpha' parameter of DeepGLMRegressor.*'some'"),
    "unknown solver": (fits(solver="sgd"), r"'solver' parameter.*'newton'.*Got 'sgd'"),
    "unknown activation": (fits(activation="sine"), r"'activation' parameter.*Got 'sine'"),
    "unknown link": (fits(link="cubic"), r"'link' parameter.*Got 'cubic'"),
    "unknown family": (fits(family="gauss"), r"family must be one of.*'normal'.*'gauss'"),
    "a link without means": (fits(link="softmax"), r"link 'softmax'.*Poisson.*use one of"),
    "l1_ratio above 1": (fits(l1_ratio=1.5), "'l1_ratio' parameter.*1.5"),
    "max_iter 0": (fits(max_iter=0), "'max_iter' parameter.*0"),
    "tol negative": (fits(tol=-1.0), "'tol' parameter.*-1.0"),
    "layer without units": (
        fits(hidden_layer_sizes=(3, 0)),
        r"hidden_layer_sizes must hold integers >= 1.*\(3, 0\).*\(\)",
    ),
    "layer of half a unit": (
        fits(hidden_layer_sizes=(2.5,)),
        r"hidden_layer_sizes must hold integers >= 1.*2.5",
    ),
    "newton with hidden layers": (
        fits(solver="newton", hidden_layer_sizes=(4,)),
        r"solver='newton'.*without hidden layers.*\(4,\).*'lbfgs'",
    ),
    "newton with l1": (
        fits(solver="newton", alpha=0.1, l1_ratio=0.5, hidden_layer_sizes=()),
        r"solver='newton'.*l1_ratio=0.5.*'lbfgs'",
    ),
    "early stopping without batches": (
        fits(solver="lbfgs", early_stopping=True),
        r"early_stopping=True.*solver='lbfgs'.*'adam'",
    ),
    "held-out rows are all rows": (
        fits(early_stopping=True, validation_fraction=0.99),
        r"validation_fraction=0.99 of 40 rows.*early_stopping=False",
    ),
}


@depths
@pytest.mark.parametrize("name", REFUSED)
def test_refused(name, hidden):
    """A ValueError or TypeError, never another; the rule, the evidence and the remedy in words."""
    fit, pattern = REFUSED[name]
    with pytest.raises((ValueError, TypeError)) as error:
        fit(hidden)
    assert re.search(pattern, str(error.value), re.DOTALL), str(error.value)


@depths
def test_family_of_another_type(hidden):
    with pytest.raises((TypeError, ValueError), match="'family' parameter"):
        fits(family=3)(hidden)


@depths
@pytest.mark.parametrize("form", [sparse.csr_matrix, sparse.csc_array])
def test_sparse_X(form, hidden):
    X, y = counts()
    with pytest.raises(TypeError, match=r"[Ss]parse data was passed for X.*dense"):
        glm("poisson", hidden_layer_sizes=hidden).fit(form(X), y)


@depths
@pytest.mark.parametrize("y", [np.ones(40), ["only"] * 40])
def test_a_single_class(y, hidden):
    X, _ = counts()
    with pytest.raises(ValueError, match=r"at least two classes, but y has 1 class: .*(1.0|only)"):
        DeepGLMClassifier(hidden_layer_sizes=hidden).fit(X, y)


def test_a_single_class_where_there_is_weight():
    X, _ = counts()
    y, weight = np.r_[np.ones(39), 0.0], np.r_[np.ones(39), 0.0]
    with pytest.raises(ValueError, match=r"at least two classes.*weight 0"):
        glm_classifier().fit(X, y, sample_weight=weight)


def test_a_label_that_no_row_has():
    X, y = counts()
    labels = np.column_stack([y > 1, np.zeros(len(y))]).astype(int)
    with pytest.raises(ValueError, match=r"mean of y of output 1 is 0\.0"):
        glm_classifier().fit(X, labels)


def test_continuous_labels():
    X, y = plain()
    with pytest.raises(ValueError, match=r"Unknown label type: continuous"):
        glm_classifier().fit(X, y)


def test_exposure_of_a_classifier():
    X, y = counts()
    with pytest.raises(ValueError, match=r"exposure multiplies the mean.*'logit'"):
        glm_classifier().fit(X, y > 1, exposure=np.ones(len(y)))


@pytest.mark.parametrize("name", ["exposure", "offset"])
@pytest.mark.parametrize("method", ["predict", "linear_predictor", "score"])
def test_the_door_stands_at_prediction_too(name, method):
    X, y = counts()
    model = glm("poisson").fit(X, y)
    arguments = (X, y) if method == "score" else (X,)
    with pytest.raises(ValueError, match=f"{name} must have shape"):
        getattr(model, method)(*arguments, **{name: np.ones(7)})
    with pytest.raises(ValueError, match=f"Input {name} contains NaN"):
        getattr(model, method)(*arguments, **{name: np.full(len(y), np.nan)})


def test_prediction_of_other_columns():
    X, y = counts()
    model = glm("poisson").fit(X, y)
    with pytest.raises(ValueError, match="X has 2 features, but DeepGLMRegressor is expecting 3"):
        model.predict(X[:, :2])
    with pytest.raises(ValueError, match="NaN"):
        model.predict(np.where(X > 1, np.nan, X))


def test_score_of_counts_below_zero():
    X, y = counts()
    with pytest.raises(ValueError, match="Poisson needs y >= 0"):
        glm("poisson").fit(X, y).score(X, -y - 1)


# --------------------------------------------------------- what is accepted


@depths
@pytest.mark.parametrize(
    "form",
    [
        pytest.param(lambda X: X.astype(np.float32), id="float32"),
        pytest.param(lambda X: X.astype(object), id="object"),
        pytest.param(np.asfortranarray, id="columns first"),
        pytest.param(lambda X: X.tolist(), id="lists"),
        pytest.param(lambda X: np.round(X).astype(np.int8), id="int8"),
        pytest.param(lambda X: X > 0, id="bool"),
        pytest.param(lambda X: X[::-1][::-1], id="strided"),
        pytest.param(
            lambda X: pd.DataFrame(
                {"a": X[:, 0], "b": np.round(X[:, 1]).astype("int32"), "c": X[:, 2] > 0}
            ),
            id="mixed frame",
        ),
        pytest.param(
            lambda X: pd.DataFrame(X).astype("Float64").set_axis(list("abc"), axis=1),
            id="nullable frame",
        ),
    ],
)
def test_any_form_of_numbers(form, hidden):
    X, y = counts()
    given = form(X)
    model = glm("poisson", hidden_layer_sizes=hidden, random_state=0).fit(given, y)
    same = glm("poisson", hidden_layer_sizes=hidden, random_state=0)
    as_floats = np.asarray(given, dtype=float)
    np.testing.assert_allclose(
        model.predict(given), same.fit(as_floats, y).predict(as_floats), rtol=1e-6
    )
    assert model.predict(given).dtype == np.float64


@depths
def test_read_only_arrays(hidden):
    X, y = counts()
    arrays = {"X": X, "y": y, "sample_weight": y + 1, "offset": X[:, 0].copy(), "exposure": y + 2}
    for array in arrays.values():
        array.flags.writeable = False
    model = glm("poisson", hidden_layer_sizes=hidden, random_state=0).fit(**arrays)
    X, y = arrays.pop("X"), arrays.pop("y")
    model.score(X, y, **arrays)
    arrays.pop("sample_weight")
    assert np.all(np.isfinite(model.predict(X, **arrays)))


@depths
def test_a_frame_of_strings(hidden):
    X = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": ["x", "y", "z"]})
    with pytest.raises(ValueError, match="could not convert string to float"):
        glm(hidden_layer_sizes=hidden).fit(X, [1.0, 2.0, 4.0])


def test_one_row():
    """One row and an intercept: the row is the model, the column has nothing to say."""
    warning, model = caught(lambda: glm().fit([[2.0]], [3.0]))
    assert warning.category is RankWarning
    assert model.predict([[2.0], [9.0]]).tolist() == [3.0, 3.0]
    assert model.deviance_ == 0.0


def test_one_row_is_enough_for_a_network():
    model = DeepGLMRegressor("poisson", random_state=0).fit([[2.0]], [3.0])
    assert model.predict([[2.0]]) == pytest.approx(3.0, rel=1e-4)


@depths
@pytest.mark.parametrize("family", ["normal", "poisson"])
def test_y_that_does_not_vary(family, hidden):
    X, _ = plain()
    model = glm(family, hidden_layer_sizes=hidden, random_state=0).fit(X, np.full(len(X), 3.0))
    np.testing.assert_allclose(model.predict(X), 3.0, rtol=1e-6)
    assert model.score(X, np.full(len(X), 3.0)) in (0.0, 1.0)  # no share of nothing


def test_more_parameters_than_rows_has_no_dispersion():
    """As many parameters as rows: phi is unknown, and NaN says so; the predictions are there."""
    X, y = plain(n=4, p=3)
    model = glm().fit(X, y)
    assert np.isnan(model.dispersion_)
    np.testing.assert_allclose(model.predict(X), y, rtol=1e-9)


@pytest.mark.parametrize("size", [1e-150, 1e150])
def test_extreme_units(size):
    X, y = plain()
    model = glm().fit(X * size, y)
    np.testing.assert_allclose(model.coef_ * size, glm().fit(X, y).coef_, rtol=1e-9)


@pytest.mark.parametrize("far", [1e3, 1e8, 1e300])
def test_no_prediction_is_nan(far):
    """Extrapolation far beyond the data: 0, infinite or 1, but a number."""
    X, y = counts()
    for model in (
        glm("poisson").fit(X, y),
        glm("bernoulli").fit(X, (y > 1).astype(float)),
        DeepGLMRegressor("poisson", random_state=0).fit(X, y),
        glm_classifier().fit(X, np.minimum(y, 3)),
        DeepGLMClassifier(random_state=0).fit(X, np.minimum(y, 3)),
    ):
        for rows in (far * X, -far * X):
            values = getattr(model, "predict_proba", model.predict)(rows)
            assert not np.isnan(values).any()


# ------------------------------------------------------- nothing is touched


@depths
@pytest.mark.parametrize("classifier", [False, True])
def test_inputs_and_parameters_are_left_alone(classifier, hidden):
    X, y = counts()
    y = np.minimum(y, 3)
    arguments = {"X": X, "y": y, "sample_weight": y + 1, "offset": 0.1 * y}
    if not classifier:
        arguments["exposure"] = y + 2
    alpha = [0.1] * (len(hidden) + 1)
    kind = DeepGLMClassifier if classifier else DeepGLMRegressor
    given = {"hidden_layer_sizes": list(hidden), "alpha": alpha, "random_state": 3}
    if not classifier:
        given["family"] = "poisson"
    model = kind(**given)
    before = copy.deepcopy(arguments), pickle.dumps(model.get_params())
    model.fit(**arguments)
    known = {key: value for key, value in arguments.items() if key not in ("y", "sample_weight")}
    model.predict(**known)
    model.score(**arguments)
    for key, value in before[0].items():
        np.testing.assert_array_equal(arguments[key], value)
    assert pickle.dumps(model.get_params()) == before[1]
    assert model.alpha is alpha


def test_a_failed_fit_leaves_the_inputs_alone():
    X, y = counts()
    y[3] = -1.0
    kept = X.copy(), y.copy()
    with pytest.raises(ValueError):
        glm("poisson").fit(X, y)
    np.testing.assert_array_equal(X, kept[0])
    np.testing.assert_array_equal(y, kept[1])
