"""What a path from the GLM to the network found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from glmnet_nn.estimators._base import BaseDeepGLM


@dataclass(frozen=True)
class NetworkPath:
    """Models from the GLM to the network, the strongest penalty first.

    Attributes
    ----------
    table : DataFrame
        One row a strength, infinity (the GLM) first: ``alpha``, that of the first layer;
        ``train_deviance``, the mean over the rows of the fit; ``validation_deviance``, the
        mean over rows out of their folds, and its standard error ``se``; ``df``, effective
        degrees of freedom; ``balance``, sum w mu / sum w y; ``n_inputs``, the columns of X
        that the network uses; ``is_glm``, whether nothing but the GLM is left.
    models : list of estimators
        Fitted to all rows, one for each row of ``table``.
    rule : {"1se", "min"}
        How ``strength`` is chosen.
    """

    table: pd.DataFrame
    models: list[BaseDeepGLM]
    rule: str

    @property
    def strength_min(self) -> float:
        """The strength of the least validation deviance; of equal ones the largest."""
        at = int(np.argmin(self.table["validation_deviance"].to_numpy()))
        return float(self.table.index[at])

    @property
    def strength_1se(self) -> float:
        """The largest strength within one standard error of the least validation deviance."""
        best = self.table.loc[self.strength_min]
        reach = best["se"] if np.isfinite(best["se"]) else 0.0
        within = self.table["validation_deviance"] <= best["validation_deviance"] + reach
        return float(self.table.index[within].max())

    @property
    def strength(self) -> float:
        """The strength that ``rule`` chooses."""
        return self.strength_1se if self.rule == "1se" else self.strength_min

    @property
    def best_estimator(self) -> BaseDeepGLM:
        """The model of that strength, fitted to all rows."""
        return self.models[list(self.table.index).index(self.strength)]

    def plot(self, ax: Any = None) -> Any:
        """Draw the path: see :class:`NetworkPathDisplay`."""
        from glmnet_nn.nesting.display import NetworkPathDisplay

        return NetworkPathDisplay.from_path(self, ax=ax)

    def __repr__(self) -> str:
        chosen = f"strength {self.strength:.4g} by rule {self.rule!r}"
        return f"{chosen}\n{self.table.to_string(float_format=lambda value: f'{value:.5g}')}"
