"""What results show when a session asks for them without a print: tables, never arrays."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import glmnet_nn
from glmnet_nn import (
    DeepGLMClassifier,
    DeepGLMRegressor,
    DoubleGLMRegressor,
    InferenceWarning,
    elastic_net_path,
)
from glmnet_nn.inference.summary import Summary

N = 300
RNG = np.random.default_rng(0)
X = pd.DataFrame(RNG.normal(size=(N, 2)), columns=["a", "b"])
Y = pd.Series(RNG.poisson(np.exp(0.5 + X["a"])))
GLM = DeepGLMRegressor("poisson", hidden_layer_sizes=())


@pytest.fixture(scope="module")
def results() -> dict[str, object]:
    glm = GLM.fit(X, Y).inference(X, Y)
    net = DeepGLMRegressor(
        "poisson", hidden_layer_sizes=(1,), activation="softplus", random_state=0
    )
    double = DoubleGLMRegressor(DeepGLMRegressor(hidden_layer_sizes=())).fit(X, Y).inference(X, Y)
    labels = DeepGLMClassifier(hidden_layer_sizes=()).fit(X, np.minimum(Y, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InferenceWarning)  # one unit too many, whoever asks first
        network = net.fit_for_inference(X, Y).inference(X, Y)
    return {
        "glm": glm,
        "network": network,
        "double": double,
        "part": double.mean,
        "margins": glm.get_margeff(),
        "t": glm.t_test("a = b"),
        "wald": glm.wald_test("a = 0"),
        "influence": glm.get_influence(),
        "effect": glm.partial_effect(X, "a"),
        "local": glm.local_coef(X),
        "forecast": GLM.forecast(X, inference=glm),
        "classes": labels.forecast(X, inference=labels.inference(X, np.minimum(Y, 2))),
        "prediction": network.get_prediction(X),
        "difference": network.contrast(X, X[::-1]),
        "average": network.average_partial_effects(),
        "path": elastic_net_path(X, Y, family="poisson", n_alphas=3),
    }


@pytest.mark.filterwarnings("ignore::glmnet_nn.InferenceWarning")
def test_a_result_shows_a_page_at_most(results: dict[str, object]) -> None:
    for name, result in results.items():
        for text in (repr(result), str(result)):
            assert "array(" not in text, name
            assert " object at " not in text, name
            assert len(text.splitlines()) <= 45, name
            assert len(text) < 3000, name


@pytest.mark.filterwarnings("ignore::glmnet_nn.InferenceWarning")
def test_notebooks_show_the_summary(results: dict[str, object]) -> None:
    for name in ("glm", "network", "double"):
        assert results[name]._repr_html_() == results[name].summary().as_html()
        assert str(results[name]) == results[name].summary().as_text()
        assert results[name].title in repr(results[name])
    assert "<table" in results["local"]._repr_html_()


def test_long_tables_are_cut_as_pandas_cuts_them(results: dict[str, object]) -> None:
    with pd.option_context("display.max_rows", 20, "display.min_rows", 4):
        text = str(results["forecast"])
        assert results["forecast"]._repr_html_().count("<tr") == 1 + 5
    assert "[300 rows x 6 columns]" in text
    assert len(text.splitlines()) == 1 + 5 + 2
    with pd.option_context("display.max_rows", None):
        assert len(str(results["forecast"]).splitlines()) == 1 + N


def test_small_pvalues_are_said_to_be_small() -> None:
    table = pd.DataFrame({"coef": [1.0, 2.0, 3.0], "P>|z|": [1e-30, 0.00006, np.nan]})
    summary = Summary("GLM", [], [("", table)], [])
    assert [line.split()[-1] for line in str(summary).splitlines()[-3:]] == [
        "<0.0001",
        "0.0001",
        "nan",
    ]
    assert "<td>&lt;0.0001</td>" in summary.as_html()
    assert r"\textless{}0.0001" in summary.as_latex()


def test_completion_offers_what_is_public(results: dict[str, object]) -> None:
    public = {name for name in dir(glmnet_nn) if not name.startswith("_")}
    assert public == {*glmnet_nn.__all__, "elastic_net", "nesting", "validation"}
    offered = set(dir(results["glm"]))
    assert {"params", "bse", "wald_test", "summary", "nobs", "scale"} <= offered
    assert not offered & {"fitted", "door", "population", "V", "free", "inputs"}


def test_packages_are_there_without_an_import() -> None:
    assert glmnet_nn.__getattr__("validation") is glmnet_nn.validation
    with pytest.raises(AttributeError, match="no attribute 'validations'"):
        glmnet_nn.__getattr__("validations")
