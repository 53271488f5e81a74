"""What "auto" means: solver, iterations, tolerance, batch size."""

from __future__ import annotations

from sklearn.base import BaseEstimator

from families import ExponentialFamily, Link, get_family
from glmnet_nn.estimators._task import Specification
from glmnet_nn.training.solvers import SOLVERS, Solution

_WHOLE_BATCH = 256
DEFAULT_TOL = {"newton": 1e-9, "lbfgs": 1e-6, "newton_cg": 1e-6, "adam": 1e-4}
DEFAULT_MAX_ITER = {"newton": 100, "lbfgs": 2000, "newton_cg": 200, "adam": 30}
_LEAST_STEPS = 1000


def asked_law(family: str | ExponentialFamily, link: str | Link) -> ExponentialFamily:
    """Return the family with that link; "auto" is its own, canonical for a name."""
    return get_family(family, None if link == "auto" else link)


def choose_solver(
    estimator: BaseEstimator, hidden: tuple[int, ...], l1: bool, safe_link: bool, resident: bool
) -> str:
    """Return the name of the solver, and raise if the one asked for cannot do the task.

    Where links have an end, an outlier times its coefficient passes it in some step of
    adam; a line search does not. Where rows are not ``resident`` in memory, but read anew in
    each pass, a step of adam costs as much as one of a solver that asks all rows.
    """
    name = estimator.solver
    if l1 and estimator.polish_output:
        raise ValueError(
            f"polish_output=True scores the output layer, which needs a penalty with a derivative, "
            f"but l1_ratio={estimator.l1_ratio}. Set l1_ratio=0 or polish_output=False."
        )
    if name == "auto":
        if hidden or estimator.early_stopping:
            searched = not resident or (estimator.architecture == "local" and not safe_link)
            return "lbfgs" if searched and not estimator.early_stopping else "adam"
        return "lbfgs" if l1 else "newton"
    solver = SOLVERS[name]
    if hidden and not solver.handles_hidden_layers:
        raise ValueError(
            f"solver={name!r} fits models without hidden layers, but hidden_layer_sizes="
            f"{hidden}. Use solver='lbfgs', 'adam' or 'auto'."
        )
    if l1 and not solver.handles_l1:
        raise ValueError(
            f"solver={name!r} needs a penalty with a derivative, but l1_ratio="
            f"{estimator.l1_ratio}. Use solver='lbfgs', 'adam' or 'auto'."
        )
    if estimator.early_stopping and name != "adam":
        raise ValueError(
            f"early_stopping=True needs mini-batches, but solver={name!r}. "
            "Use solver='adam' or 'auto'."
        )
    return name


def check_architecture(estimator: BaseEstimator) -> None:
    """Raise if two ways of nesting the GLM are asked for."""
    if estimator.architecture == "local" and estimator.skip_connection:
        raise ValueError(
            f"architecture='local' has a GLM in it, and skip_connection="
            f"{estimator.skip_connection!r} would add the same one again. Set "
            "skip_connection=False, or architecture='dense'."
        )


def check_balance(estimator: BaseEstimator, l1: bool) -> None:
    """Raise if the intercept cannot be moved, or the output layer not be scored."""
    asked = estimator.balance
    if asked in (None, "auto"):
        return
    if not estimator.fit_intercept:
        raise ValueError(
            f"balance={asked!r} moves the output intercept, but fit_intercept=False. "
            "Set fit_intercept=True or balance=None."
        )
    if estimator.bias_reduction:
        raise ValueError(
            f"balance={asked!r} moves the intercept that bias_reduction=True has estimated. "
            "Set one of them to its default."
        )
    if asked == "refit" and l1:
        raise ValueError(
            "balance='refit' scores the output layer, which needs a penalty with a derivative, "
            f"but l1_ratio={estimator.l1_ratio}. Set l1_ratio=0 or balance='shift'."
        )


def choose_balance(spec: Specification, solution: Solution) -> str | None:
    """Return "shift", "refit" or None; "auto" shifts what training left out of balance."""
    if spec.balance != "auto":
        return spec.balance
    left = spec.solver == "adam" or not solution.converged
    movable = spec.fit_intercept and not spec.bias_reduction and spec.family.has_safe_link
    return "shift" if left and movable and spec.family.link_name in ("log", "identity") else None


def tolerance(estimator: BaseEstimator, solver: str) -> float:
    """Return tol, by default that of the solver."""
    return DEFAULT_TOL[solver] if estimator.tol == "auto" else float(estimator.tol)


def batch_size(estimator: BaseEstimator, n_rows: int) -> int:
    """Return the rows of one step: all of small data, else about a hundredth, 128 to 2048."""
    if estimator.batch_size != "auto":
        return min(int(estimator.batch_size), n_rows)
    if n_rows <= _WHOLE_BATCH:
        return n_rows
    size = 128
    while size < 2048 and 100 * size < n_rows:
        size *= 2
    return size


def iterations(estimator: BaseEstimator, solver: str, n_rows: int) -> int:
    """Return max_iter; for Adam 30 epochs, or as many as make 1,000 steps."""
    if estimator.max_iter != "auto":
        return int(estimator.max_iter)
    if solver != "adam":
        return DEFAULT_MAX_ITER[solver]
    steps = -(-n_rows // batch_size(estimator, n_rows))
    return max(DEFAULT_MAX_ITER[solver], -(-_LEAST_STEPS // steps))
