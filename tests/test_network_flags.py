"""What results of networks refuse, mark and say; and that their intervals cover."""

import copy
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from test_network_inference import fitted, results_of, sample

from benchmarks import __main__ as command
from benchmarks import coverage
from glmnet_nn import DeepGLMClassifier, DeepGLMRegressor, InferenceWarning
from glmnet_nn.network import get_activation


def flags_of(model, X, y):
    """The flags of a fit, which must warn of them."""
    with pytest.warns(InferenceWarning, match="cannot be trusted") as caught:
        results = model.inference(X, y)
    assert not results.trustworthy
    for sentence in results.flags.values():
        assert sentence in str(caught[0].message)
    return results


def with_weights(change):
    """The good fit with its parameters changed."""
    model, X, y = fitted()
    model = copy.deepcopy(model)
    change(model._network.layout.layers(model._weights))
    return model, X, y


def test_a_good_fit_has_no_flag():
    results = results_of()
    assert results.trustworthy
    assert results.flags == {}
    assert "cannot be trusted" not in str(results.summary())


def test_an_ordinary_fit_is_flagged_and_says_how_to_do_better():
    X, y = sample()
    model = DeepGLMRegressor("poisson", hidden_layer_sizes=(2,), random_state=0).fit(X, y)
    results = flags_of(model, X, y)
    assert {"few_starts", "strong_ridge"} <= set(results.flags)
    for shown in (
        results.summary(),
        results.get_prediction(X[:2]),
        results.contrast(X[:1], X[1:2]),
    ):
        assert "fit_for_inference()" in str(shown), "numbers without their flag"
    assert "fit_for_inference()" in str(results.average_partial_effects())
    assert "fit_for_inference()" in results.get_prediction(X[:2]).summary_frame().attrs["note"]


def test_a_fit_that_stopped_early_is_flagged():
    def shift(layers):
        layers[0].W[0, 0] += 1e-2

    model, X, y = with_weights(shift)
    results = flags_of(model, X, y)
    assert set(results.flags) == {"not_converged"}
    decrement = results.information.decrement(1.0)
    gradient = 400 * results.fitted.objective.smooth_value_and_gradient(results.parameters)[1]
    F = 400 * results.fitted.objective.information(results.parameters)
    assert decrement == pytest.approx(gradient @ np.linalg.solve(F, gradient), rel=1e-9)


def test_a_step_is_flagged():
    def steepen(layers):
        layers[0].W[0] *= 12.0 / np.abs(layers[0].W[0]).max()

    assert "large_weight" in flags_of(*with_weights(steepen)).flags


def test_a_saddle_is_flagged_and_has_no_standard_errors():
    def exchangeable(layers):
        layers[0].W[1], layers[0].b[1] = layers[0].W[0], layers[0].b[0]
        layers[1].W[0, 1] = layers[1].W[0, 0]

    model, X, y = with_weights(exchangeable)
    results = flags_of(model, X, y)
    assert "not_positive_definite" in results.flags
    with pytest.warns(InferenceWarning, match="not determine what was asked"):
        assert np.isnan(results.get_prediction().se_linpred).any()


def test_more_units_than_the_truth_has_are_flagged():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2))
    y = rng.poisson(np.exp(0.5 * np.tanh(X[:, 0] - X[:, 1]))).astype(float)
    model = DeepGLMRegressor("poisson", hidden_layer_sizes=(3,), random_state=0)
    results = flags_of(model.fit_for_inference(X, y), X, y)
    assert "spare_unit" in results.flags
    assert "Use fewer hidden units" in str(results.summary())


def test_the_fall_without_a_unit_is_that_of_a_smaller_network():
    X, y = sample()
    model, _, _ = fitted()
    one = DeepGLMRegressor("poisson", hidden_layer_sizes=(1,), random_state=0)
    fall = len(y) * (one.fit_for_inference(X, y).loss_ - model.loss_)
    assert model._search.fall == pytest.approx(fall / 4, rel=1e-3)  # of its four weights
    assert one._search.fall == np.inf  # a layer keeps its last unit


def test_an_optimum_as_good_is_flagged():
    """One unit cannot follow |x|, and follows one side of it as well as the other."""
    x = np.linspace(0.0, 2.0, 60)
    X, y = np.append(x, -x)[:, None], np.tile(x + 0.1 * np.sin(40 * x), 2)
    model = DeepGLMRegressor(hidden_layer_sizes=(1,), random_state=0)
    results = flags_of(model.fit_for_inference(X, y), X, y)
    assert "rival_optimum" in results.flags
    assert model._search.rival == pytest.approx(0.0, abs=1e-6)


def test_kinks_are_flagged():
    model, X, y = with_weights(lambda layers: None)
    model._network.activation = get_activation("relu")
    assert "'relu' has kinks" in flags_of(model, X, y).flags["kinks"]


def test_rows_that_the_data_say_nothing_of_have_no_standard_error():
    X, y = sample()
    constant = np.column_stack([X, np.full(len(X), 3.0)])
    model = DeepGLMRegressor("poisson", hidden_layer_sizes=(2,), random_state=0)
    results = model.fit_for_inference(constant, y).inference(constant, y)
    assert results.trustworthy
    new = constant[:3].copy()
    new[:, 2] += [0.0, 1.0, -2.0]
    with pytest.warns(InferenceWarning, match="4 standard errors are nan: the data do not"):
        found = results.get_prediction(new)
    np.testing.assert_array_equal(np.isnan(found.se_linpred), [False, True, True])
    np.testing.assert_array_equal(np.isnan(found.conf_int()[:, 0]), [False, True, True])
    assert "4 standard errors are nan" in str(found)
    without = results_of().get_prediction(X[:1])
    np.testing.assert_allclose(found.se_linpred[0], without.se_linpred[0], rtol=1e-4)
    with pytest.warns(InferenceWarning):
        assert np.isnan(results.average_partial_effects().margeff_se[2])


@pytest.mark.parametrize("name", ["params", "bse", "pvalues", "conf_int", "cov_params", "t_test"])
def test_weights_have_no_statistics_and_it_is_said_why(name):
    results = results_of()
    assert not hasattr(results, name)
    with pytest.raises(AttributeError, match=r"not identified.*get_prediction"):
        getattr(results, name)


def test_there_is_no_chi_square_test_on_the_number_of_units():
    with pytest.raises(AttributeError, match=r"chi-square.*bic"):
        _ = results_of().lr_test
    with pytest.raises(AttributeError, match="'NetworkResults' object has no attribute 'nothing'"):
        _ = results_of().nothing


def test_bic_finds_the_number_of_units():
    X, y = sample(n=1000)
    bic = {}
    for units in (1, 2, 3):
        model = DeepGLMRegressor("poisson", hidden_layer_sizes=(units,), random_state=0)
        model.fit_for_inference(X, y)
        bic[units] = network_bic(model, X, y)
    assert min(bic, key=bic.get) == 2


def network_bic(model, X, y):
    """BIC, flagged or not."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InferenceWarning)
        return model.inference(X, y).bic


def test_names_and_labels_are_those_of_the_frame():
    X, y = sample()
    frame = pd.DataFrame(X, columns=["age", "dose"], index=[f"r{i}" for i in range(len(X))])
    model = DeepGLMRegressor("poisson", hidden_layer_sizes=(2,), random_state=0)
    results = model.fit_for_inference(frame, y).inference(frame, y)
    assert list(results.average_partial_effects().summary_frame().index) == ["age", "dose"]
    assert list(results.get_prediction().summary_frame().index[:2]) == ["r0", "r1"]
    assert list(results.get_prediction(frame.iloc[5:7]).summary_frame().index) == ["r5", "r6"]
    text = str(results.summary())
    assert "Poisson network with log link, hidden layers (2,) of tanh" in text
    assert f"{results.bic:.6g}" in text
    assert f"{results.average_partial_effects().margeff_se[0]:.4f}" in text


def test_classes_stand_beside_each_other():
    results, (_, X, _) = results_of("classes"), fitted("classes")
    mean = results.get_prediction(X[:2])
    np.testing.assert_allclose(mean.predicted_mean.sum(axis=1), 1.0)
    assert mean.linpred.shape == (2, 2)  # against the first class
    assert list(mean.summary_frame().index[:3]) == [(0, "a"), (0, "b"), (0, "c")]
    effects = results.average_partial_effects()
    np.testing.assert_allclose(effects.margeff.sum(axis=1), 0.0, atol=1e-12)
    assert results.average_partial_effects(which="linear").margeff.shape == (2, 2)
    assert results.contrast(X[:1], X[1:2]).labels == ["0:a", "0:b", "0:c"]
    assert results.contrast(X[:1], X[1:2], which="linear").labels == ["0:b", "0:c"]


def test_offsets_of_new_rows_are_new():
    X, y = sample()
    time = np.random.default_rng(0).uniform(0.5, 2.0, len(y))
    model = DeepGLMRegressor("poisson", hidden_layer_sizes=(1,), random_state=0)
    results = model.fit_for_inference(X, y, exposure=time).inference(X, y, exposure=time)
    rate, count = results.get_prediction(X[:3]), results.get_prediction(X[:3], exposure=time[:3])
    np.testing.assert_allclose(count.predicted_mean, time[:3] * rate.predicted_mean)
    np.testing.assert_allclose(count.se_linpred, rate.se_linpred)
    np.testing.assert_allclose(results.get_prediction().predicted_mean[:3], count.predicted_mean)
    with pytest.raises(ValueError, match="offset and exposure belong to new rows"):
        results.get_prediction(exposure=time)


def test_results_survive_pickle_and_a_refit():
    model, X, y = fitted()
    model = copy.deepcopy(model)
    results = model.inference(X, y)
    before = results.get_prediction(X[:3]).se_mean
    model.fit(X[:, :1], y)
    np.testing.assert_array_equal(results.get_prediction(X[:3]).se_mean, before)
    again = pickle.loads(pickle.dumps(results))
    np.testing.assert_array_equal(again.get_prediction(X[:3]).se_mean, before)


def test_wrong_questions_are_answered_with_the_right_ones():
    results, (_, X, y) = results_of(), fitted()
    with pytest.raises(ValueError, match=r"target must be one of \['sample', 'population'\]"):
        results.average_partial_effects("rows")
    with pytest.raises(ValueError, match="which must be one of"):
        results.contrast(X[:1], X[:1], which="median")
    with pytest.raises(ValueError, match="X1 and X2 must have as many rows"):
        results.contrast(X[:1], X[:2])
    with pytest.raises(ValueError, match="dummy=True is for which='mean'"):
        results.average_partial_effects(which="linear", dummy=True)
    with pytest.raises(ValueError, match="which must be 'mean' or 'linear'"):
        results.get_prediction(X[:1]).conf_int(which="eta")
    sparse = DeepGLMRegressor("poisson", hidden_layer_sizes=(2,), l1_ratio=1.0).fit(X, y)
    with pytest.raises(
        ValueError, match=r"inference\(\) needs an objective with second derivatives"
    ):
        sparse.inference(X, y)
    labels = np.column_stack([y > 1, y > 2]).astype(int)
    model = DeepGLMClassifier(hidden_layer_sizes=(2,)).fit(X, labels)
    with pytest.raises(ValueError, match="takes one output"):
        model.inference(X, labels)


# ------------------------------------------------------------------ coverage


def test_intervals_cover():
    """A small version of ``python -m benchmarks coverage``: 200 points, errors not independent."""
    cell = coverage.Cell("Normal, n = 500", "normal", 500)
    population = coverage.population_effects(cell)
    found = coverage.summarise(cell, [coverage.replicate(cell, population, i) for i in range(10)])
    assert 0.88 <= found["mean"] <= 0.99
    assert found["sample"] >= 0.8
    assert found["flagged"] <= 0.1
    assert "Normal, n = 500" in coverage.table({"rows": [found]})


def test_the_study_is_a_benchmark_with_options_of_its_own(capsys):
    command.main(["coverage", "--quick", "--only", "plain fit"])
    printed = capsys.readouterr().out
    assert "| 3 units by plain fit(), Poisson, n = 2,000 |" in printed
    assert "| 100.0 | - |" in printed  # every one flagged
