"""What fit and predict refuse, what they accept, and that nothing is touched."""

import copy
import pickle
import re

import numpy as np
import pandas as pd
import pytest
from test_degenerate import caught, counts, depths, glm, glm_classifier, plain

from glmnet_nn import DeepGLMClassifier, DeepGLMRegressor, RankWarning

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
    "labels": (
        fits(y=lambda X, y: np.where(np.arange(len(y)) < 3, "7", "no").astype(object)),
        r"y must hold numbers.*'no' \(place 3\).*DeepGLMClassifier",
    ),
    "amounts that are 0": (fits(family="gamma"), r"Gamma needs y > 0.*have the Tweedie law\.$"),
    "successes without failures": (
        fits(family="binomial"),
        r"Binomial needs 0 <= y <= 1.*two columns of y",
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
    with pytest.raises(ValueError, match=r"columns \['b'\] hold categories or strings"):
        glm(hidden_layer_sizes=hidden, categorical=None).fit(X, [1.0, 2.0, 4.0])
    with pytest.raises(ValueError, match="could not convert string to float"):
        glm(hidden_layer_sizes=hidden).fit(X.to_numpy(), [1.0, 2.0, 4.0])


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
