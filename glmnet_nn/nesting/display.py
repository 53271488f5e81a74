"""The path from the GLM to the network in one figure."""

from __future__ import annotations

from typing import Any

import numpy as np

from glmnet_nn._plotting import Display
from glmnet_nn.nesting.results import NetworkPath


class NetworkPathDisplay(Display):
    """Deviances along a path, from the GLM on the left to the network on the right.

    Parameters
    ----------
    path : NetworkPath

    Attributes
    ----------
    figure_, ax_
        Of matplotlib.
    lines_ : dict of artists
        "train", "validation" (with bars of one standard error), "min" and "chosen".
    """

    def __init__(self, path: NetworkPath) -> None:
        self.path = path

    @classmethod
    def from_path(cls, path: NetworkPath, *, ax: Any = None) -> NetworkPathDisplay:
        """Draw what :func:`glmnet_nn.glm_to_net_path` returned, on ``ax`` or new axes."""
        return cls(path).plot(ax=ax)

    def plot(self, ax: Any = None) -> NetworkPathDisplay:
        """Draw the deviances against the effective degrees of freedom at each strength."""
        ax = self._axes(ax)
        table = self.path.table
        at = np.arange(len(table))
        place = dict(zip(table.index, at, strict=True))
        train = ax.plot(at, table["train_deviance"], "o-", color="C7", ms=3, label="training")
        validation = ax.errorbar(
            at, table["validation_deviance"], table["se"], fmt="o-", color="C0", ms=4, capsize=2,
            label="validation, one standard error",
        )  # fmt: skip
        same = self.path.strength_min == self.path.strength
        marks = {
            name: ax.axvline(place[strength], color="C3", ls=style, lw=1, label=label)
            for name, strength, style, label in (
                ("min", self.path.strength_min, ":", "_" if same else "least"),
                ("chosen", self.path.strength, "--", f"chosen ({self.path.rule})"),
            )
        }
        labels = [f"{strength:.3g}" for strength in table.index]
        ax.set_xticks(at, ["GLM", *labels[1:]], rotation=45)
        ax.set(xlabel="strength of the penalty on the network", ylabel="mean deviance")
        above = ax.secondary_xaxis("top")
        above.set_xticks(at, [f"{df:.3g}" for df in table["df"]], rotation=45, fontsize="small")
        above.set_xlabel("effective degrees of freedom")
        low, high = ax.get_ylim()
        ax.set_ylim(low - 0.2 * (high - low), high)  # room below the bars
        ax.legend(loc="lower left", ncols=2, fontsize="small")
        self.lines_ = {"train": train[0], "validation": validation, **marks}
        return self
