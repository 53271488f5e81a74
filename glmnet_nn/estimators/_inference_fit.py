"""The fit that standard errors can be taken from: many starts, a small ridge, a polish."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import _fit_context

from families import Array, ExponentialFamily
from glmnet_nn.estimators._fit import Fit
from glmnet_nn.estimators._nested import nested_glm
from glmnet_nn.estimators._task import (
    Specification,
    can_be_centred,
    glm_seen,
    mean_curvature,
    objective_of,
    preliminary_dispersion,
)
from glmnet_nn.inference import RIDGE, ObservedInformation, Search, recommended_starts
from glmnet_nn.training.data import Rows
from glmnet_nn.training.inputs import folded, standardized, unfolded
from glmnet_nn.training.objective import Objective
from glmnet_nn.training.search import best_optimum, least_loss_of_a_unit
from glmnet_nn.training.solvers import LBFGS, DampedNewton, Solution
from glmnet_nn.training.start import initial_weights, null_model, paired_weights
from glmnet_nn.training.units import AS_GIVEN, Units, units_of

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
        y: ArrayLike | None = None,
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
        errors, vanishes. phi is estimated along the way where the law has a dispersion. It
        then asks whether another optimum is as good, and whether one hidden unit fewer
        would do: ``inference()`` says so.

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
            l1_ratio, standardize, solver, early_stopping, n_estimators, checkpoint must have
            their defaults, and the law no parameter to be estimated.
        """
        told = (X, y, sample_weight, offset, exposure)
        self._fit(*self._entered(*told), told=told, for_inference=True)
        return self

    def _for_inference(self, spec: Specification, law: ExponentialFamily) -> Specification:
        """Return the specification of this fit, if the constructor does not forbid it."""
        if law.unknown is not None:
            raise ValueError(
                f"fit_for_inference() takes {law.unknown.name} of {type(law).__name__} as known, "
                f"but {law!r} asks for its estimate. Estimate it by fit(), and give the family_ "
                "of that fit as family."
            )
        wanted = {
            "skip_connection": (False, True),
            "alpha": "auto",
            "l1_ratio": 0.0,
            "standardize": ("auto", True),
            "solver": ("auto", "lbfgs"),
            "early_stopping": False,
            "polish_output": False,
            "balance": ("auto", None),
            "n_estimators": 1,
            "checkpoint": None,
            "embedding_size": None,
        }
        for name, known in wanted.items():
            given = getattr(self, name)
            allowed = known if isinstance(known, tuple) else (known,)
            if str(given) not in map(str, allowed):  # alpha may be an array
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
) -> tuple[Fit, Search]:
    """Minimise the hardly penalised objective from many starts, and polish the best.

    The ridge is in units of phi: where the law has a dispersion, that of a first start
    serves the search, and each polish gives a better one until it changes no more.
    """
    task = _Task(Rows(X, y, weight, offset), spec)
    phi = preliminary_dispersion(task.rows, task.inputs, spec, task.null_loss)
    solver, starts = task.solver(phi), task.starts()
    if spec.family.has_dispersion:
        phi = task.dispersion(phi, solver.solve(task.objective(phi), starts[0]).w)
    searched = task.objective(phi)
    tried = starts if spec.waiting is None else spec.waiting.counting(starts, len(starts), "start")
    solution, rival = best_optimum(searched, tried, solver, partial(task.log_likelihood, phi))
    unit = task.log_likelihood(phi, solution.w)
    fall, lost = least_loss_of_a_unit(searched, solution.w, solver, unit)
    for _ in range(_ROUNDS):
        before, phi = phi, task.dispersion(phi, solution.w)
        if abs(phi - before) <= _SETTLED * phi:
            break
        polished = task.polished(phi, solution.w)
        solution = replace(polished, n_iter=solution.n_iter + polished.n_iter)
    return task.fit(before, solution), Search(spec.n_init, rival, fall / lost if lost else np.inf)


class _Task:
    """The objectives of one fit, for any phi; y is seen in units of its spread."""

    def __init__(self, rows: Rows, spec: Specification) -> None:
        self.rows, self.spec = rows, spec
        self.intercept, self.null_loss = null_model(rows, spec.family)
        self.inputs = standardized(rows.X, rows.weight, center=can_be_centred(spec))
        self.units = units_of(rows, spec.family, spec.fit_intercept)
        self.total = float(rows.weight.sum())
        self.layout = self.objective(1.0).network.layout
        known = (rows.X, rows.y, rows.weight, rows.offset)
        self.glm = nested_glm(*known, spec) if self.layout.nests_glm else None

    def _alpha(self, phi: float) -> list[float]:
        """Return one alpha a layer: that of the output weights is in units of eta."""
        alpha = RIDGE * phi / self.total
        return [alpha] * len(self.spec.hidden) + [alpha / self.units.unit**2]

    def objective(self, phi: float, units: Units | None = None) -> Objective:
        """Return the objective with the ridge for phi."""
        units = self.units if units is None else units
        return objective_of(self.rows, self.inputs, self._alpha(phi), units, self.spec)

    @property
    def _seen_intercept(self) -> Array:
        return np.asarray((self.intercept - self.units.middle) / self.units.unit)

    def solver(self, phi: float) -> LBFGS:
        """Return the solver of the search."""
        curvature = mean_curvature(self.objective(phi), self._seen_intercept)
        return LBFGS(self.spec.tol * curvature, self.spec.max_iter)

    def starts(self) -> list[Array]:
        """Return the random starts and, under ``warm_start``, the previous fit before them."""
        rngs = (np.random.default_rng([self.spec.seed, i]) for i in range(self.spec.n_init))
        if self.glm is not None:
            glm = self.glm.network.layout.layers(self.glm.weights)[0]
            seen = glm_seen(glm, self.inputs, self.units)
            starts = [paired_weights(self.layout, seen, rng) for rng in rngs]
        else:
            starts = [initial_weights(self.layout, self._seen_intercept, rng) for rng in rngs]
        if self.spec.start is None:
            return starts
        warm = unfolded(self.layout, self.inputs, self.spec.start)
        return [self.units.seen(self.layout, warm), *starts]

    def polished(self, phi: float, w: Array) -> Solution:
        """Return the solution with the ridge for phi, from parameters near it."""
        solver, waiting = DampedNewton(), self.spec.waiting
        with nullcontext() if waiting is None else waiting.reporting(solver.max_iter) as report:
            return solver.solve(self.objective(phi), w, report)

    def _pearson(self, phi: float, seen: Array) -> float:
        w = self.units.given(self.layout, seen)
        found = ObservedInformation.of(self.objective(phi, AS_GIVEN), w).pearson_dispersion()
        least = _LEAST_DISPERSION * (2.0 * self.null_loss or 1.0)
        return max(found, least) if found > 0 else phi

    def dispersion(self, phi: float, seen: Array) -> float:
        """Return phi at these parameters, 1 for a law without one; ``phi`` if nothing tells."""
        return self._pearson(phi, seen) if self.spec.family.has_dispersion else 1.0

    def log_likelihood(self, phi: float, seen: Array) -> float:
        """Return one log-likelihood on the scale of F; of overdispersed y a quasi one."""
        return max(phi, self._pearson(phi, seen)) / self.units.of_loss / self.total

    def fit(self, phi: float, solution: Solution) -> Fit:
        """Return the fit for X and y as given."""
        objective = self.objective(phi, AS_GIVEN)
        w = self.units.given(self.layout, solution.w)
        glm, nothing = self.glm, np.zeros(0, dtype=np.intp)
        return Fit(
            solution=solution,
            network=objective.network.on_inputs(
                self.rows.X.shape[1], self.inputs.raw_bounds, self.inputs.center
            ),
            weights=folded(self.layout, self.inputs, w),
            inputs=self.inputs,
            alpha=self._alpha(phi),
            loss=objective.value(w),
            deviance=2.0 * objective.mean_loss(w) * self.total,
            null_deviance=2.0 * self.null_loss * self.total,
            dispersion=self.dispersion(phi, solution.w),
            rank=self.rows.X.shape[1] if glm is None else glm.rank,
            dependent=nothing if glm is None else glm.dependent,
            separated_rows=nothing if glm is None else glm.separated_rows,
            infinite=None if glm is None else glm.infinite,
            estimable=None,
            free=np.zeros((self.layout.size, 0)),
        )
