"""Without hidden layers this is the classical GLM: real data, raw columns, against statsmodels.

statsmodels stops by a rule of its own, so the judge of the coefficients is the optimum
itself: one scoring step from the reported coefficients, its score summed in extended
precision, is their distance to the optimum, here in standard errors. That distance is
held to 1e-8, for us; statsmodels may differ from us by as much as *its* distance.

``python tests/test_glm_statsmodels.py`` prints the worst distance of each family.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from functools import cache

import mpmath
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import linalg, special
from statsmodels.tools.sm_exceptions import ConvergenceWarning, DomainWarning

from glmnet_nn import DeepGLMClassifier, DeepGLMRegressor

TOLERANCE = 1e-8  # standard errors
FAMILIES = {
    "normal": sm.families.Gaussian,
    "bernoulli": sm.families.Binomial,
    "poisson": sm.families.Poisson,
}
LINKS = {
    "identity": sm.families.links.Identity,
    "log": sm.families.links.Log,
    "logit": sm.families.links.Logit,
    "probit": sm.families.links.Probit,
    "cloglog": sm.families.links.CLogLog,
}


@dataclass
class Data:
    """A regression as it is published: columns as they come."""

    y: np.ndarray
    X: pd.DataFrame
    trials: np.ndarray | None = None
    offset: np.ndarray | None = None
    classes: np.ndarray | None = field(default=None)


# ----------------------------------------------------------------- the data


def _table(name):
    return getattr(sm.datasets, name).load_pandas().data


def _regression(name, response, columns=None):
    table = _table(name)
    columns = columns or [column for column in table if column != response]
    return Data(table[response].to_numpy(float), table[columns].astype(float))


def _star98():
    table = _table("star98")
    counts = table[["NABOVE", "NBELOW"]].to_numpy(float)
    trials = counts.sum(axis=1)
    return Data(counts[:, 0] / trials, table.drop(columns=["NABOVE", "NBELOW"]), trials)


def _star98_short():
    data = _star98()
    return Data(data.y, data.X[["LOWINC", "PERASIAN", "PERBLACK", "PERHISP"]], data.trials)


def _grunfeld():
    table = _table("grunfeld")
    firms = pd.get_dummies(table["firm"], drop_first=True, dtype=float)
    return Data(table["invest"].to_numpy(), table[["value", "capital", "year"]].join(firms))


def _fair(affair):
    table = _table("fair")
    return Data(affair(table["affairs"].to_numpy()), table.drop(columns="affairs"))


def _anes():
    columns = ["logpopul", "selfLR", "age", "educ", "income"]
    table = _table("anes96")
    return Data(table["PID"].to_numpy(float), table[columns])


def _modes():
    table = _table("modechoice")
    chosen = table[table["choice"] == 1]
    return Data(chosen["mode"].to_numpy(), chosen[["hinc", "psize"]])


def _cancer():
    """Deaths by county: a mean proportional to the population, up to a constant."""
    return _regression("cancer", "cancer")


def _cancer_rate():
    table = _table("cancer")
    deaths, people = table["cancer"].to_numpy(), table["population"].to_numpy()
    return Data(deaths, np.log(table[["population"]]), offset=np.log(people))


def _smoking():
    """Eight cities, lung cancer among smokers and others: one row a cell."""
    table = sm.datasets.china_smoking.load_pandas().data
    rows = []
    for city, (_, row) in enumerate(table.iterrows()):
        for smokes in ("yes", "no"):
            yes = row[f"smoking_{smokes}_cancer_yes"]
            rows.append((yes, yes + row[f"smoking_{smokes}_cancer_no"], smokes == "yes", city))
    cells = pd.DataFrame(rows, columns=["yes", "trials", "smokes", "city"]).astype(float)
    cities = pd.get_dummies(cells["city"], prefix="city", drop_first=True, dtype=float)
    trials = cells["trials"].to_numpy()
    return Data(cells["yes"].to_numpy() / trials, cells[["smokes"]].join(cities), trials)


DATA = {
    "randhie": lambda: _regression("randhie", "mdvis"),
    "star98": _star98,
    "star98_short": _star98_short,
    "cpunish": lambda: _regression("cpunish", "EXECUTIONS"),
    "scotland": lambda: _regression("scotland", "YES"),
    "longley": lambda: _regression("longley", "TOTEMP"),
    "stackloss": lambda: _regression("stackloss", "STACKLOSS"),
    "engel": lambda: _regression("engel", "foodexp"),
    "grunfeld": _grunfeld,
    "ccard": lambda: _regression("ccard", "AVGEXP"),
    "copper": lambda: _regression("copper", "WORLDCONSUMPTION"),
    "statecrime": lambda: _regression(
        "statecrime", "murder", ["urban", "poverty", "hs_grad", "single"]
    ),
    "heart": lambda: _regression("heart", "survival"),
    "nile": lambda: _regression("nile", "volume"),
    "strikes": lambda: _regression("strikes", "duration"),
    "committee": lambda: _regression("committee", "BILLS104"),
    "sunspots": lambda: _regression("sunspots", "SUNACTIVITY"),
    "cancer": _cancer,
    "cancer_rate": _cancer_rate,
    "fair_any": lambda: _fair(lambda affairs: (affairs > 0).astype(float)),
    "fair_rate": lambda: _fair(lambda affairs: affairs),
    "spector": lambda: _regression("spector", "GRADE"),
    "heart_censored": lambda: _regression("heart", "censors"),
    "smoking": _smoking,
    "anes96": _anes,
    "modechoice": _modes,
    "fair_marriage": lambda: _regression("fair", "rate_marriage"),
}

NORMAL = ["longley", "scotland", "stackloss", "engel", "grunfeld", "ccard", "copper"]
NORMAL += ["statecrime", "heart", "nile", "strikes", "randhie", "sunspots"]
POISSON = ["randhie", "cpunish", "fair_rate", "committee", "cancer", "cancer_rate"]
POISSON += ["sunspots", "strikes", "stackloss", "statecrime"]
BERNOULLI = ["star98", "star98_short", "fair_any", "spector", "heart_censored", "smoking"]

SCALAR = [
    *[(name, "normal", "identity") for name in NORMAL],
    *[(name, "normal", "log") for name in ("engel", "nile", "stackloss", "scotland", "copper")],
    *[(name, "poisson", "log") for name in POISSON],
    *[(name, "poisson", "identity") for name in ("cancer", "strikes", "sunspots")],
    *[(name, "bernoulli", link) for name in BERNOULLI for link in ("logit", "probit", "cloglog")],
    ("star98_short", "bernoulli", "identity"),
    ("smoking", "bernoulli", "log"),
]
VECTOR = ["anes96", "modechoice", "fair_marriage"]

scalar_models = pytest.mark.parametrize(
    ("name", "family", "link"), SCALAR, ids=["-".join(model) for model in SCALAR]
)


# --------------------------------------------- the distance to the optimum


def mean_and_slope(link, eta):
    """mu, 1 - mu and d mu / d eta in extended precision."""
    if link == "probit":  # numpy has no extended normal distribution function
        with mpmath.workdps(40):
            points = [mpmath.mpf(str(e)) for e in eta]
            triples = [(mpmath.ncdf(e), mpmath.ncdf(-e), mpmath.npdf(e)) for e in points]
            return tuple(np.array([np.longdouble(mpmath.nstr(v, 25)) for v in column])
                         for column in zip(*triples, strict=True))  # fmt: skip
    if link == "identity":
        return eta, 1 - eta, np.ones_like(eta)
    if link == "log":
        return np.exp(eta), -np.expm1(eta), np.exp(eta)
    if link == "logit":
        mu, rest = 1 / (1 + np.exp(-eta)), 1 / (1 + np.exp(eta))
        return mu, rest, mu * rest
    return -np.expm1(-np.exp(eta)), np.exp(-np.exp(eta)), np.exp(eta - np.exp(eta))


def distance(data, family, link, coef, intercept):
    """One scoring step from the coefficients to the optimum, in standard errors, and those.

    Columns are centred and scaled, in extended precision, to tell it apart from rounding;
    the step is then that of the coefficients of the raw columns.
    """
    X = data.X.to_numpy(np.longdouble)
    eta = X @ coef.astype(np.longdouble) + np.longdouble(intercept)
    if data.offset is not None:
        eta = eta + data.offset
    mu, rest, slope = mean_and_slope(link, eta)
    variance = {"normal": np.ones_like(mu), "poisson": mu, "bernoulli": mu * rest}[family]
    weight = np.ones(len(X)) if data.trials is None else data.trials
    score = weight * (data.y - mu) * slope / variance
    fisher = (weight * slope**2 / variance).astype(float)
    total = (weight * (data.y - mu) ** 2 / variance).sum()
    phi = float(total / (len(X) - X.shape[1] - 1)) if family == "normal" else 1.0
    return _step(X, np.sqrt(fisher)[:, None], score[:, None], phi)


def _step(X, root, score, phi):
    """(I^-1 s) / sqrt(phi diag I^-1), and the standard errors: one output; raw columns."""
    center = X.mean(axis=0)
    scale = np.sqrt(((X - center) ** 2).mean(axis=0))
    Z = np.column_stack([(X - center) / scale, np.ones(len(X))])
    R = linalg.qr(root * Z.astype(float), mode="r")[0][: Z.shape[1]]
    gradient = (Z.T @ score)[:, 0].astype(float)
    step = linalg.solve_triangular(R, linalg.solve_triangular(R, gradient, trans="T"))
    raw = np.diag(np.r_[1 / scale, 1].astype(float))  # from standardised to raw columns
    raw[-1, :-1] = -(center / scale).astype(float)
    errors = np.sqrt(phi) * np.linalg.norm(raw @ linalg.inv(R), axis=1)
    return np.abs(raw @ step) / errors, errors


# ------------------------------------------------------- one output: statsmodels


@cache
def fitted(name, family, link):
    data = DATA[name]()
    model = DeepGLMRegressor(family, link=link, hidden_layer_sizes=())
    model.fit(data.X, data.y, sample_weight=data.trials, offset=data.offset)
    apart, errors = distance(data, family, link, model.coef_, model.intercept_)
    return data, model, apart, errors


def statsmodels_fit(data, family, link, start):
    counts = data.y
    if data.trials is not None:
        yes = np.round(data.y * data.trials)
        counts = np.column_stack([yes, data.trials - yes])
    design = np.column_stack([data.X, np.ones(len(data.X))])
    law = FAMILIES[family](LINKS[link]())
    # From its own start it leaves the domain of means of such links: it starts at our fit.
    leaves = (family, link) in {("poisson", "identity"), ("bernoulli", "identity")}
    with warnings.catch_warnings():
        # It iterates until nothing moves in the last digit, and may say that this never came.
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", DomainWarning)
        model = sm.GLM(counts, design, law, offset=data.offset)
        start = start if leaves else None
        return model.fit(start_params=start, tol=1e-14, tol_criterion="params", maxiter=300)


@scalar_models
def test_coefficients_are_the_optimum(name, family, link):
    _, model, apart, _ = fitted(name, family, link)
    assert model.converged_
    assert apart.max() <= TOLERANCE


@scalar_models
def test_statsmodels_agrees(name, family, link):
    data, model, _, errors = fitted(name, family, link)
    ours = np.r_[model.coef_, model.intercept_]
    theirs = statsmodels_fit(data, family, link, ours)
    apart, _ = distance(data, family, link, theirs.params[:-1], theirs.params[-1])
    assert np.all(np.abs(ours - theirs.params) <= (2 * TOLERANCE + 2 * apart.max()) * errors)
    assert model.deviance_ == pytest.approx(theirs.deviance, rel=1e-9)
    assert model.null_deviance_ == pytest.approx(theirs.null_deviance, rel=1e-9)
    mu = model.predict(data.X, offset=data.offset)
    np.testing.assert_allclose(mu, theirs.fittedvalues, rtol=1e-9 + 1e2 * apart.max())
    if family == "normal":
        assert model.dispersion_ == pytest.approx(theirs.scale, rel=1e-9)
    else:
        assert model.dispersion_ == 1.0


@scalar_models
def test_log_likelihood(name, family, link):
    data, model, _, _ = fitted(name, family, link)
    theirs = statsmodels_fit(data, family, link, np.r_[model.coef_, model.intercept_])
    weight = np.ones(len(data.y)) if data.trials is None else data.trials
    phi = model.deviance_ / weight.sum() if family == "normal" else 1.0
    mu = model.predict(data.X, offset=data.offset)
    ours = weight @ model.family_.log_likelihood(data.y, mu, phi)
    if data.trials is not None:  # rows of trials: so many orders of the same outcome
        yes = np.round(data.y * data.trials)
        ways = special.gammaln(data.trials + 1)
        ours += (ways - special.gammaln(yes + 1) - special.gammaln(data.trials - yes + 1)).sum()
    assert ours == pytest.approx(theirs.llf_scaled(scale=phi), rel=1e-9)
    if link == "identity" or family != "normal":
        assert ours == pytest.approx(theirs.llf, rel=1e-9)


def test_a_scoring_step_that_is_four_times_too_long():
    """One mean near 1 under the log link: the curvature is 4 times its expectation there.

    Half a step then barely lowers the deviance, and steps that do no more than lower it
    zigzag for ever. (statsmodels stops 13 standard errors away, without convergence.)
    """
    _, model, apart, _ = fitted("star98_short", "bernoulli", "log")
    assert model.converged_
    assert apart.max() <= TOLERANCE


# -------------------------------------------------------- Multinoulli: MNLogit


@cache
def fitted_classes(name):
    data = DATA[name]()
    model = DeepGLMClassifier(hidden_layer_sizes=()).fit(data.X, data.y)
    coef = np.column_stack([model.coef_, model.intercept_])
    apart, errors = distance_of_classes(data, model.classes_, coef[1:] - coef[0])
    return data, model, apart, errors


def distance_of_classes(data, classes, coef):
    """As `distance`, for coefficients (K - 1, p + 1) against the first class."""
    X = data.X.to_numpy(np.longdouble)
    center = X.mean(axis=0)
    scale = np.sqrt(((X - center) ** 2).mean(axis=0))
    Z = np.column_stack([(X - center) / scale, np.ones(len(X))])
    eta = np.column_stack([X, np.ones(len(X))]) @ coef.T.astype(np.longdouble)
    total = 1 + np.exp(eta).sum(axis=1, keepdims=True)
    mu = np.exp(eta) / total
    y = (data.y[:, None] == classes[1:]).astype(float)
    gradient = (Z.T @ (y - mu)).T.ravel().astype(float)
    m, S = len(classes) - 1, mu.astype(float)
    information = np.zeros((m * Z.shape[1],) * 2)
    z = Z.astype(float)
    for a in range(m):
        for b in range(m):
            block = z.T @ (z * (S[:, a] * ((a == b) - S[:, b]))[:, None])
            information[
                a * z.shape[1] : (a + 1) * z.shape[1], b * z.shape[1] : (b + 1) * z.shape[1]
            ] = block
    raw = np.diag(np.r_[1 / scale, 1].astype(float))
    raw[-1, :-1] = -(center / scale).astype(float)
    whole = np.kron(np.eye(m), raw)
    covariance = whole @ linalg.inv(information) @ whole.T
    errors = np.sqrt(np.diagonal(covariance))
    step = whole @ linalg.solve(information, gradient, assume_a="pos")
    return np.abs(step / errors).reshape(m, -1), errors.reshape(m, -1)


@pytest.mark.parametrize("name", VECTOR)
def test_multinoulli_is_mnlogit(name):
    data, model, apart, errors = fitted_classes(name)
    assert apart.max() <= TOLERANCE
    design = np.column_stack([data.X, np.ones(len(data.X))])
    codes = np.searchsorted(model.classes_, data.y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # tol=1e-14 may never come
        theirs = sm.MNLogit(codes, design).fit(method="newton", tol=1e-14, maxiter=100, disp=0)
    coef = np.column_stack([model.coef_, model.intercept_])
    difference = np.abs(coef[1:] - coef[0] - theirs.params.T) / errors
    their_apart, _ = distance_of_classes(data, model.classes_, theirs.params.T)
    assert difference.max() <= 2 * TOLERANCE + 2 * their_apart.max()
    assert model.deviance_ == pytest.approx(-2 * theirs.llf, rel=1e-9)
    assert model.null_deviance_ == pytest.approx(-2 * theirs.llnull, rel=1e-9)
    y = np.eye(len(model.classes_))[codes]
    likelihood = model.family_.log_likelihood(y, model.predict_proba(data.X)).sum()
    assert likelihood == pytest.approx(theirs.llf, rel=1e-9)
    np.testing.assert_allclose(model.predict_proba(data.X), theirs.predict(), rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(coef.sum(axis=0), 0, atol=1e-12 * np.abs(coef).max())


@pytest.mark.parametrize("name", ["spector", "fair_any"])
def test_classifier_is_the_bernoulli_regressor(name):
    data, regressor, _, _ = fitted(name, "bernoulli", "logit")
    classifier = DeepGLMClassifier(hidden_layer_sizes=()).fit(data.X, data.y.astype(int))
    np.testing.assert_allclose(classifier.coef_, regressor.coef_, rtol=1e-11)
    probability = classifier.predict_proba(data.X)[:, 1]
    np.testing.assert_allclose(probability, regressor.predict(data.X), rtol=1e-11)


# ------------------------------------------------------------------ the table


def worst():
    """The worst distance to the optimum of any coefficient, by family: (distance, model)."""
    found = {}
    for name, family, link in SCALAR:
        apart = fitted(name, family, link)[2].max()
        found[family] = max(found.get(family, (0.0, "")), (float(apart), f"{name}, {link}"))
    classes = [(float(fitted_classes(name)[2].max()), f"{name}, softmax") for name in VECTOR]
    return {**found, "multinoulli": max(classes)}


def test_worst_error_of_each_family():
    table = worst()
    print_table(table)
    assert table.keys() == {"normal", "poisson", "bernoulli", "multinoulli"}
    assert max(apart for apart, _ in table.values()) <= TOLERANCE


def print_table(table):
    print("\nlargest distance of a coefficient to the optimum, in standard errors")
    for family, (apart, model) in table.items():
        print(f"  {family:12s} {apart:8.1e}   ({model})")


if __name__ == "__main__":
    print_table(worst())
