"""Autocalibration: is E[y | mu] = mu? By isotonic regression, and by a local GLM."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import special
from sklearn.isotonic import IsotonicRegression

from families import Array, ExponentialFamily, Interval
from glmnet_nn.training.data import Rows
from glmnet_nn.training.solvers import Newton
from glmnet_nn.training.start import linear_objective
from glmnet_nn.validation.observations import Observations, known_law, observations


def isotonic_calibration(
    y: ArrayLike,
    mu: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    exposure: ArrayLike | None = None,
) -> pd.DataFrame:
    """Return the isotonic regression of y on the prediction, block by block.

    A model is autocalibrated if E[y | mu] = mu: those who pay the same premium pay for
    each other and for nobody else. The isotonic regression is the nondecreasing function
    of mu that fits y best, by the deviance of every exponential family at once; it is
    constant in blocks, where it is the mean of y. So blocks keep their totals, and the
    recalibrated predictions are autocalibrated in this sample.

    Parameters
    ----------
    y : array-like of shape (n,)
        With ``exposure`` the count, not the rate.
    mu : array-like of shape (n,)
        Predicted means on the scale of y.
    sample_weight : array-like of shape (n,), optional
        A weight of k is k rows, 0 is no row.
    exposure : array-like of shape (n,), optional
        > 0: the regression is of rates y / e on mu / e, with weights e.

    Returns
    -------
    DataFrame
        One row a block, ascending: ``lower`` and ``upper``, its least and largest predicted
        rate; ``exposure``, sum of weights; ``expected``, the mean predicted rate; and
        ``recalibrated``, the mean observed one.

    References
    ----------
    Dimitriadis, Gneiting and Jordan (2021), "Stable reliability diagrams for probabilistic
    classifiers", PNAS 118. Wüthrich and Ziegel (2024), "Isotonic recalibration under a low
    signal-to-noise ratio", Scandinavian Actuarial Journal. Barlow and Brunk (1972), "The
    isotonic regression problem and its dual", JASA 67 (one solution for all deviances).

    Examples
    --------
    >>> print(isotonic_calibration([0, 2, 1, 3], [0.5, 1.0, 1.5, 2.0]))
       lower  upper  exposure  expected  recalibrated
    0    0.5    0.5       1.0      0.50           0.0
    1    1.0    1.5       2.0      1.25           1.5
    2    2.0    2.0       1.0      2.00           3.0
    """
    seen = observations(y, mu, sample_weight, exposure)
    predicted = seen.single
    fitted = isotonic(seen, predicted)
    rows = pd.DataFrame(
        {"block": seen.places(fitted), "mu": predicted, "w": seen.weight, "fitted": fitted}
    )
    rows["total"] = rows["w"] * rows["mu"]
    blocks = rows.groupby("block")
    weight = blocks["w"].sum()
    return pd.DataFrame(
        {
            "lower": blocks["mu"].min(),
            "upper": blocks["mu"].max(),
            "exposure": weight,
            "expected": blocks["total"].sum() / weight,
            "recalibrated": blocks["fitted"].first(),
        }
    ).rename_axis(index=None)


def isotonic(seen: Observations, mu: Array) -> Array:
    """Return the isotonic regression of the rates on mu, (n,): equal where mu is.

    scikit-learn's, on the places of mu: only their order counts.
    """
    place = seen.places(mu).astype(float)
    fit = IsotonicRegression(increasing=True).fit(place, seen.y, sample_weight=seen.weight)
    return np.asarray(fit.predict(place), dtype=float)


def local_calibration(
    y: ArrayLike,
    mu: ArrayLike,
    family: str | ExponentialFamily,
    *,
    span: float = 0.3,
    degree: int = 1,
    n_points: int = 50,
    alpha: float = 0.05,
    sample_weight: ArrayLike | None = None,
    exposure: ArrayLike | None = None,
) -> pd.DataFrame:
    """Return a local GLM of y on the prediction, point by point.

    At a prediction m a GLM of the family and its link is fitted to the rows near m,

        g(E[y_i]) = b_0 + b_1 (g(mu_i) - g(m)),   weights w_i (1 - |g(mu_i) - g(m)|^3 / h^3)^3,

    h reaching just so far that ``span`` of the weight lies within it; g^-1(b_0) estimates
    E[y | mu = m], which is m if the model is autocalibrated. With degree 0, b_1 = 0 and
    the estimate is the local mean, of every family.

    Parameters
    ----------
    y : array-like of shape (n,)
        With ``exposure`` the count, not the rate.
    mu : array-like of shape (n,)
        Predicted means on the scale of y, inside the range of means of the link.
    family : str or ExponentialFamily
        With its link; ``model.family_``.
    span : float, default=0.3
        Share of the weight in each neighbourhood, in (0, 1].
    degree : {0, 1}, default=1
    n_points : int, default=50
        Points m, at predictions that part the weight into equal shares.
    alpha : float, default=0.05
        1 - coverage of the intervals.
    sample_weight : array-like of shape (n,), optional
        A weight of k is k rows, 0 is no row.
    exposure : array-like of shape (n,), optional
        > 0: the regression is of rates y / e on mu / e, with weights e.

    Returns
    -------
    DataFrame
        One row a point: ``expected`` = m; ``recalibrated``; ``lower`` and ``upper``, pointwise
        intervals by a sandwich variance, which hold whatever the variance of y; and
        ``degree``, 0 where the neighbourhood determines no slope (y does not vary in it or is
        separated by mu, or there is but one prediction): there it is the local mean.

    References
    ----------
    Denuit, Charpentier and Trufin (2021), "Autocalibration and Tweedie-dominance for
    insurance pricing with machine learning", Insurance: Mathematics and Economics 101.
    Loader (1999), Local Regression and Likelihood, chapter 4.

    Examples
    --------
    >>> mu = np.linspace(0.5, 4.0, 200)
    >>> table = local_calibration(2.0 * mu, mu, "poisson", n_points=3)
    >>> print((table["recalibrated"] / table["expected"]).round(6).tolist())
    [2.0, 2.0, 2.0]
    """
    law = known_law(family)
    seen = observations(y, mu, sample_weight, exposure)
    _check_options(law, span, degree, n_points, alpha)
    law.check_response(seen.y)
    x = _predictors(law, seen)
    order = np.argsort(x, kind="stable")
    near = _Neighbours(
        law, x[order], seen.y[order], seen.weight[order], seen.frequency[order], span
    )
    z = float(special.ndtri(1.0 - alpha / 2))
    table = pd.DataFrame([near.fit(at, degree, z) for at in near.points(n_points)])
    return table.sort_values("expected", ignore_index=True)  # g may be decreasing


def _check_options(
    law: ExponentialFamily, span: float, degree: int, n_points: int, alpha: float
) -> None:
    if law.event_ndim:
        raise ValueError(
            f"a local GLM is of one mean, but {type(law).__name__} has several. Take one class "
            "against the rest: y == k, its probability, family='bernoulli'."
        )
    for name, value, fine, rule in (
        ("span", span, lambda: 0 < span <= 1, "a number in (0, 1]"),
        ("degree", degree, lambda: degree in (0, 1), "0 or 1"),
        ("n_points", n_points, lambda: n_points >= 1 and n_points % 1 == 0, "an integer >= 1"),
        ("alpha", alpha, lambda: 0 < alpha < 1, "a number in (0, 1)"),
    ):
        if not isinstance(value, Real) or not fine():
            raise ValueError(f"{name} must be {rule}, but got {value!r}.")


def _predictors(law: ExponentialFamily, seen: Observations) -> Array:
    """Return g(mu), finite and feasible; one number where predictions are tied."""
    place = seen.places(seen.single)
    mu = seen.single[np.unique(place, return_index=True)[1]][place]
    with np.errstate(all="ignore"):
        x = law.link_of(mu)
    possible = np.isfinite(x) & law.mean_domain.contains(mu)
    if not np.all(possible):
        at = int(np.argmin(possible))
        raise ValueError(
            f"a local GLM needs predictions with a finite linear predictor, but "
            f"{type(law).__name__} with link {law.link_name!r} has none for that of row "
            f"{int(seen.kept[at])}, {float(mu[at])!r}. Use isotonic_calibration, which needs no "
            "link."
        )
    return x


@dataclass(frozen=True)
class _Neighbours:
    """Rows by ascending x = g(mu), and the local fits to them."""

    law: ExponentialFamily
    x: Array
    y: Array
    weight: Array
    frequency: Array
    span: float

    def points(self, n_points: int) -> Array:
        """Return the x that part the weight into equal shares, the ends included."""
        share = np.cumsum(self.weight) / self.weight.sum()
        wanted = np.linspace(0.0, 1.0, int(n_points)) if n_points > 1 else np.array([0.5])
        return np.unique(self.x[np.minimum(np.searchsorted(share, wanted), len(self.x) - 1)])

    def fit(self, at: float, degree: int, z: float) -> dict[str, float]:
        """Return the row of the table at one point."""
        rows, kernel = self._window(at)
        x, y, weight = self.x[rows] - at, self.y[rows], self.weight[rows] * kernel
        mean = np.array([np.average(y, weights=weight)])
        line = self._line(x, y, weight, at) if degree and np.ptp(x) > 0 else None
        with np.errstate(divide="ignore"):  # a mean at the end of its range
            b = self.law.link_of(mean) if line is None else line
        lower = upper = estimate = mean if line is None else self.law.mean(b[-1:])
        if np.isfinite(b[-1]):
            ones = np.ones((len(x), 1))
            design = ones if line is None else np.column_stack([x, ones])
            half = z * self._error(design, y, weight, self.frequency[rows], design @ b)
            lower, upper = self._means(b[-1] + np.array([-half, half]))[:, None]
        return {
            "expected": float(self.law.mean(np.array([at]))[0]),
            "recalibrated": float(estimate[0]),
            "lower": float(lower[0]),
            "upper": float(upper[0]),
            "degree": int(line is not None),
        }

    def _means(self, eta: Array) -> Array:
        """Return the means of the ends of an interval, cut at the ends of their range."""
        image, domain = self.law._link.image, self.law.mean_domain
        assert isinstance(domain, Interval)
        means = self.law.mean(np.clip(eta, image.low, image.high))
        return np.sort(np.clip(means, domain.low, domain.high))

    def _window(self, at: float) -> tuple[NDArray[np.intp], Array]:
        """Return the rows of the neighbourhood, and their tricube weights."""
        distance = np.abs(self.x - at)
        nearest = np.argsort(distance, kind="stable")
        within = np.cumsum(self.weight[nearest])
        h = distance[nearest[np.searchsorted(within[:-1], self.span * within[-1])]]
        if h == 0:  # the prediction of so many rows
            rows = np.flatnonzero(distance == 0)
            return rows, np.ones(len(rows))
        rows = np.flatnonzero(distance < h)
        return rows, (1.0 - (distance[rows] / h) ** 3) ** 3

    def _line(self, x: Array, y: Array, weight: Array, at: float) -> Array | None:
        """Return (b_1, b_0) of maximum likelihood; None if there is none."""
        if not self._has_maximum(x, y):
            return None
        rows = Rows(x[:, None], y[:, None], weight)
        objective = linear_objective(rows, self.law, fit_intercept=True)
        solution = Newton().solve(objective, np.array([1.0, at]))
        return solution.w if solution.converged else None

    def _has_maximum(self, x: Array, y: Array) -> bool:
        """Tell whether the likelihood of a line in x has a maximum.

        It has none if some line v, not 0, is <= 0 where y forbids eta to rise and >= 0 where
        it forbids it to fall: if one kind of rows is missing, or lies on one side of the other.
        Source: Albert and Anderson (1984), Biometrika 71; the cone of ``escape_cone``.
        """
        no_rise, no_fall = self.law.escape_cone(y[:, None])[:, :, 0].T != 0
        if not no_rise.any() or not no_fall.any():
            return False
        one, other = x[no_rise], x[no_fall]
        return bool(one.max() > other.min() and other.max() > one.min())

    def _error(self, design: Array, y: Array, weight: Array, frequency: Array, eta: Array) -> float:
        """Return the standard error of b_0: (B^-1 M B^-1)_00, M = sum s s' / frequency.

        s = w (d loss / d eta) x is the score of a row, B the Fisher information.
        """
        bread = (design * (weight * self.law.fisher_weight(eta))[:, None]).T @ design
        scores = design * (weight * self.law.error(y, eta) / np.sqrt(frequency))[:, None]
        last = np.linalg.lstsq(bread, np.eye(len(bread))[-1], rcond=None)[0]
        return float(np.linalg.norm(scores @ last))
