"""Gamma, inverse Gaussian, Tweedie and negative binomial GLMs on real data: statsmodels' numbers.

As in test_glm_statsmodels, the judge of the coefficients is the optimum: one scoring step
from them, with the formulas of each law and link written out in extended precision.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
import statsmodels.api as sm
from statsmodels.tools.sm_exceptions import ConvergenceWarning, DomainWarning
from test_glm_statsmodels import DATA, _step

import families
from glmnet_nn import DeepGLMRegressor

TOLERANCE = 1e-8  # standard errors
NUMBERS = ["deviance", "null_deviance", "pearson_chi2", "scale", "llf", "aic"]

_links = sm.families.links
LINKS = {
    "log": _links.Log,
    "inverse": _links.InversePower,
    "inverse_squared": _links.InverseSquared,
}


@dataclass(frozen=True)
class Law:
    """A law in both packages, and its V."""

    ours: families.ExponentialFamily
    theirs: type
    facts: dict
    variance: object


def laws():
    """Every law, its canonical link and the log link, and the data to fit."""
    gamma = Law(families.Gamma(), sm.families.Gamma, {}, lambda mu: mu**2)
    wald = Law(families.InverseGaussian(), sm.families.InverseGaussian, {}, lambda mu: mu**3)
    tweedie = Law(
        families.Tweedie(power=1.5),
        sm.families.Tweedie,
        {"var_power": 1.5, "eql": False},
        lambda mu: mu**1.5,
    )
    counts = Law(
        families.NegativeBinomial(alpha=0.7),
        sm.families.NegativeBinomial,
        {"alpha": 0.7},
        lambda mu: mu + np.longdouble(0.7) * mu**2,
    )
    return {
        **{f"gamma-log-{name}": gamma for name in ("scotland", "engel", "ccard", "stackloss")},
        **{f"gamma-inverse-{name}": gamma for name in ("scotland", "stackloss", "nile")},
        **{f"inverse_gaussian-log-{name}": wald for name in ("scotland", "engel", "nile")},
        **{f"inverse_gaussian-inverse_squared-{name}": wald for name in ("scotland", "nile")},
        **{f"tweedie-log-{name}": tweedie for name in ("fair_rate", "statecrime", "cpunish")},
        **{f"negative_binomial-log-{name}": counts for name in ("randhie", "cpunish", "strikes")},
    }


LAWS = laws()
models = pytest.mark.parametrize("model", LAWS)


def mean_and_slope(link, eta):
    """mu and d mu / d eta."""
    if link == "log":
        return np.exp(eta), np.exp(eta)
    if link == "inverse":
        return 1 / eta, -1 / eta**2
    return 1 / np.sqrt(eta), -1 / (2 * eta * np.sqrt(eta))


def distance(data, link, law, coef, intercept):
    """One scoring step from the coefficients to the optimum, in standard errors, and those."""
    X = data.X.to_numpy(np.longdouble)
    mu, slope = mean_and_slope(link, X @ coef.astype(np.longdouble) + np.longdouble(intercept))
    V = law.variance(mu)
    phi = 1.0
    if law.ours.has_dispersion:
        phi = float(((data.y - mu) ** 2 / V).sum() / (len(X) - X.shape[1] - 1))
    root = np.abs(slope / np.sqrt(V)).astype(float)[:, None]
    return _step(X, root, ((data.y - mu) * slope / V)[:, None], phi)


@cache
def fitted(model):
    """Data, the link, our estimator, and statsmodels' results."""
    _, link, name = model.split("-")
    data, law = DATA[name](), LAWS[model]
    family = families.get_family(law.ours, link=link)
    glm = DeepGLMRegressor(family, hidden_layer_sizes=()).fit(data.X, data.y)
    design = np.column_stack([np.ones(len(data.X)), data.X])
    with warnings.catch_warnings():
        # It iterates until nothing moves in the last digit, and may say that this never came;
        # of links with eta > 0 it warns that they do not keep eta > 0.
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", DomainWarning)
        theirs = sm.GLM(data.y, design, law.theirs(link=LINKS[link](), **law.facts))
        results = theirs.fit(tol=1e-14, tol_criterion="params", maxiter=300)
    return data, link, glm, results


@models
def test_coefficients_are_the_optimum_and_those_of_statsmodels(model):
    data, link, glm, theirs = fitted(model)
    law = LAWS[model]
    assert glm.converged_
    apart, errors = distance(data, link, law, glm.coef_, glm.intercept_)
    assert apart.max() <= TOLERANCE
    their_apart, _ = distance(data, link, law, theirs.params[1:], theirs.params[0])
    ours = np.r_[glm.coef_, glm.intercept_]
    allowed = 2 * TOLERANCE + 2 * their_apart.max()
    assert np.all(np.abs(ours - np.roll(theirs.params, -1)) <= allowed * errors)
    assert their_apart.max() < 1e-4  # it has found the same optimum
    np.testing.assert_allclose(glm.inference(data.X, data.y).bse, np.roll(errors, 1), rtol=1e-8)


@models
def test_inference_is_that_of_statsmodels(model):
    data, _, glm, theirs = fitted(model)
    ours = glm.inference(data.X, data.y)
    np.testing.assert_allclose(ours.bse, theirs.bse, rtol=1e-8)
    for name in NUMBERS:
        assert getattr(ours, name) == pytest.approx(getattr(theirs, name), rel=1e-8), name
    assert ours.llnull == pytest.approx(theirs.llnull, rel=1e-8)
    assert glm.dispersion_ == pytest.approx(theirs.scale, rel=1e-8)


def test_scotland_is_the_example_of_statsmodels_documentation():
    """Gamma with its canonical link: the coefficients as printed there."""
    data = DATA["scotland"]()
    glm = DeepGLMRegressor("gamma", hidden_layer_sizes=()).fit(data.X, data.y)
    printed = [4.962e-05, 0.0020, -7.181e-05, 0.0001, -1.468e-07, -0.0005, -2.427e-06]
    digits = [5e-9, 5e-5, 5e-9, 5e-5, 5e-11, 5e-5, 5e-10]
    assert np.all(np.abs(glm.coef_ - printed) <= digits)
    assert glm.intercept_ == pytest.approx(-0.0178, abs=5e-5)


def test_the_log_likelihood_of_a_normal_law_with_log_link_is_at_the_pearson_scale():
    """As in statsmodels, which profiles phi out for least squares alone."""
    data = DATA["engel"]()
    glm = DeepGLMRegressor("normal", link="log", hidden_layer_sizes=()).fit(data.X, data.y)
    ours = glm.inference(data.X, data.y)
    law = sm.families.Gaussian(LINKS["log"]())
    theirs = sm.GLM(data.y, sm.add_constant(data.X), law)
    theirs = theirs.fit(tol=1e-14, tol_criterion="params", maxiter=300)
    assert ours.llf == pytest.approx(theirs.llf, rel=1e-10)
    assert ours.llnull == pytest.approx(theirs.llnull, rel=1e-10)
