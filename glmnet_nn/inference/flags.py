"""What makes the intervals of a network untrustworthy, in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from families import Array
from glmnet_nn.inference.observed import RIDGE, ObservedInformation, recommended_starts
from glmnet_nn.training.units import units_of

MOST_DECREMENT = 1e-3
_LARGEST_WEIGHT = 10.0
_LEAST_CONDITION = 1e-5
_MOST_RIDGE = 2.0 * RIDGE  # phi, in whose units it is, may be estimated anew


_LEAST_FALL = 2.0  # of the log-likelihood for each weight of a unit: twice what AIC asks for


@dataclass(frozen=True)
class Search:
    """How an optimum was looked for, and what was found besides.

    ``rival`` is how far below, in log-likelihoods, another optimum lies, ``fall`` by how much
    the log-likelihood falls, for each of the weights, without the unit that it needs least;
    infinite where there is none, or none was looked for.
    """

    n_starts: int
    rival: float = np.inf
    fall: float = np.inf


def find_flags(
    information: ObservedInformation, phi: float, precision: Array, search: Search
) -> dict[str, str]:
    """Return what is wrong with a fit, name by name; empty if nothing is.

    ========================  ====================================================
    ``not_converged``         g' F^-1 g, the squared distance from the optimum in
                              standard errors, is not below 1e-3
    ``not_positive_definite`` the observed information is not: no local maximum
    ``ill_conditioned``       its smallest eigenvalue, scaled, is below 1e-5 of the
                              largest: more units than the data can tell apart
    ``large_weight``          a weight above 10 for standardised inputs (and, for a
                              location-scale law, outputs): a unit has become a step
    ``rival_optimum``         another optimum is as good to 3 log-likelihoods: the
                              estimate may be at the wrong one
    ``spare_unit``            without one of the hidden units the log-likelihood falls by
                              less than 2 for each of its weights (AIC asks for 1)
    ``few_starts``            fewer random starts than the width asks for
    ``strong_ridge``          a prior that shrinks by more than a standard error
    ``kinks``                 an activation without second derivatives
    ========================  ====================================================

    ``precision``, (q,), is that of the prior of each weight on the summed log-likelihood.
    Without hidden layers there is one optimum, and only the first three can occur.
    """
    network = information.objective.network
    hidden = network.layout.sizes[1:-1]
    decrement, condition = information.decrement(phi), information.condition
    found: dict[str, str] = {}
    if not decrement < MOST_DECREMENT:
        found["not_converged"] = (
            f"the fit stopped early: the decrement g' F^-1 g is {decrement:.3g}, not below "
            f"{MOST_DECREMENT:g}"
        )
    if condition <= 0:
        found["not_positive_definite"] = "the observed information is not positive definite"
    elif condition < _LEAST_CONDITION:
        found["ill_conditioned"] = (
            f"the observed information has a reciprocal condition of {condition:.2g}: there may "
            "be more hidden units than the data can tell apart"
        )
    if not hidden:
        return found
    largest = _largest_weight(information)
    if largest > _LARGEST_WEIGHT:
        found["large_weight"] = f"a weight is {largest:.3g} for standardised inputs"
    if search.rival < np.inf:
        found["rival_optimum"] = (
            f"another optimum is only {search.rival:.2g} log-likelihoods below the best"
        )
    if search.fall < _LEAST_FALL:
        found["spare_unit"] = (
            f"without one hidden unit the log-likelihood falls by {search.fall:.2g} for each of "
            f"its weights, and a unit too many may gain {_LEAST_FALL:g}"
        )
    needed = recommended_starts(hidden)
    if search.n_starts < needed:
        found["few_starts"] = f"{search.n_starts} random start(s) where {needed} are called for"
    ridge = _largest_precision(information, precision)
    if ridge > _MOST_RIDGE:
        found["strong_ridge"] = (
            f"the penalty is a prior of precision {ridge:.3g}, where {RIDGE:g} is known to do"
        )
    if not network.activation.is_smooth:
        found["kinks"] = (
            f"the activation {network.activation.name!r} has kinks, where the likelihood has no "
            "second derivatives; use 'tanh', 'logistic' or 'softplus'"
        )
    return found


def _output_unit(information: ObservedInformation) -> float:
    """Return the unit of eta: of a location-scale law the standard deviation of y."""
    objective = information.objective
    return units_of(objective.rows, objective.family, fit_intercept=True).unit


def _largest_weight(information: ObservedInformation) -> float:
    """Return the largest absolute weight, inputs (and outputs, see above) standardised."""
    objective = information.objective
    layers = objective.network.layout.layers(information.w)
    rows = objective.rows.take(slice(None))
    X, share = rows.X, rows.weight / objective.total_weight
    deviation = np.sqrt(share @ np.square(X - share @ X))
    sizes = [np.abs(layer.W).max(initial=0.0) for layer in layers[1:-1]]
    sizes.append(np.abs(layers[0].W * deviation).max(initial=0.0))
    units = objective.network.layout.sizes[-2]  # a skip connection is a GLM's
    sizes.append(np.abs(layers[-1].W[:, :units]).max(initial=0.0) / _output_unit(information))
    return float(max(sizes))


def _largest_precision(information: ObservedInformation, precision: Array) -> float:
    """Return the largest precision of the prior of a weight, in those units."""
    layout = information.objective.network.layout
    output = layout.slices[-1][0]
    below = precision[: output.start].max(initial=0.0)
    return float(max(below, precision[output].max(initial=0.0) * _output_unit(information) ** 2))


def in_words(flags: dict[str, str]) -> str:
    """Return the sentence that goes wherever numbers go; empty if there is no flag."""
    if not flags:
        return ""
    remedies = {
        "Fit by fit_for_inference().": ("not_converged", "few_starts", "strong_ridge"),
        "Use fewer hidden units, or more rows.": (
            "not_positive_definite",
            "ill_conditioned",
            "large_weight",
            "rival_optimum",
            "spare_unit",
        ),
    }
    advice = [remedy for remedy, names in remedies.items() if set(names) & set(flags)]
    return " ".join(
        [f"These standard errors cannot be trusted: {'; '.join(flags.values())}.", *advice]
    )
