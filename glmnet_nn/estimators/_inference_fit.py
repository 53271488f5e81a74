"""The fit that standard errors can be taken from: many starts, a small ridge, a polish."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import _fit_context

from families import Array
from glmnet_nn.estimators._fit import (
    _AS_GIVEN,
    Fit,
    Specification,
    _best_of,
    _objective,
    _preliminary_dispersion,
    _Units,
    _units,
)
from glmnet_nn.inference import RIDGE, ObservedInformation, recommended_starts
from glmnet_nn.network import Network
from glmnet_nn.training.data import Rows
from glmnet_nn.training.inputs import folded, standardized
from glmnet_nn.training.objective import Objective
from glmnet_nn.training.solvers import DampedNewton, Solution
from glmnet_nn.training.start import null_model

_LEAST_DISPERSION = 1e-8  # of the null model's: without residuals there would be no ridge
_ROUNDS = 10  # of estimating phi, on which the ridge depends
_SETTLED = 1e-3  # a relative change of phi that changes the ridge by nothing that counts


class InferenceFit:
    """The estimators' ``fit_for_inference``."""

    if TYPE_CHECKING:  # what the estimators have
        max_iter: str | int
        tol: str | float

        def _fit(self, *args: Any, **kwargs: Any) -> None: ...
        def _entered(self, *args: Any) -> tuple[Any, ...]: ...

    @_fit_context(prefer_skip_nested_validation=True)
    def fit_for_inference(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
    ) -> Self:
        """Fit a network so that the standard errors of ``inference()`` hold.

        Intervals of a network need the global optimum, to a fraction of a standard
        error, of a likelihood that is hardly penalised. So, with every column of X
        standardised, this minimises the objective with a Gaussian prior of precision 0.1 on
        the summed log-likelihood, alpha = 0.1 phi / sum w (for the Normal law with identity
        link of output weights in standard deviations of y), by L-BFGS from ``n_init`` random
        starts, or 10 at up to 3 hidden units and 3 more for each further unit if that is
        more, and polishes the best by a damped Newton method on the observed information
        until the decrement g' H^-1 g, the squared distance from the optimum in standard
        errors, vanishes. phi is estimated along the way where the law has a dispersion.

        Without hidden layers it is ``fit``.

        Parameters
        ----------
        X, y, sample_weight, offset, exposure
            As in ``fit``.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            As ``fit``; and where the constructor asks for another objective or solver: alpha,
            l1_ratio, standardize, solver, early_stopping must have their defaults.
        """
        self._fit(*self._entered(X, y, sample_weight, offset, exposure), for_inference=True)
        return self

    def _for_inference(self, spec: Specification) -> Specification:
        """Return the specification of this fit, if the constructor does not forbid it."""
        wanted = {
            "alpha": "auto",
            "l1_ratio": 0.0,
            "standardize": ("auto", True),
            "solver": ("auto", "lbfgs"),
            "early_stopping": False,
        }
        for name, known in wanted.items():
            given = getattr(self, name)
            allowed = known if isinstance(known, tuple) else (known,)
            if not any(given is value or given == value for value in allowed):
                raise ValueError(
                    f"fit_for_inference() chooses {name} itself, but {name}={given!r}. Leave it "
                    f"at {allowed[0]!r}, or use fit()."
                )
        return replace(
            spec,
            solver="damped_newton",
            max_iter=2000 if self.max_iter == "auto" else spec.max_iter,
            tol=1e-5 if self.tol == "auto" else spec.tol,
            n_init=max(spec.n_init, recommended_starts(spec.hidden)),
        )


def polished_network(
    X: Array, y: Array, weight: Array, offset: Array | None, spec: Specification
) -> Fit:
    """Minimise the hardly penalised objective from many starts, and polish the best.

    The ridge is in units of phi: where the law has a dispersion, that of a first start
    serves the search, and each polish gives a better one until it changes no more.
    """
    rows = Rows(X, y, weight, offset)
    intercept, null_loss = null_model(rows, spec.family)
    inputs, units = standardized(X, weight), _units(rows, spec)
    null_phi = 2.0 * null_loss or 1.0

    def objective(phi: float, seen: _Units) -> Objective:
        alpha = _ridge(phi, rows, units, spec)
        return _objective(rows, inputs, alpha, seen, spec)

    def best(phi: float, n_init: int) -> Solution:
        search = replace(spec, solver="lbfgs", n_init=n_init)
        return _best_of(objective(phi, units), inputs, intercept, units, null_loss, search)

    def dispersion(phi: float, w: Array) -> float:
        if not spec.family.has_dispersion:
            return 1.0
        found = ObservedInformation.of(objective(phi, _AS_GIVEN), w).pearson_dispersion()
        return max(found, _LEAST_DISPERSION * null_phi) if found > 0 else phi

    phi = _preliminary_dispersion(rows, inputs, spec, null_loss)
    layout = objective(phi, units).network.layout
    if spec.family.has_dispersion:
        phi = dispersion(phi, units.given(layout, best(phi, 1).w))
    solution = best(phi, spec.n_init)
    for _ in range(_ROUNDS):
        polished = DampedNewton().solve(objective(phi, units), solution.w, spec.report)
        solution = replace(polished, n_iter=solution.n_iter + polished.n_iter)
        w = units.given(layout, solution.w)
        before, phi = phi, dispersion(phi, w)
        if abs(phi - before) <= _SETTLED * phi:
            break
    final = objective(before, _AS_GIVEN)
    return Fit(
        solution=solution,
        network=Network(layout, final.network.activation),
        weights=folded(layout, inputs, w),
        inputs=inputs,
        alpha=_ridge(before, rows, units, spec),
        loss=final.value(w),
        deviance=2.0 * final.mean_loss(w) * final.total_weight,
        null_deviance=2.0 * null_loss * final.total_weight,
        dispersion=phi,
        rank=X.shape[1],
        dependent=np.zeros(0, dtype=np.intp),
        separated_rows=np.zeros(0, dtype=np.intp),
        infinite=None,
        estimable=None,
        free=np.zeros((layout.size, 0)),
    )


def _ridge(phi: float, rows: Rows, units: _Units, spec: Specification) -> list[float]:
    """Return one alpha a layer: that of the output weights is for weights in units of y."""
    alpha = RIDGE * phi / float(rows.weight.sum())
    return [alpha] * len(spec.hidden) + [alpha / units.unit**2]
