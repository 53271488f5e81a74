"""Ensembles: networks from different random starts, averaged on the mean.

    mu(x) = (1/k) sum_m mu_m(x),    eta(x) = g(mu(x))

The average of means keeps the balance, sum w mu = sum w y, if every member has it;
that of linear predictors keeps it under the identity link alone.

Source: Richman and Wüthrich (2020), "Nagging predictors", Risks 8(3), 83.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from numbers import Integral
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_is_fitted

from families import Array, ExponentialFamily
from glmnet_nn.estimators._columns import known_columns
from glmnet_nn.estimators._fit import Fit, pearson_dispersion
from glmnet_nn.estimators._nested import fit_nested, nested_glm
from glmnet_nn.estimators._search import most_searches
from glmnet_nn.estimators._tables import known_inputs
from glmnet_nn.estimators._task import Specification
from glmnet_nn.estimators._validation import check_offset
from glmnet_nn.estimators._waiting import Waiting, raise_if_repeated
from glmnet_nn.network import ShiftedSparse
from glmnet_nn.training.data import Rows
from glmnet_nn.training.start import linear_objective
from glmnet_nn.training.threads import at_most

_LARGEST_SEED = 2**31 - 1
_ENTERED = (
    "n_features_in_", "feature_names_in_", "_coding", "classes_", "_y_ndim", "_multilabel",
    "_design",
)  # fmt: skip
_SHARED = (
    "family_", "link_", "solver_", "alpha_", "law_estimate_", "null_deviance_", "n_layers_",
    "n_outputs_", "out_activation_", "rank_", "separated_rows_",
)  # fmt: skip
_OWN = (
    "loss_", "loss_curve_", "deviance_curve_", "validation_loss_curve_", "start_curves_",
    "estimable_coef_",
    "_network", "_weights", "_inputs", "_search", "_estimate", "_free_directions",
    "_learner", "t_", "_embeddings",
)  # fmt: skip


class OfOneNetwork:
    """An attribute that one network has and an ensemble has not, which says so."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, estimator: Any, owner: type | None = None) -> Any:
        if estimator is None:
            return self
        estimator._refuse_of_ensemble(self.name)
        raise AttributeError(f"{self.name} is there after fit.")


class EnsembleMixin:
    """What an estimator with ``n_estimators`` networks has besides those."""

    if TYPE_CHECKING:  # what BaseDeepGLM has
        n_estimators: int
        n_jobs: int | None
        random_state: Any
        verbose: int
        family_: Any
        link_: Any
        n_outputs_: int
        _network: Any
        _weights: Array
        estimators_: list[Any]

        def _store(self, fit: Fit, specification: Specification) -> None: ...
        def _by_row(self, eta: Array) -> Array: ...

    loss_: Any = OfOneNetwork()
    loss_curve_: Any = OfOneNetwork()
    deviance_curve_: Any = OfOneNetwork()
    validation_loss_curve_: Any = OfOneNetwork()
    start_curves_: Any = OfOneNetwork()

    # ------------------------------------------------------------------ fit

    def _fit_ensemble(
        self,
        X: Array,
        y: Array,
        weight: Array,
        known: Array | None,
        spec: Specification,
        starts: Sequence[Array],
    ) -> list[Fit]:
        """Fit and keep the members; return their fits. Ctrl-C leaves those fitted so far."""
        states = member_states(self.random_state, self.n_estimators)
        waiting = spec.waiting or Waiting()
        if waiting.journal is not None:
            states = waiting.journal.drawn("members", states)
        per_member = most_searches(spec)
        specs = [
            replace(
                spec,
                seed=seed_of(state),
                start=starts[m] if m < len(starts) else None,
                waiting=waiting.of_member(m, per_member),
            )
            for m, state in enumerate(states)
        ]
        fits = _fit_members(X, y, weight, known, specs, self.n_jobs, waiting)
        for name in _OWN:
            self.__dict__.pop(name, None)
        self.estimators_ = [
            self._member(*found) for found in zip(states, fits, specs, strict=False)
        ]
        first = self.estimators_[0]
        for name in _SHARED:
            setattr(self, name, getattr(first, name))
        self.n_iter_ = max(member.n_iter_ for member in self.estimators_)
        whole = len(fits) == self.n_estimators
        self.converged_ = whole and all(member.converged_ for member in self.estimators_)
        chosen = {member.balance_ for member in self.estimators_}
        self.balance_ = chosen.pop() if len(chosen) == 1 else None
        eta = self._mean_predictor(self._predictors(X, known))
        at_means = Rows(np.empty((len(X), 0)), y, weight, eta)
        objective, nothing = linear_objective(at_means, self.family_, False), np.empty(0)
        self.deviance_ = 2.0 * objective.mean_loss(nothing) * objective.total_weight
        self.dispersion_ = pearson_dispersion(objective, nothing, 0)
        return fits

    def _member(self, random_state: int, fit: Fit, spec: Specification) -> Self:
        """Return the estimator that, fitted by itself with this seed, gives this fit."""
        own = {"n_estimators": 1, "n_jobs": None, "random_state": random_state}
        member: Any = type(self)(**{**self.get_params(deep=False), **own})  # type: ignore[attr-defined]
        for name in _ENTERED:
            if hasattr(self, name):
                setattr(member, name, getattr(self, name))
        member._store(fit, spec)
        return member

    # -------------------------------------------------------------- predict

    @property
    def _is_ensemble(self) -> bool:
        return bool(self.__dict__.get("estimators_"))

    def _refuse_of_ensemble(self, name: str) -> None:
        """Raise AttributeError if this is an ensemble: ``name`` belongs to one network."""
        if self._is_ensemble:
            raise AttributeError(
                f"{name} belongs to one network, but this model is an ensemble of "
                f"{len(self.estimators_)}. See {name} of each of estimators_."
            )

    def _predictors(self, rows: Array, known: Array | None) -> Array:
        """Return eta = network(x) + offset of each network, (k, n, K), k = 1 for one."""
        if self._is_ensemble:
            members = self.estimators_
            eta = np.stack([m._network.linear_predictor(m._weights, rows) for m in members])
        else:
            eta = self._network.linear_predictor(self._weights, rows)[None]
        if known is not None:
            eta += known
        return eta

    def _predictors_at(
        self, X: ArrayLike, offset: ArrayLike | None, exposure: ArrayLike | None
    ) -> Array:
        """Return eta of each network, (k, n, K), for X as given."""
        X, offset, exposure = known_columns(self, X, offset, exposure)
        rows = known_inputs(self, X)
        known = check_offset(offset, exposure, self.family_, len(rows), self.n_outputs_)
        return self._predictors(rows, known)

    def _predictor_of(self, rows: Rows) -> Array:
        """Return eta of rows, (n, K), their offset in it; of an ensemble g(mu)."""
        return self._mean_predictor(self._predictors(rows.X, rows.offset))

    def _mean_predictor(self, eta: Array) -> Array:
        """Return g(mu), (n, K), mu the mean over the networks."""
        return eta[0] if len(eta) == 1 else self.link_.average(eta)

    def coefficient_of_variation(
        self, X: ArrayLike, offset: ArrayLike | None = None, exposure: ArrayLike | None = None
    ) -> Array:
        """Return s / |mu|, s the standard deviation of the mean over the members, row by row.

        How much the prediction of one network depends on its random start (and batches):
        that of the ensemble does 1 / sqrt(k) times as much. It is not the uncertainty of the
        data, nor that of the parameters, which all members share.

        Parameters
        ----------
        X, offset, exposure
            As of ``predict``. Under the log link offsets and exposure change nothing.

        Returns
        -------
        array
            Shaped as what ``predict`` returns, of a classifier as ``predict_proba``, with the
            divisor k - 1 in s. 0 where all members agree; inf where mu is 0 and they do not;
            NaN where the link gives a member no mean.

        Raises
        ------
        ValueError
            The model is one network: ``n_estimators=1``, or no hidden layers.

        References
        ----------
        Richman and Wüthrich (2020), "Nagging predictors", Risks 8(3), 83, section 4.2.
        """
        check_is_fitted(self)
        if not self._is_ensemble:
            raise ValueError(
                "coefficient_of_variation() is that over the members of an ensemble, but this "
                "model is one fit. Fit with n_estimators=10, say, and hidden layers: without "
                "them all members would be the same."
            )
        means = self._by_row(self._predictors_at(X, offset, exposure))
        with np.errstate(divide="ignore", invalid="ignore"):
            spread = means.std(axis=0, ddof=1)
            return np.where(spread == 0, 0.0, spread / np.abs(means.mean(axis=0)))


def over_members(values: Array) -> Array:
    """Return the mean over the first axis, exactly the value where there is one."""
    return values[0] if len(values) == 1 else np.asarray(values.mean(axis=0))


def member_states(random_state: Any, n_estimators: int) -> list[int]:
    """Return ``random_state`` of each member: an integer is that of the first itself.

    So the first is the single network, and those of k the first of any larger ensemble.

    Examples
    --------
    >>> member_states(7, 3)[:2] == member_states(7, 2)
    True
    """
    rng = check_random_state(random_state)
    given = isinstance(random_state, Integral)
    drawn = [int(rng.randint(_LARGEST_SEED)) for _ in range(n_estimators - given)]
    return [int(random_state), *drawn] if given else drawn


def seed_of(random_state: Any) -> int:
    """Return the seed of one fit."""
    return int(check_random_state(random_state).randint(_LARGEST_SEED))


def check_ensemble(estimator: BaseEstimator, law: ExponentialFamily) -> None:
    """Raise if what is asked for belongs to one network, or differs between members."""
    k = estimator.n_estimators
    if law.unknown is not None:
        raise ValueError(
            f"an ensemble has one law, but each member would have its own estimate of "
            f"{law.unknown.name} of {type(law).__name__}. Estimate it by a fit with "
            f"n_estimators=1, and give the family_ of that fit as family; here n_estimators={k}."
        )
    if estimator.store_covariance:
        raise ValueError(
            "store_covariance=True keeps the covariance of the parameters of one network, but "
            f"n_estimators={k}. Set n_estimators=1 or store_covariance=False."
        )


def require_one_network(estimator: BaseEstimator, what: str, remedy: str) -> None:
    """Raise ValueError if the fitted estimator is an ensemble."""
    if estimator._is_ensemble:
        raise ValueError(
            f"{what} needs the parameters of one network, but this model is an ensemble of "
            f"{len(estimator.estimators_)}. {remedy}"
        )


def _fit_members(
    X: Array,
    y: Array,
    weight: Array,
    known: Array | None,
    specs: list[Specification],
    n_jobs: int | None,
    waiting: Waiting,
) -> list[Fit]:
    """Fit one network for each specification, to bits the same wherever it happens.

    So BLAS has one thread everywhere, and arrays are laid out as they arrive in another
    process: contiguous. One weight for all rows stays without memory: it sums in another order.
    The GLM that the networks have in them is the same for all.

    Ctrl-C leaves the members fitted so far; of the first alone what it is.
    """
    X, y = _contiguous(X), _contiguous(y)
    w = weight[:1] if weight.strides == (0,) else _contiguous(weight)
    offset = None if known is None else _contiguous(known)
    with at_most(1):  # for threads: a limit holds for the process, and ends in any order
        glm = nested_glm(X, y, _for_rows(w, X), offset, specs[0]) if specs[0].nests_glm else None
        tasks = [delayed(_fit_member)(X, y, w, offset, spec, glm) for spec in specs]
        found = _as_they_come(n_jobs)(tasks)
        total = float(_for_rows(w, X).sum())
        shown = waiting.counting(
            found, len(specs), "member", lambda fit: f"deviance={fit.deviance / total:.5g}"
        )
        return _until_interrupted(shown)


def _as_they_come(n_jobs: int | None) -> Parallel:
    """Return what gives each result when it is there, where the backend can do that."""
    try:
        return Parallel(n_jobs=n_jobs, return_as="generator")
    except ValueError:
        return Parallel(n_jobs=n_jobs)


def _until_interrupted(found: Iterable[Fit]) -> list[Fit]:
    """Return the fits up to Ctrl-C; the last was cut short only if it is the first."""
    fits: list[Fit] = []
    try:
        for fit in found:
            if fit.solution.ended_by == "interrupt":
                return fits or [fit]
            fits.append(fit)
    except KeyboardInterrupt:
        if not fits:
            raise
        raise_if_repeated()
    return fits


def _contiguous(array: Any) -> Any:
    """Return the array, copied if it is contiguous in neither order; sparse rows always are."""
    if isinstance(array, ShiftedSparse):
        return array
    flags = array.flags
    return array if flags.c_contiguous or flags.f_contiguous else np.ascontiguousarray(array)


def _fit_member(
    X: Array,
    y: Array,
    weight: Array,
    known: Array | None,
    spec: Specification,
    glm: Fit | None,
) -> Fit:
    y, weight = np.asarray(y), np.asarray(weight)  # memory maps, in another process
    X = X if isinstance(X, ShiftedSparse) else np.asarray(X)
    offset = None if known is None else np.asarray(known)
    with at_most(1):
        return fit_nested(X, y, _for_rows(weight, X), offset, spec, glm)


def _for_rows(weight: Array, X: Array) -> Array:
    """Return the weights of the rows, from one weight without memory."""
    return np.broadcast_to(weight[0], len(X)) if len(weight) < len(X) else weight
