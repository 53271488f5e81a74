"""What a fit to a sparse X chooses, and what it refuses."""

from __future__ import annotations

from typing import Any

from sklearn.base import BaseEstimator

from glmnet_nn.estimators._validation import COMPRESSED
from glmnet_nn.network import ShiftedSparse
from glmnet_nn.training.preliminary import is_wide

_MOST_COLUMNS = 10_000  # p x p numbers beside X, several times: 800 MB each

_LAID_OUT = "X.toarray() lays it out, if there is room for it."


def accepted_sparse(estimator: Any) -> Any:
    """Return what inference takes beside arrays: compressed rows, without hidden layers."""
    return False if estimator._network.depth else COMPRESSED


def check_sparse(
    estimator: BaseEstimator,
    X: ShiftedSparse,
    hidden: tuple[int, ...],
    alpha: list[float] | None,
    solver: str,
    for_inference: bool,
) -> str:
    """Return the solver for this X; raise if the task needs an array.

    Where "auto" is scoring, its p x p equations give way to conjugate gradients if there are
    many columns and a penalty: without one the rank of X must be known, which takes them.
    """
    p = X.shape[1]
    if hidden and estimator.architecture == "local":
        raise ValueError(
            "architecture='local' has a coefficient for every column of every row, n x p numbers, "
            "where a sparse X is to spare them. Use architecture='dense' with skip_connection=True "
            f"for a GLM beside the network. {_LAID_OUT}"
        )
    if hidden and for_inference:
        raise TypeError(
            "fit_for_inference() of a network takes second derivatives in all its weights, "
            "for which X must be an array, but it is sparse. Use fit(), or the inference of "
            f"hidden_layer_sizes=(). {_LAID_OUT}"
        )
    penalised = bool(alpha is not None and any(alpha))
    if not hidden and penalised and is_wide(X) and estimator.solver == "auto":
        solver = "newton_cg" if solver == "newton" else solver
    scores = not hidden and (solver == "newton" or not penalised)
    if (scores or (hidden and estimator.skip_connection)) and p > _MOST_COLUMNS:
        remedy = (
            "skip_connection=False, since beta starts at the maximum likelihood estimate"
            if hidden
            else "alpha > 0 (and solver='auto')"
        )
        raise ValueError(
            f"X is sparse with {p} columns, but maximum likelihood estimates and scoring take "
            f"{p} x {p} numbers, which is possible up to {_MOST_COLUMNS} columns. Set {remedy}, or "
            "join columns that are rarely set."
        )
    return solver
