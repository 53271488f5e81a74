"""Mean and dispersion in turns: each a model of its own, given the other."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning

from families import Array, ExponentialFamily
from glmnet_nn.estimators._network_inference import at_the_fit
from glmnet_nn.estimators._tables import known_matrix
from glmnet_nn.estimators._task import PRIOR_PRECISION
from glmnet_nn.exceptions import BoundaryWarning
from glmnet_nn.inference.weights import Weighting
from glmnet_nn.training.anderson import Anderson
from glmnet_nn.training.data import Rows
from glmnet_nn.training.dispersion import leverages, working_dispersion

_TOL = {"newton": 1e-7, "lbfgs": 1e-2, "newton_cg": 1e-2}  # last move, in standard errors
_ROUNDS = 100
_EPOCHAL_ROUNDS = 3  # of adam: the second means are efficient (Carroll and Ruppert 1982)
_EXACT = 1e-12  # of the null deviance: less is rounding
_AT_THE_FLOOR = 10.0
_FARTHEST = 1.0  # change of a log phi in one step of scoring
_NEAR = 0.1  # largest change of a log phi from which on steps are accelerated


@dataclass(frozen=True)
class Observations:
    """Rows of positive weight, as either model sees them.

    ``X`` and ``Z`` are the features of the mean and of the dispersion; offsets are (n,)
    or None.
    """

    X: Any
    Z: Any
    y: Array
    weights: Weighting
    offset: Array | None
    dispersion_offset: Array | None

    @property
    def members(self) -> Array:
        """How many observations a row is."""
        return np.asarray(self.weights.total / self.weights.precision)

    def deviance(self, family: ExponentialFamily, eta: Array) -> Array:
        """Return the unit deviances times the precisions."""
        return np.asarray(2.0 * family.loss(self.y, eta) * self.weights.precision)

    def working(
        self,
        family: ExponentialFamily,
        eta: Array,
        phi: Array,
        leverage: Array,
        saddlepoint: bool,
        least: float,
    ) -> tuple[Array, Array]:
        """Return response, none below ``least``, and weight of one observation of each row."""
        precision = self.weights.precision
        deviance = self.deviance(family, eta) / precision
        response, information = working_dispersion(
            family, self.y, deviance, phi / precision, leverage, saddlepoint
        )
        return np.maximum(response * precision, least), information

    def leverages(self, mean: BaseEstimator, phi: Array) -> Array:
        """Return the leverage of one observation of each row in the fitted mean, (n,)."""
        X: Array = known_matrix(mean, self.X, dtype=np.float64)
        offset = None if self.offset is None else self.offset[:, None]
        rows = Rows(X, self.y[:, None], self.weights.total / phi, offset)
        return leverages(*at_the_fit(mean, rows)) / self.members

    def log_likelihood(self, family: ExponentialFamily, eta: Array, phi: Array) -> float:
        """Return sum_i log f(y_i | mu_i, phi_i), every observation of a row a term."""
        own = phi / self.weights.precision
        each = family.log_saturated(self.y, own) - family.loss(self.y, eta) / own
        return float(self.members @ each)


@dataclass(frozen=True)
class State:
    """The fit after a round: eta and phi of each row, and what phi was fitted to."""

    eta: Array
    phi: Array
    response: Array
    information: Array


class Alternation:
    """Fit the mean at the present phi, the dispersion at the present mean, until both rest.

    The score equations of both hold at the end, and so those of the joint likelihood. As
    the parameters of mean and dispersion are orthogonal (Cox and Reid 1987), a round leaves
    about 1 / n of the error of the one before.

    Parameters
    ----------
    mean, dispersion : DeepGLMRegressor
        Not fitted; ``dispersion`` of the Gamma law with log link. Both are fitted in place.
    data : Observations
    residual : bool
        Whether the score of the dispersion is freed of the leverage of the mean.
    saddlepoint : bool
        Whether its likelihood is approximated.
    max_iter, tol
        Rounds, and the move of a round at which to stop, or "auto".
    report : callable, optional
        Told the round and its log-likelihood.
    """

    def __init__(
        self,
        mean: Any,
        dispersion: Any,
        data: Observations,
        *,
        residual: bool,
        saddlepoint: bool,
        max_iter: str | int,
        tol: str | float,
        report: Any = None,
    ) -> None:
        self.mean = _Head(mean)
        self.dispersion = _Head(dispersion, stepwise=True)
        self.data = data
        self.residual = residual
        self.saddlepoint = saddlepoint
        self._asked = max_iter, tol
        self._report = report
        self.log_likelihoods: list[float] = []
        self.converged = False
        self.n_iter = 0
        self._anderson = Anderson()

    def run(self) -> State:
        """Alternate; return the last state.

        Warns
        -----
        BoundaryWarning
            The likelihood has no maximum: it grows as some dispersions fall to 0.
        ConvergenceWarning
            The last round still moved the fit; and whatever the last fit of either says.
        """
        data, state, moved = self.data, self._start(), np.inf
        rounds, tol = self._schedule()
        while not self.converged and self.n_iter < rounds:
            before = state
            state = self._round(before)
            moved = self._move(before, state)
            self.n_iter += 1
            self.log_likelihoods.append(data.log_likelihood(self.family, state.eta, state.phi))
            if self._report is not None:
                self._report(self.n_iter, self.log_likelihoods[-1])
            self.converged = tol is not None and moved <= tol
        if self.converged:
            state = replace(state, phi=self._settled(state))
        self.mean.finish()
        self.dispersion.finish()
        self._warn_of_floor(state)
        if tol is None:
            self.converged = True
        elif not self.converged:
            warnings.warn(
                f"mean and dispersion did not come to rest in {self.n_iter} rounds: the last "
                f"moved them by {moved:.2g} standard errors, and tol is {tol:g}. Raise max_iter "
                "or tol; a stronger alpha of the dispersion helps where it overfits.",
                ConvergenceWarning,
                stacklevel=4,
            )
        return state

    def _schedule(self) -> tuple[int, float | None]:
        """Return the most rounds and the tolerance; None where adam never rests."""
        max_iter, tol = self._asked
        solvers = {self.mean.solver, self.dispersion.solver}
        epochal = "adam" in solvers and tol == "auto"
        usual = _EPOCHAL_ROUNDS if epochal else _ROUNDS
        rounds = usual if isinstance(max_iter, str) else int(max_iter)
        if not isinstance(tol, str):
            return rounds, float(tol)
        return rounds, None if epochal else max(_TOL[solver] for solver in solvers)

    @property
    def family(self) -> ExponentialFamily:
        """The law of y."""
        law: ExponentialFamily = self.mean.model.family_
        return law

    # ---------------------------------------------------------------- rounds

    def _start(self) -> State:
        """Return the fit of a constant dispersion."""
        data, total = self.data, self.data.weights.total
        self.mean.fit(data.X, data.y, total, data.offset)
        self.dispersion.stepwise &= self.mean.solver != "adam"  # few rounds
        self.least = _EXACT * (self.mean.model.null_deviance_ / float(total.sum()) or 1.0)
        eta = self.mean.linear_predictor(data.X, data.offset)
        leverage = self._leverages(np.ones(len(eta)))
        freedom = float(data.members @ (1.0 - leverage))
        deviance = float(data.members @ data.deviance(self.family, eta))
        phi = deviance / freedom if freedom > _EXACT * float(data.members.sum()) else 0.0
        return self._with_dispersion(eta, np.full(len(eta), max(phi, self.least)), leverage)

    def _round(self, state: State) -> State:
        """Return the next state."""
        data, weight = self.data, self.data.weights.total / state.phi
        self.mean.precision_prior(float(weight.sum()))
        self.mean.fit(data.X, data.y, weight, data.offset)
        eta = self.mean.linear_predictor(data.X, data.offset)
        return self._with_dispersion(eta, state.phi, self._leverages(state.phi))

    def _leverages(self, phi: Array) -> Array:
        if self.residual:
            return self.data.leverages(self.mean.model, phi)
        return np.zeros(len(phi))

    def _with_dispersion(self, eta: Array, phi: Array, leverage: Array) -> State:
        """Return the state after fitting the dispersion, from this phi."""
        data = self.data
        response, information = data.working(
            self.family, eta, phi, leverage, self.saddlepoint, self.least
        )
        weight = data.members * information
        self.dispersion.precision_prior(float(weight.sum()))
        if self.dispersion.stepwise:
            self._step(phi, response, weight)
        else:
            self.dispersion.fit(data.Z, response, weight, data.dispersion_offset)
        return State(eta, self._phi(), response, information)

    def _step(self, phi: Array, response: Array, weight: Array) -> None:
        """Move the dispersion by one step of scoring: shortened if long, accelerated if short."""
        data, head = self.data, self.dispersion
        if head.weights is None:
            head.fit(data.Z, phi, weight, data.dispersion_offset)
        before, zeta = head.weights, head.linear_predictor(data.Z, data.dispersion_offset)
        head.fit(data.Z, response, weight, data.dispersion_offset)
        turned = head.linear_predictor(data.Z, data.dispersion_offset) - zeta
        largest = float(np.abs(turned).max())
        if largest > _NEAR:
            self._anderson.forget()
            head.weights = before + min(1.0, _FARTHEST / largest) * (head.weights - before)
        else:
            head.weights = self._anderson.next(before, head.weights, np.sqrt(weight) * turned)

    def _settled(self, state: State) -> Array:
        """Return phi after all the steps of scoring, not one, to the last working response."""
        if self.dispersion.stepwise:
            data, weight = self.data, self.data.members * state.information
            self.dispersion.stepwise = False
            self.dispersion.fit(data.Z, state.response, weight, data.dispersion_offset)
        return self._phi()

    def _phi(self) -> Array:
        zeta = self.dispersion.linear_predictor(self.data.Z, self.data.dispersion_offset)
        return np.exp(np.maximum(zeta, np.log(self.least)))

    # -------------------------------------------------------------- measures

    def _move(self, before: State, after: State) -> float:
        """Return the distance in standard errors: the root of twice the divergence of the laws."""
        fisher = self.family.fisher_weight(after.eta) / after.phi
        of_mean = self.data.weights.total @ (fisher * np.square(after.eta - before.eta))
        turned = np.square(np.log(after.phi / before.phi))
        of_dispersion = self.data.members @ (after.information * turned)
        return float(np.sqrt(of_mean + of_dispersion))

    def _warn_of_floor(self, state: State) -> None:
        fallen: NDArray[np.intp] = np.flatnonzero(state.phi <= _AT_THE_FLOOR * self.least)
        if len(fallen):
            warnings.warn(
                f"The likelihood has no maximum: the mean model reproduces y in {len(fallen)} of "
                f"{len(state.phi)} rows (the first: {fallen[:5].tolist()}), which the dispersion "
                "model can tell from any others, and their dispersion falls to 0; it is reported "
                f"as {self.least:.3g}. Use method='reml', fewer features of the dispersion, or "
                "alpha > 0 for either model.",
                BoundaryWarning,
                stacklevel=5,
            )


class _Head:
    """One of the two models: fitted again and again, each time from where it was.

    ``stepwise`` scoring takes one step a fit: the likelihood of few rows may have no bound
    where the mean reproduces some of them, and fitted to its end in the first rounds, the
    dispersion runs there past a maximum. By steps it finds it, as R's ``dglm`` and
    ``remlscore`` do. Warnings are those of the last fit, told by :meth:`finish`.
    """

    def __init__(self, model: Any, stepwise: bool = False) -> None:
        self.model = model
        self.stepwise = (
            stepwise and not model._hidden_sizes() and model.solver in ("auto", "newton")
        )
        self._of_fit = {name: getattr(model, name) for name in ("max_iter", "balance")}
        self._given = {name: getattr(model, name) for name in ("alpha", "warm_start", "n_init")}
        self._is_auto = isinstance(model.alpha, str) and bool(model._hidden_sizes())
        self._shape: Array | None = None
        self._said: list[warnings.WarningMessage] = []

    @property
    def weights(self) -> Any:
        """The parameters, None before the first fit."""
        return getattr(self.model, "_weights", None)

    @weights.setter
    def weights(self, weights: Array) -> None:
        self.model._weights = weights

    @property
    def solver(self) -> str:
        """The solver in use."""
        return str(self.model.solver_)

    def precision_prior(self, total: float) -> None:
        """Let alpha="auto" be a prior of precision 10 on log-likelihoods with sum w = total.

        The dispersion is in the weights, and so 1. Weights of the output layer keep the
        unit that the first fit, if there was one, has found for them.
        """
        if self._is_auto:
            ratio = np.ones(1) if self._shape is None else self._shape
            self.model.set_params(alpha=PRIOR_PRECISION / total * ratio)

    def fit(self, X: Any, y: Array, weight: Array, offset: Array | None) -> None:
        """Fit from the parameters of the fit before."""
        of_step = {"max_iter": 1, "balance": None} if self.stepwise else {}
        self.model.set_params(**{**self._of_fit, **of_step})
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            self.model.fit(X, y, sample_weight=weight, offset=offset)
        self._said = said
        if self._shape is None:
            alpha = np.asarray(self.model.alpha_)
            self._shape = alpha / alpha[0] if self._is_auto else alpha
        self.model.set_params(warm_start=True, n_init=1)

    def linear_predictor(self, X: Any, offset: Array | None) -> Array:
        """Return eta, (n,)."""
        return np.asarray(self.model.linear_predictor(X, offset=offset))

    def finish(self) -> None:
        """Give the model its parameters back, and say what its last fit had to say."""
        self.model.set_params(**self._given, **self._of_fit)
        for told in self._said:
            if not (self.stepwise and issubclass(told.category, ConvergenceWarning)):
                warnings.warn(told.message, stacklevel=5)
