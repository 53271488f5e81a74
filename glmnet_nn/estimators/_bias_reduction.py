"""Where bias-reduced estimates are to be had."""

from __future__ import annotations

from sklearn.base import BaseEstimator

from families import ExponentialFamily


def check_bias_reduction(
    estimator: BaseEstimator,
    family: ExponentialFamily,
    hidden: tuple[int, ...],
    alpha: list[float] | None,
    solver: str,
) -> None:
    """Raise ValueError unless Firth's adjusted score is that of this model.

    It adjusts the score of an unpenalised GLM whose law has no dispersion and no
    other parameter to be estimated.
    """
    if hidden:
        raise ValueError(
            f"bias_reduction=True is for models without hidden layers, but hidden_layer_sizes="
            f"{hidden}. Set hidden_layer_sizes=(), or bias_reduction=False: the penalty of a "
            "network keeps its weights finite."
        )
    if alpha is not None and any(alpha):
        raise ValueError(
            f"bias_reduction=True adjusts the maximum likelihood estimate, but alpha="
            f"{estimator.alpha!r} penalises it. Set alpha=0, or bias_reduction=False."
        )
    if family.has_dispersion:
        raise ValueError(
            f"bias_reduction=True is for laws without a dispersion, such as Bernoulli and "
            f"Poisson, but {type(family).__name__} has one. Set bias_reduction=False."
        )
    if family.unknown is not None:
        raise ValueError(
            f"bias_reduction=True takes a law without other unknown parameters, but "
            f"{family.unknown.name} of {type(family).__name__} is to be estimated. Give its value, "
            "or set bias_reduction=False."
        )
    if estimator.polish_output:
        raise ValueError(
            "bias_reduction=True adjusts the maximum likelihood estimate, but polish_output=True "
            "would end at that. Set one of them to False."
        )
    if solver != "newton":
        raise ValueError(
            f"bias_reduction=True solves for the root of the adjusted score by scoring, but "
            f"solver={solver!r}. Use solver='auto' or 'newton'."
        )
