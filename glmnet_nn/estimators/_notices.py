"""What a fit warns of: dependent columns, separated data, solvers that did not converge."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from glmnet_nn.estimators._fit import Fit
from glmnet_nn.exceptions import RankWarning, SeparationWarning

_FIT_OF_THE_USER = 6  # from below: warn_of_fits, _fit, fit and its wrapper lie between


def warn_of_fits(estimator: Any, fits: list[Fit], n_members: int) -> None:
    """Warn of what the fits of an estimator found, each thing once."""
    _warn_of_data(estimator, fits[0])
    _warn_if_unconverged(estimator, fits)
    _warn_if_interrupted(estimator, fits, n_members)


def _warn_of_data(estimator: Any, fit: Fit) -> None:
    """Warn of linearly dependent columns and of separated data."""
    nests = fit.network.layout.nests_glm  # which alpha and bias_reduction leave alone
    if len(fit.dependent):
        remedy = "Drop columns" if nests else "Drop columns, or set alpha > 0,"
        warnings.warn(
            f"X has rank {fit.rank} but {len(estimator.feature_names_)} columns: the columns "
            f"{_names(estimator, fit.dependent)} are linearly dependent"
            f"{' (with the intercept)' if estimator.fit_intercept else ''}. The coefficients of "
            "minimum norm are reported; predictions do not depend on that choice. "
            f"{remedy} for a unique solution.",
            RankWarning,
            stacklevel=_FIT_OF_THE_USER,
        )
    if fit.infinite is not None and fit.infinite.any():
        infinite = np.flatnonzero(fit.infinite.any(axis=0))
        if nests:
            local = estimator.architecture == "local"
            without = "architecture='dense'" if local else "skip_connection=False"
            remedy = f"The network starts there. Set {without}, or drop columns,"
        else:
            remedy = "Set bias_reduction=True or alpha > 0"
        warnings.warn(
            f"The data are separated: the means of {len(fit.separated_rows)} rows (the "
            f"first: {fit.separated_rows[:5].tolist()}) tend to the end of their range, and "
            f"the coefficients of {_names(estimator, infinite)} have no finite maximum likelihood "
            "estimate. They are reported where those means are at their end to rounding; "
            "all other coefficients, the predictions and the deviance are those of the "
            f"limit. {remedy} for finite estimates.",
            SeparationWarning,
            stacklevel=_FIT_OF_THE_USER,
        )


def _warn_if_unconverged(estimator: Any, fits: list[Fit]) -> None:
    """Warn once of all the fits that did not converge, but for those that were cut short."""
    ended = [fit.solution for fit in fits if fit.solution.ended_by == "solver"]
    stopped = [solution for solution in ended if not solution.converged]
    if not stopped:
        return
    remedy = "Raise max_iter or tol, or change solver."
    if not estimator.family_.has_safe_link:
        remedy += (
            f" With link {estimator.family_.link_name!r} the optimum may also lie where the "
            "mean of some row is at the end of its range: then use another link."
        )
    where = f" in {len(stopped)} of {len(fits)} members" if len(fits) > 1 else ""
    n_iter = max(solution.n_iter for solution in stopped)
    warnings.warn(
        f"{estimator.solver_} did not converge{where} after {n_iter} iterations: "
        f"{stopped[0].message}. {remedy}",
        ConvergenceWarning,
        stacklevel=_FIT_OF_THE_USER,
    )


def _warn_if_interrupted(estimator: Any, fits: list[Fit], n_members: int) -> None:
    """Warn that Ctrl-C has ended the fit, and tell what is kept."""
    cut = fits[-1].solution.ended_by == "interrupt"
    if not cut and len(fits) == n_members:
        return
    kept = f"the best parameters of {fits[0].solution.n_iter} iterations are kept"
    if n_members > 1:
        kept = f"of {n_members} members {len(fits)} are kept"
        kept += ", the first as far as it came" if cut else ""
    resume = "set warm_start=True and call" if estimator.checkpoint is None else "call"
    warnings.warn(
        f"fit was interrupted: {kept}, and the model can be used. To go on from there, {resume} "
        "fit again.",
        ConvergenceWarning,
        stacklevel=_FIT_OF_THE_USER,
    )


def _names(estimator: Any, columns: NDArray[np.intp]) -> str:
    """Return the names of columns in words; number p is the intercept."""
    labels = [*map(repr, estimator.feature_names_), "the intercept"]
    more = f" and {len(columns) - 10} more" if len(columns) > 10 else ""
    return ", ".join(labels[j] for j in columns[:10]) + more
