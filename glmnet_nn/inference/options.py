"""What a caller of ``inference()`` may choose, checked once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from numbers import Integral, Real

import numpy as np
from numpy.typing import ArrayLike, NDArray

from glmnet_nn.inference.sandwich import ROBUST

_COV_TYPES = ("auto", "nonrobust", *ROBUST)
_WEIGHT_TYPES = ("freq", "var", "prob")
_DISPERSIONS = ("pearson", "deviance")


@dataclass(frozen=True)
class InferenceOptions:
    """Covariance, dispersion and meaning of the weights, as ``inference()`` explains them.

    Raises
    ------
    ValueError
        An unknown name, or options that do not go together: what would be ignored
        is refused.
    """

    cov_type: str = "auto"
    groups: ArrayLike | None = None
    dispersion: str | float | None = None
    hac_maxlags: int | None = None
    weight_type: str = "freq"
    use_t: bool = False

    def __post_init__(self) -> None:
        _require(self.cov_type, "cov_type", _COV_TYPES)
        _require(self.weight_type, "weight_type", _WEIGHT_TYPES)
        if self.weight_type == "prob" and self.cov_type == "nonrobust":
            raise ValueError(
                "cov_type='nonrobust' needs the law of y in the sample, which weight_type='prob' "
                "leaves open. Use cov_type='auto', or 'HC0', 'HC1', 'HC2', 'HC3', 'cluster'."
            )
        if self.cov_type == "auto":
            chosen = "HC1" if self.weight_type == "prob" else "nonrobust"
            object.__setattr__(self, "cov_type", chosen)
        for name, wanted in (("groups", "cluster"), ("hac_maxlags", "HAC")):
            if getattr(self, name) is not None and self.cov_type != wanted:
                raise ValueError(
                    f"{name} is for cov_type={wanted!r}, but cov_type={self.cov_type!r}. "
                    f"Leave out {name}, or set cov_type={wanted!r}."
                )
        if self.cov_type == "cluster" and self.groups is None:
            raise ValueError("cov_type='cluster' needs groups, a label for each row of X.")
        lags = self.hac_maxlags
        if lags is not None and (isinstance(lags, bool) or not isinstance(lags, Integral)):
            raise ValueError(f"hac_maxlags must be an integer, but got {lags!r}.")
        if not isinstance(self.use_t, bool | np.bool_):
            raise ValueError(f"use_t must be True or False, but got {self.use_t!r}.")
        given = self.dispersion
        number = isinstance(given, Real) and not isinstance(given, bool) and 0 < given < np.inf
        if given is not None and not number:
            _require(given, "dispersion", _DISPERSIONS, "None, a number > 0, ")

    @property
    def is_robust(self) -> bool:
        """Whether the covariance is a sandwich."""
        return self.cov_type != "nonrobust"

    def take(self, present: NDArray[np.bool_]) -> InferenceOptions:
        """Return the options for the rows that are present."""
        if self.groups is None:
            return self
        labels = np.asarray(self.groups)
        if labels.shape[:1] != present.shape:
            raise ValueError(
                f"groups must hold a label for each of the {len(present)} rows of X, "
                f"but its shape is {labels.shape}."
            )
        return replace(self, groups=labels[present])


def _require(given: object, name: str, known: tuple[str, ...], besides: str = "") -> None:
    if not (isinstance(given, str) and given in known):
        raise ValueError(f"{name} must be {besides}one of {list(known)}, but got {given!r}.")
