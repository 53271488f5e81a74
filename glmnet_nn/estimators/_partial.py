"""One more epoch: ``partial_fit``, for rows that come in blocks or models that go on learning.

The first call sets what all later ones need: the scaling of the inputs, the unit of y, the
prior, the start. Then each is the next epoch of one run of Adam, whose state lies in memory
between the calls as a checkpoint of ``fit`` does in its file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.metaestimators import available_if

from families import Array, ExponentialFamily
from glmnet_nn.estimators._ensemble import require_one_network
from glmnet_nn.estimators._fit import Fit, Task
from glmnet_nn.estimators._nested import nested_glm
from glmnet_nn.estimators._search import random_start
from glmnet_nn.estimators._task import (
    Specification,
    mean_curvature,
    objective_of,
    prior,
    scaled_inputs,
    searched,
)
from glmnet_nn.estimators._validation import check_estimable, is_estimable
from glmnet_nn.estimators._waiting import Iteration, Lines, in_unit
from glmnet_nn.network import Embedding, Layer, Layout
from glmnet_nn.training.data import Rows
from glmnet_nn.training.inputs import Inputs, unfolded
from glmnet_nn.training.objective import Objective
from glmnet_nn.training.solvers import Adam, Memory, Solution, State, initial_state
from glmnet_nn.training.start import feasible_start, null_model
from glmnet_nn.training.units import AS_GIVEN, Units, units_of


@dataclass(frozen=True)
class Learner:
    """What ``partial_fit`` keeps from one call to the next.

    Attributes
    ----------
    inputs : Inputs
        The scaling: that of the first call, or of the fit before it.
    alpha : list of float
        The penalty, where the constructor says "auto".
    unit, middle, of_y, of_loss
        Those of y: see :class:`glmnet_nn.training.units.Units`.
    curvature : float
        The mean Fisher weight of the null model of the first call.
    weight, n_rows
        The sum of its weights and the number of its rows: their ratio counts as a weight of 1.
    n_steps : int or None
        Steps of the one-cycle schedule, if it has an end.
    state : dict
        That of Adam.
    deviances : list of float
        The mean deviance of each epoch, in the unit of y.
    """

    inputs: Inputs
    alpha: list[float]
    unit: float
    middle: Array
    of_y: float
    of_loss: float
    curvature: float
    weight: float
    n_rows: int
    n_steps: int | None
    state: State
    deviances: list[float]

    @property
    def units(self) -> Units:
        """The unit of y."""
        units = Units(self.unit, self.middle, self.of_y, self.of_loss)
        ones = (units.unit, units.of_y, units.of_loss) == (1.0, 1.0, 1.0)
        return AS_GIVEN if ones and not units.middle.any() else units


class PartialFit:
    """What the two estimators' ``partial_fit`` share."""

    if TYPE_CHECKING:  # what the estimators have
        max_iter: str | int
        verbose: int
        alpha_: list[float]
        family_: ExponentialFamily
        n_features_in_: int
        embedding_size: Any
        _embeddings: tuple[Embedding, ...]
        _inputs: Inputs
        _network: Any
        _weights: Array

        def _store(self, fit: Fit, specification: Specification) -> None: ...
        def _asked_layout(self, n_features: int, n_outputs: int) -> Layout: ...

    def _learn(
        self, X: Array, y: Array, weight: Array, offset: Array | None, spec: Specification
    ) -> Fit:
        """Train for one epoch over validated rows, and keep what was learned."""
        _require_adam(self, spec)
        spec = replace(spec, balance=None if spec.balance == "auto" else spec.balance)
        rows = Rows(X, y, weight, offset, spec.trials)
        if hasattr(self, "family_"):
            self._check_same(rows, spec)
        learner: Learner | None = self.__dict__.get("_learner")
        if learner is None:
            learner = self._begun(rows, spec)
        alpha = learner.alpha if spec.alpha is None else spec.alpha
        inputs, units = learner.inputs, learner.units
        objective = objective_of(rows, inputs, alpha, units, spec)
        narrow = searched(objective, spec)
        solution, state = _epoch(narrow, learner, spec)
        if solution.converged:
            deviance = 2.0 * (solution.loss_curve[-1] - narrow.penalty.value(solution.w))
            deviances = [*learner.deviances, deviance * units.of_loss]
            learner = replace(learner, state=state, deviances=deviances)
        curve = tuple(learner.deviances)
        wide = narrow.network.layout.widened(solution.w)
        solution = replace(in_unit(solution, units.of_loss), w=wide, deviance_curve=curve)
        intercept, null_loss = np.empty(0), np.nan
        if is_estimable(spec.family, y, weight):
            intercept, null_loss = null_model(rows, spec.family)
        task = Task(
            rows, spec, inputs, inputs, units, alpha, False, objective, intercept, null_loss
        )
        fit, n_rows = task.fit(solution), (self.__dict__.get("t_") or 0) + len(rows)
        self._store(fit, spec)
        self._learner, self.t_ = learner, n_rows
        if self.verbose:
            with Lines(type(self).__name__).following(1, "") as tell:
                deviance = fit.deviance / float(weight.sum())
                tell(Iteration(solution.n_iter, solution.value, deviance))
        return fit

    def _check_same(self, rows: Rows, spec: Specification) -> None:
        """Raise unless the call is for the network and the law that were fitted."""
        remedy = "See fit() or sklearn.base.clone() to start anew."
        require_one_network(self, "partial_fit()", remedy)
        layout, asked = self._network.layout, self._asked_layout(rows.X.shape[1], rows.y.shape[1])
        if asked != layout:
            raise ValueError(
                f"partial_fit() continues the network that was fitted, {layout}, but now it is "
                f"{asked}. {remedy}"
            )
        if spec.embeddings != self._embeddings:
            before, now = ([at.size for at in of] for of in (self._embeddings, spec.embeddings))
            raise ValueError(
                "partial_fit() continues the network that was fitted, with embeddings of sizes "
                f"{before}, but embedding_size={self.embedding_size!r} now makes them {now}. "
                f"{remedy}"
            )
        if spec.family != self.family_:
            raise ValueError(
                f"partial_fit() continues the model that was fitted, of {self.family_!r}, but now "
                f"the family is {spec.family!r}. {remedy}"
            )

    def _begun(self, rows: Rows, spec: Specification) -> Learner:
        """Return what the first call sets: as a fit would, or from the fit there was."""
        mean = _with_missing_classes(rows, spec, getattr(self, "classes_", None))
        rng = np.random.default_rng([spec.seed, 0])
        known = is_estimable(spec.family, rows.y, rows.weight)
        units = units_of(rows, spec.family, spec.fit_intercept) if known else AS_GIVEN
        if hasattr(self, "family_"):
            inputs, alpha = self._inputs, list(self.alpha_)
            objective = objective_of(rows, inputs, alpha, units, spec)
            layout = searched(objective, spec).network.layout
            fitted = unfolded(layout.plain, inputs, self._weights)
            start = layout.opened(units.seen(layout.plain, fitted))
            sound = is_estimable(spec.family, mean.y, mean.weight)
            intercept = null_model(mean, spec.family)[0] if sound else np.full(1, -np.inf)
        else:
            check_estimable(spec.family, mean.y, mean.weight)
            intercept, null_loss = null_model(mean, spec.family)
            inputs = scaled_inputs(rows, spec)
            alpha = spec.alpha or prior(rows, inputs, spec, null_loss)
            objective = objective_of(rows, inputs, alpha, units, spec)
            seen, glm = (intercept - units.middle) / units.unit, _around(rows, intercept, spec)
            layout = searched(objective, spec).network.layout
            start = random_start(layout, inputs, seen, units, glm, rng)
            if not spec.hidden:
                start = feasible_start(objective, start)
        planned = self.max_iter != "auto" and spec.schedule == "one_cycle"
        return Learner(
            inputs=inputs,
            alpha=alpha,
            **vars(units),
            curvature=mean_curvature(objective, (intercept - units.middle) / units.unit),
            weight=float(rows.weight.sum()),
            n_rows=len(rows),
            n_steps=spec.max_iter * -(-len(rows) // spec.batch_size) if planned else None,
            state=initial_state(start, rng),
            deviances=[],
        )


def _epoch(objective: Objective, learner: Learner, spec: Specification) -> tuple[Solution, State]:
    """Return the solution and the state after one more epoch; if it fails, those before it."""
    cycle = learner.n_steps if spec.schedule == "one_cycle" else None
    state = learner.state
    if cycle is not None and state["t"] >= cycle:
        raise ValueError(
            f"learning_rate='one_cycle' with max_iter={spec.max_iter} has come to its end, a rate "
            f"of 0 after {cycle} steps. Set learning_rate='constant' to go on, or a larger "
            "max_iter (or 'auto') before the first call."
        )
    rows = objective.rows
    part = Objective(
        rows,
        objective.family,
        objective.network,
        objective.penalty,
        learner.weight * (len(rows) / learner.n_rows),
    )
    adam = Adam(
        epochs=len(state["curve"]) + 1,
        batch_size=min(spec.batch_size, len(rows)),
        learning_rate=spec.learning_rate,
        schedule="constant" if cycle is None else "one_cycle",
        n_steps=cycle or 1,
        shuffle=spec.shuffle,
        eps=1e-6 * learner.curvature,
    )
    memory = Memory(state)
    solution = adam.solve(part, state["w"], keeper=memory)
    assert memory.state is not None
    return solution, memory.state


def _with_missing_classes(rows: Rows, spec: Specification, classes: Any) -> Rows:
    """Return rows that determine a null model of all classes.

    Those of the first call or, where they lack a class, one row more, shared by all.
    """
    if classes is None or is_estimable(spec.family, rows.y, rows.weight):
        return rows
    K = rows.y.shape[1]
    shared = np.full((1, K), 1.0 / K if spec.family.event_ndim else 0.5)
    offset = None
    if rows.offset is not None:
        offset = np.concatenate([rows.offset, np.zeros((1, rows.offset.shape[1]))])
    return Rows(
        np.empty((len(rows) + 1, 0)),
        np.concatenate([rows.y, shared]),
        np.append(rows.weight, rows.weight.mean()),
        offset,
    )


def _around(rows: Rows, intercept: Array, spec: Specification) -> Layer | None:
    """Return the GLM that the network starts at, if it has one in it."""
    if spec.nests_glm:
        check_estimable(spec.family, rows.y, rows.weight)
        glm = nested_glm(rows.X, rows.y, rows.weight, rows.offset, spec)
        layer: Layer = glm.network.layout.layers(glm.weights)[0]
        return layer
    if spec.hidden:
        nothing = np.zeros((rows.y.shape[1], rows.X.shape[1]))
        return Layer(nothing, intercept if spec.fit_intercept else None)
    return None


_ONE_CALL = {  # what takes all rows, or more than one call, and what to do instead
    "early_stopping": (False, "Score held-out rows of your own between the calls."),
    "n_init": (1, "Compare models of several random_state after some calls."),
    "n_estimators": (1, "Call partial_fit() of models of several random_state."),
    "polish_output": (False, "The output layer cannot be scored on a part of the rows."),
    "store_covariance": (False, "Call inference(X, y) when training is over."),
    "checkpoint": (None, "Keep the model between calls by save_model()."),
}


def _require_adam(estimator: Any, spec: Specification) -> None:
    """Raise if "auto" has chosen another solver."""
    if spec.solver != "adam":
        raise ValueError(
            f"partial_fit() trains by mini-batches, but solver={estimator.solver!r} is "
            f"{spec.solver!r} for this model, which needs all rows. Set solver='adam'."
        )


def check_known(law: ExponentialFamily) -> None:
    """Raise if a parameter of the law is to be estimated."""
    if law.unknown is not None:
        raise ValueError(
            f"partial_fit() takes {law.unknown.name} of {type(law).__name__} as known, but {law!r} "
            "asks for its estimate, which takes all rows. Estimate it by fit() on some of them, "
            "and give the family_ of that fit as family."
        )


def _trains_by_batches(estimator: Any) -> bool:
    """Tell whether the constructor asks for what rows in parts can give; raise if not."""
    solver = estimator.solver
    if solver != "adam" and not (solver == "auto" and np.size(estimator.hidden_layer_sizes)):
        raise AttributeError(
            f"partial_fit() trains by mini-batches, but solver={solver!r} with hidden_layer_sizes="
            f"{estimator.hidden_layer_sizes!r} uses all rows in each step. Set solver='adam'."
        )
    for name, (only, remedy) in _ONE_CALL.items():
        given = getattr(estimator, name)
        if given != only:
            raise AttributeError(
                f"partial_fit() needs {name}={only!r}, but {name}={given!r}. {remedy}"
            )
    if estimator.skip_connection == "fixed":
        raise AttributeError(
            "partial_fit() needs skip_connection=True or False, but 'fixed' holds beta at the GLM "
            "of all rows, which one call has not. Pass the linear predictor of a GLM as offset."
        )
    return True


def by_batches(method: Callable[..., Any]) -> Any:
    """Return the method, there for estimators whose solver can go on with other rows."""
    return available_if(_trains_by_batches)(method)
