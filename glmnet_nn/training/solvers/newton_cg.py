"""Newton's method by conjugate gradients: the Hessian as a product, never formed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from families import Array
from glmnet_nn.training.solvers._problem import FORGETFUL, Keeper, ProductProblem, Solution, State
from glmnet_nn.training.solvers._trust import kept_share

_ACCEPTED = 0.01  # share of the promised fall
_POOR, _GOOD = 0.25, 0.75
_LEAST_RADIUS = 1e-10  # relative to w


@dataclass(frozen=True)
class NewtonCG:
    """Minimise g'd + d'H d / 2 over |d| <= radius, H = d^2 F / dw dw', step by step.

    The quadratic is minimised by conjugate gradients, which need products H v only: one
    pass forwards and one backwards. They end at the radius, where H has no positive
    curvature along their direction (then at the radius too), or when the residual is
    at most min(1/2, sqrt(|g| / |g_0|)) of |g|: early steps are cheap, late ones Newton's.
    The radius follows how much of the promised fall F keeps.

    The Fisher information J'VJ in the place of H (Gauss-Newton) makes equally good early
    steps, each two thirds as costly, but bends too little along directions in which
    residuals matter: the radius then shrinks, and hundreds of short steps follow.

    Source: Steihaug (1983), "The conjugate gradient method and trust regions in large
    scale optimization"; Nocedal and Wright (2006), algorithms 4.1 and 7.2; Pearlmutter
    (1994), "Fast exact multiplication by the Hessian".

    Parameters
    ----------
    tol : float
        Largest absolute component of the gradient of the mean objective.
    max_iter : int
        Largest number of steps.
    max_products : int
        Largest number of products H v for one step.
    """

    name: ClassVar[str] = "newton_cg"
    handles_l1: ClassVar[bool] = False
    handles_hidden_layers: ClassVar[bool] = True

    tol: float = 1e-6
    max_iter: int = 200
    max_products: int = 100

    def solve(
        self,
        problem: ProductProblem,
        start: Array,
        report: Callable[[int, float], None] | None = None,
        keeper: Keeper = FORGETFUL,
    ) -> Solution:
        """Minimise the problem from ``start`` or, if there is one, from the state of ``keeper``."""
        curve: list[float] = []
        state = keeper.state
        if state is None:
            w, radius = start, 1.0
            value, gradient = problem.smooth_value_and_gradient(w)
            first = float(np.linalg.norm(gradient))
        else:
            w, radius, first = state["w"], state["radius"], state["first"]
            value, gradient, curve = state["value"], state["gradient"], list(state["curve"])

        def told() -> State:
            at = {"w": w, "radius": radius, "value": value, "gradient": gradient}
            return {**at, "first": first, "curve": list(curve)}

        converged, message = False, f"{self.max_iter} steps did not suffice"
        while True:
            if float(np.abs(gradient).max(initial=0.0)) <= self.tol:
                converged, message = True, "the gradient is within tol"
                break
            if len(curve) >= self.max_iter:
                break
            forcing = min(0.5, float(np.sqrt(np.linalg.norm(gradient) / first)))
            product = problem.hessian_product(w)
            step = _steihaug(product, gradient, radius, forcing, self.max_products)
            trial_value, trial_gradient = problem.smooth_value_and_gradient(w + step.delta)
            share = kept_share(value, trial_value, step.promise)
            length = float(np.linalg.norm(step.delta))
            if not share >= _POOR:  # NaN: no mean of the law there
                radius = 0.25 * length
            elif share > _GOOD and step.is_bounded:
                radius = 2.0 * radius
            if share > _ACCEPTED:
                w, value, gradient = w + step.delta, trial_value, trial_gradient
            curve.append(value)
            if report is not None:
                report(len(curve), value)
            if radius <= _LEAST_RADIUS * (1.0 + float(np.linalg.norm(w))):
                message = "no step lowers the objective"
                break
            keeper.keep(len(curve), told)
        size = float(np.abs(gradient).max(initial=0.0))
        return Solution(w, value, size, len(curve), converged, message, tuple(curve))


@dataclass(frozen=True)
class _Step:
    """d, the fall of the model along it, and whether the radius bounds it."""

    delta: Array
    promise: float
    is_bounded: bool


def _steihaug(
    product: Callable[[Array], Array], g: Array, radius: float, forcing: float, most: int
) -> _Step:
    """Return d from conjugate gradients, cut at the radius."""
    d, r = np.zeros_like(g), g.copy()  # r = g + H d, the gradient of the model
    p, squares = -r, float(r @ r)
    enough = forcing**2 * squares
    for _ in range(most):
        Hp = product(p)
        curvature = float(p @ Hp)
        step = squares / curvature if curvature > 0 else np.inf
        most_step = _to_the_radius(d, p, radius)
        if step >= most_step:
            d, r = d + most_step * p, r + most_step * Hp
            return _Step(d, -0.5 * float(d @ (g + r)), True)
        d, r = d + step * p, r + step * Hp
        before, squares = squares, float(r @ r)
        if squares <= enough:
            break
        p = -r + squares / before * p
    return _Step(d, -0.5 * float(d @ (g + r)), False)


def _to_the_radius(d: Array, p: Array, radius: float) -> float:
    """Return the t >= 0 with |d + t p| = radius."""
    a, b, c = float(p @ p), float(d @ p), float(d @ d) - radius**2
    return float((np.sqrt(b * b - a * c) - b) / a)
