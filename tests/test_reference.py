"""The certified answers of ``../shared/reference``: each case at its stated tolerance.

NIST's linear regressions count in digits (LRE), the separated Poisson data sets in the
limit of the fit and in what the warning says, the classical binomial ones in standard
errors. The certified standard errors close the file.
"""

import json
import warnings
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

from glmnet_nn import DeepGLMRegressor, InferenceWarning, RankWarning, SeparationWarning

REFERENCE = Path(__file__).resolve().parent.parent.parent / "shared" / "reference"
CASES = {path.stem: path for path in sorted(REFERENCE.glob("cases/*.json"))}

pytestmark = pytest.mark.skipif(not CASES, reason="the reference cases are not here")

CDF = {
    "logit": special.expit,
    "probit": stats.norm.cdf,
    "cloglog": lambda eta: -np.expm1(-np.exp(eta)),
}


@dataclass
class Fitted:
    """A case and its fit. ``coef`` has the names of the case, the constant among them."""

    case: dict[str, Any]
    X: pd.DataFrame
    y: np.ndarray
    model: DeepGLMRegressor
    issued: list[warnings.WarningMessage]
    coef: dict[str, float]
    estimable: dict[str, bool]

    @property
    def expected(self) -> dict[str, Any]:
        return self.case["expected"]

    @property
    def tolerance(self) -> dict[str, Any]:
        return self.case["tolerance"]


@cache
def fitted(name: str) -> Fitted:
    """Fit one case with the defaults of depth zero, in the columns as they come."""
    case = json.loads(CASES[name].read_text())
    data = pd.read_csv(REFERENCE / case["data"])
    y = data["y"].to_numpy(float)
    known = {"sample_weight": data.get("weight"), "offset": data.get("offset")}
    if "trials" in data:
        y, known["sample_weight"] = y / data["trials"].to_numpy(float), data["trials"]
    X = _design(case, data)
    model = DeepGLMRegressor(
        case["family"],
        link=case["link"],
        hidden_layer_sizes=(),
        fit_intercept=case["intercept"],
    )
    with warnings.catch_warnings(record=True) as issued:
        warnings.simplefilter("always")
        model.fit(X, y, **known)
    names = [*X.columns, "const"]
    coef = dict(zip(names, [*model.coef_, model.intercept_], strict=True))
    estimable = dict(zip(names, model.estimable_coef_[0].tolist(), strict=True))
    if not case["intercept"]:
        del coef["const"], estimable["const"]
    return Fitted(case, X, y, model, issued, coef, estimable)


def _design(case, data):
    if "design" not in case:
        return data[case["features"]]
    terms = [term for term in case["design"] if term.get("column")]
    return pd.DataFrame(
        {term["name"]: data[term["column"]].astype(float) ** term["power"] for term in terms}
    )


def lre(estimate, certified):
    """The digits that agree: -log10 of the relative error, at most 15."""
    size = abs(certified) or 1.0
    error = abs(estimate - certified) / size
    return 15.0 if error == 0 else min(15.0, -np.log10(error))


def digits(fit):
    """The fewest digits of any coefficient of a NIST case."""
    certified = fit.expected["coef_certified_here"]
    assert certified.keys() == fit.coef.keys()
    return min(lre(fit.coef[name], certified[name]) for name in certified)


def group(prefix):
    return pytest.mark.parametrize("name", [name for name in CASES if name.startswith(prefix)])


# ------------------------------------------------------------------ all


def test_there_are_38_cases():
    assert len(CASES) == 38


@group("")
def test_only_the_warnings_that_the_data_call_for(name):
    fit = fitted(name)
    separated = fit.expected.get("n_separated", 0) > 0
    dependent = fit.expected.get("rank_full", fit.case["p"]) < fit.case["p"]
    called_for = [RankWarning] * dependent + [SeparationWarning] * separated
    assert [warning.category for warning in fit.issued] == called_for
    assert fit.model.converged_


@group("")
def test_nothing_is_nan(name):
    fit = fitted(name)
    model = fit.model
    for values in ([*fit.coef.values()], model.predict(fit.X), model.deviance_, model.dispersion_):
        assert np.all(np.isfinite(values))


# ----------------------------------------------------------------- NIST


@group("nist_")
def test_nist_digits(name):
    fit = fitted(name)
    assert digits(fit) >= fit.tolerance["lre_required"]


@group("nist_")
def test_nist_residuals(name):
    fit, expected = fitted(name), fitted(name).expected
    size = float(np.square(fit.y).sum())
    # Filip's powers, rounded to doubles, are another design already in the eighth digit.
    rel = 1e-7 if name == "nist_filip" else 1e-11
    assert fit.model.deviance_ == pytest.approx(expected["deviance"], rel=rel, abs=1e-20 * size)
    spread = fit.model.dispersion_**0.5
    tiny = 1e-10 * size**0.5
    assert spread == pytest.approx(expected["residual_standard_deviation"], rel=rel, abs=tiny)
    total = np.square(fit.y - fit.y.mean() * fit.case["intercept"]).sum()
    assert 1 - fit.model.deviance_ / total == pytest.approx(expected["r_squared"], abs=1e-10)


def test_nist_in_all():
    """The digits of every case, printed under ``-s``."""
    cases = [name for name in CASES if name.startswith("nist_")]
    rows = [(name, digits(fitted(name)), fitted(name).tolerance) for name in cases]
    for name, found, tolerance in rows:
        print(f"{name:16s} LRE {found:5.1f}   required {tolerance['lre_required']}")
    assert len(rows) == 11
    assert min(found - tolerance["lre_required"] for _, found, tolerance in rows) >= 0


# ----------------------------------------------------------- separation


@group("sep_")
def test_separated_rows(name):
    fit = fitted(name)
    assert fit.model.separated_rows_.tolist() == fit.expected["separated_rows"]


@group("sep_")
def test_separation_limit(name):
    fit, expected = fitted(name), fitted(name).expected
    assert np.abs(fit.model.predict(fit.X) - expected["limit_fitted_mean"]).max() <= 1e-6
    assert abs(fit.model.deviance_ - expected["limit_deviance"]) <= 1e-6


@group("sep_")
def test_coefficients_that_stay_finite(name):
    fit, expected = fitted(name), fitted(name).expected
    finite, se = expected["finite_identified_coef"] or {}, expected["finite_identified_se"] or {}
    assert {column for column, known in fit.estimable.items() if known} == finite.keys()
    for column, certified in finite.items():
        assert abs(fit.coef[column] - certified) <= 1e-6 * se[column]  # required: 1e-4


@group("sep_")
def test_warning_names_what_separates(name):
    fit = fitted(name)
    message = next((str(w.message) for w in fit.issued if w.category is SeparationWarning), None)
    if message is None:
        return
    assert f"{fit.expected['n_separated']} rows" in message
    moving = [column for column, by in fit.expected["recession_direction"].items() if by]
    named = [column for column in moving if repr(column) in message]
    assert named
    shown = message.split("the coefficients of ")[1].split(" have no finite")[0]
    finite = fit.expected["finite_identified_coef"] or {}
    assert not [column for column in finite if repr(column) in shown.split(", ")]


# ------------------------------------------------------------ classical


@group("ucla_")
def test_classical_coefficients(name):
    fit, expected, tolerance = fitted(name), fitted(name).expected, fitted(name).tolerance
    for column, certified in expected["coef"].items():
        assert abs(fit.coef[column] - certified) <= tolerance["coef_vs_se"] * expected["se"][column]
        assert fit.coef[column] == pytest.approx(certified, rel=tolerance["coef_rel_stretch"])
    assert all(fit.estimable.values())


@group("ucla_")
def test_classical_deviance_and_likelihood(name):
    fit, expected, tolerance = fitted(name), fitted(name).expected, fitted(name).tolerance
    rel = tolerance["deviance_rel"]
    assert fit.model.deviance_ == pytest.approx(expected["deviance"], rel=rel)
    assert fit.model.null_deviance_ == pytest.approx(expected["null_deviance"], rel=rel)
    mu = fit.model.predict(fit.X)
    likelihood = fit.model.family_.log_likelihood(fit.y, mu).sum()
    assert likelihood == pytest.approx(expected["loglik"], rel=tolerance["loglik_rel"])
    assert fit.model.dispersion_ == 1.0


@group("ucla_")
def test_classical_fitted_means(name):
    fit, expected, tolerance = fitted(name), fitted(name).expected, fitted(name).tolerance
    eta, mu = fit.model.linear_predictor(fit.X), fit.model.predict(fit.X)
    np.testing.assert_allclose(mu, CDF[fit.case["link"]](eta), rtol=1e-13)
    rel = tolerance["fitted_rel"]
    np.testing.assert_allclose(mu[:5], expected["fitted_mean_first5"], rtol=rel)
    np.testing.assert_allclose(eta[:5], expected["linear_predictor_first5"], rtol=rel)
    assert mu.sum() == pytest.approx(expected["fitted_mean_sum"], rel=rel)


# ------------------------------------------------------------ standard errors


def standard_errors(name):
    fit = fitted(name)
    bse = fit.model.inference(fit.X, fit.y).bse
    return {"const" if label == "Intercept" else label: se for label, se in bse.items()}


@group("nist_")
def test_nist_standard_errors(name):
    expected = fitted(name).expected
    exact = not any(expected["se"].values())
    with pytest.warns(InferenceWarning, match="y exactly") if exact else nullcontext():
        found = standard_errors(name)
    digits = 7 if name == "nist_filip" else 10  # the digits of its float64 design
    for column, certified in expected["se"].items():
        if certified == 0:  # an exact fit: what is left is the rounding of y
            assert found[column] < 1e-8 * abs(expected["coef"][column])
        else:
            assert found[column] == pytest.approx(certified, rel=10.0**-digits)


@group("sep_")
def test_separated_standard_errors(name):
    """Those of the limit where it determines a coefficient, NaN where it does not."""
    found, certified = standard_errors(name), fitted(name).expected["finite_identified_se"] or {}
    assert {column for column, se in found.items() if not np.isnan(se)} == set(certified)
    for column, se in certified.items():
        assert found[column] == pytest.approx(se, rel=1e-9)


@group("ucla_")
def test_classical_standard_errors_and_criteria(name):
    fit, expected = fitted(name), fitted(name).expected
    found = standard_errors(name)
    for column, certified in expected["se"].items():
        assert found[column] == pytest.approx(certified, rel=fit.tolerance["se_rel_stretch"])
    results = fit.model.inference(fit.X, fit.y)
    assert results.aic == pytest.approx(expected["aic"], rel=1e-12)
    assert results.pearson_chi2 == pytest.approx(expected["pearson_chi2"], rel=1e-9)
    assert results.df_resid == expected["df_resid"]
