"""What the regressor and the classifier share: fit and linear predictor."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from families import Array, ExponentialFamily
from glmnet_nn.estimators import _choices
from glmnet_nn.estimators._bias_reduction import check_bias_reduction
from glmnet_nn.estimators._blockwise import BlockwiseMixin
from glmnet_nn.estimators._callbacks import CallbackSupportMixin, end_callbacks, watched
from glmnet_nn.estimators._checkpoint import checkpointed
from glmnet_nn.estimators._embedding import EmbeddingMixin, embeddings_of
from glmnet_nn.estimators._ensemble import EnsembleMixin, check_ensemble, seed_of
from glmnet_nn.estimators._fit import Fit
from glmnet_nn.estimators._from_formula import FromFormulaMixin
from glmnet_nn.estimators._inference_fit import InferenceFit, polished_network
from glmnet_nn.estimators._local import LocalCoefMixin
from glmnet_nn.estimators._notices import warn_of_fits
from glmnet_nn.estimators._parameters import Parameters
from glmnet_nn.estimators._partial import PartialFit, check_known
from glmnet_nn.estimators._profile import LawEstimate, fit_law
from glmnet_nn.estimators._sparse import check_sparse
from glmnet_nn.estimators._statistics import StatisticsMixin
from glmnet_nn.estimators._tables import TableMixin, fitted_matrix, known_rows
from glmnet_nn.estimators._task import Specification, layout_of
from glmnet_nn.estimators._validation import (
    COMPRESSED,
    as_inputs,
    check_estimable,
    present_rows,
)
from glmnet_nn.inference import Estimate, Search
from glmnet_nn.network import Layout, Network, ShiftedSparse, laid_out
from glmnet_nn.training.data import Rows
from glmnet_nn.training.sources import Source


class BaseDeepGLM(
    BlockwiseMixin,
    TableMixin,
    FromFormulaMixin,
    LocalCoefMixin,
    EmbeddingMixin,
    StatisticsMixin,
    InferenceFit,
    PartialFit,
    EnsembleMixin,
    CallbackSupportMixin,
    Parameters,
):
    """The common part of fit, and the linear predictor."""

    _estimate: Estimate | None

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        attends = self.architecture == "local" and np.size(self.hidden_layer_sizes)
        tags.input_tags.sparse = not attends
        return tags

    # ------------------------------------------------------------------ fit

    def _fit(
        self,
        X: Array,
        y: Array,
        family: ExponentialFamily,
        sample_weight: ArrayLike | None,
        offset: ArrayLike | None,
        exposure: ArrayLike | None,
        trials: Array | None = None,
        *,
        told: tuple[Any, ...],
        for_inference: bool = False,
        partial: bool = False,
    ) -> None:
        """Fit to validated X, (n, p), and y, (n, K); rows of weight 0 are absent.

        ``trials`` are those that ``sample_weight`` counts already. X in single precision
        stays so for mini-batches, and for sums over many rows of a GLM. ``told`` are X, y,
        sample_weight, offset and exposure as the user gave them, for callbacks. ``partial``
        trains for an epoch.
        """
        law, family = family, family.initial
        if (for_inference or self.store_covariance) and self._coding is not None:
            X = laid_out(X)  # second derivatives take all numbers
        given = (X, y, sample_weight, offset, exposure)
        rows = present_rows(X, y, family, sample_weight, offset, exposure, trials)
        if partial:
            check_known(law)
        else:
            check_estimable(family, rows.y, rows.weight)
        specification, previous = self._specified(law, rows, rows.trials, for_inference, partial)
        X, y, weight, known = rows.X, rows.y, rows.weight, rows.offset
        hidden = specification.hidden
        for_inference = for_inference and bool(hidden)
        single = specification.solver == ("adam" if hidden else "newton") and law.unknown is None
        if for_inference or not single:
            X = X.astype(float, copy=False)
        if partial:
            warn_of_fits(self, [self._learn(X, y, weight, known, specification)], 1)
            return
        several = bool(hidden) and self.n_estimators > 1 and not for_inference
        k = self.n_estimators if several else 1
        data = {"X": X, "y": y, "sample_weight": weight, "offset": known, "trials": rows.trials}
        data |= {f"the start of warm_start, {m}": w for m, w in enumerate(previous)}
        specification, journal = checkpointed(self, specification, data)
        specification, callbacks = watched(
            self, specification, told, law, k, for_inference, journal
        )
        if several:
            fits = self._fit_ensemble(X, y, weight, known, specification, previous)
            warn_of_fits(self, fits, k)
            end_callbacks(callbacks)
            return
        search, estimate = None, None
        if for_inference:
            fit, search = polished_network(X, y, weight, known, specification)
        else:
            found = fit_law(X, y, weight, known, specification, law)
            fit, specification, estimate = found
        self._store(fit, specification, estimate, search)
        warn_of_fits(self, [fit], k)
        if self.store_covariance:
            self._estimate = self._own_estimate(*given)
        end_callbacks(callbacks)

    def _specified(
        self,
        law: ExponentialFamily,
        rows: Rows | Source,
        trials: Array | None = None,
        for_inference: bool = False,
        partial: bool = False,
    ) -> tuple[Specification, list[Array]]:
        """Return what to fit and how, and the parameters of each member to start from."""
        family, hidden = law.initial, self._hidden_sizes()
        alpha = self._alpha(len(hidden) + 1)
        penalised = bool(self.l1_ratio > 0 and (hidden if alpha is None else np.any(alpha)))
        safe = family.has_safe_link
        solver = _choices.choose_solver(self, hidden, penalised, safe, rows.is_resident)
        if isinstance(rows, Rows) and isinstance(rows.X, ShiftedSparse):
            solver = check_sparse(self, rows.X, hidden, alpha, solver, for_inference)
        _choices.check_architecture(self)
        _choices.check_balance(self, penalised)
        if self.bias_reduction:
            check_bias_reduction(self, law, hidden, alpha, solver)
        if bool(hidden) and self.n_estimators > 1 and not (for_inference or partial):
            check_ensemble(self, law)
        previous = [] if partial else self._previous_weights(rows.n_features, rows.n_outputs)
        specification = Specification(
            family=family,
            hidden=hidden,
            architecture=self.architecture if hidden else "dense",
            skip=self._skip() if hidden else False,
            activation=self.activation,
            alpha=alpha,
            l1_ratio=self.l1_ratio,
            group_lasso=self.group_lasso,
            fit_intercept=self.fit_intercept,
            standardize=self.standardize,
            solver=solver,
            max_iter=_choices.iterations(self, solver, len(rows)),
            tol=_choices.tolerance(self, solver),
            batch_size=_choices.batch_size(self, len(rows)),
            learning_rate=self.learning_rate_init,
            schedule=self.learning_rate,
            shuffle=self.shuffle,
            validation_fraction=self.validation_fraction if self.early_stopping else 0.0,
            patience=self.n_iter_no_change,
            n_init=self.n_init,
            start=previous[0] if previous else None,
            seed=seed_of(self.random_state),
            waiting=None,
            trials=trials,
            bias_reduction=self.bias_reduction,
            polish_output=self.polish_output,
            balance=self.balance,
            embeddings=embeddings_of(self, hidden),
        )
        if for_inference and hidden:
            specification = self._for_inference(specification, law)
        return specification, previous

    def _hidden_sizes(self) -> tuple[int, ...]:
        sizes = self.hidden_layer_sizes
        hidden = (sizes,) if isinstance(sizes, Integral) else tuple(sizes)
        if not all(isinstance(size, Integral) and size >= 1 for size in hidden):
            raise ValueError(
                f"hidden_layer_sizes must hold integers >= 1, but got {sizes!r}. "
                "Use () for the classical GLM."
            )
        return tuple(int(size) for size in hidden)

    def _skip(self) -> bool | str:
        """Return skip_connection, a bool of numpy's as one of Python's."""
        return (
            self.skip_connection if self.skip_connection == "fixed" else bool(self.skip_connection)
        )

    def _alpha(self, n_layers: int) -> list[float] | None:
        """Return one coefficient per layer, or None for "auto"."""
        if isinstance(self.alpha, str):
            return None
        alpha = np.atleast_1d(np.asarray(self.alpha, dtype=float))
        if alpha.shape not in ((1,), (n_layers,)) or not np.all((alpha >= 0) & (alpha < np.inf)):
            raise ValueError(
                f"alpha must be 'auto', a number >= 0 or {n_layers} of them, one per layer, "
                f"but got {self.alpha!r}."
            )
        return [float(a) for a in np.broadcast_to(alpha, n_layers)]

    def _asked_layout(self, n_features: int, n_outputs: int) -> Layout:
        """Return the layout that the constructor asks for, for X as given."""
        hidden = self._hidden_sizes()
        skip = bool(hidden and self.skip_connection)
        return layout_of(
            self.architecture, (n_features, *hidden, n_outputs), self.fit_intercept, skip
        )

    def _previous_weights(self, n_features: int, n_outputs: int) -> list[Array]:
        """Return the fitted parameters to start from, under ``warm_start``, of each member."""
        if not (self.warm_start and hasattr(self, "family_")):
            return []
        fitted = self.estimators_ if self._is_ensemble else [self]
        asked = self._asked_layout(n_features, n_outputs)
        layout = fitted[0]._network.layout
        if asked != layout:
            raise ValueError(
                f"warm_start=True continues the network of the last fit, {layout}, but now it is "
                f"{asked}. Set warm_start=False to start anew."
            )
        return [member._weights for member in fitted]

    def _store(
        self,
        fit: Fit,
        specification: Specification,
        law_estimate: LawEstimate | None = None,
        search: Search | None = None,
    ) -> None:
        """Keep what was learned of one network."""
        for name in ("estimators_", "_learner", "t_"):
            self.__dict__.pop(name, None)
        solution = fit.solution
        self.law_estimate_ = law_estimate
        self._search = Search(self.n_init) if search is None else search
        self._estimate = None
        self.family_ = specification.family
        self.link_ = self.family_.link
        self.solver_ = specification.solver
        self._network: Network = fit.network
        self._weights: Array = fit.weights
        self._inputs = fit.inputs
        self._embeddings = specification.embeddings
        self.alpha_ = fit.alpha
        self.n_iter_ = solution.n_iter
        self.loss_ = fit.loss
        self.loss_curve_ = list(solution.loss_curve)
        self.deviance_curve_ = list(solution.deviance_curve)
        self.validation_loss_curve_ = list(solution.validation_curve)
        self.start_curves_ = [
            {"deviance": list(of.deviance), "validation": list(of.validation)}
            for of in solution.searches
        ]
        self.converged_ = solution.converged
        self.balance_ = fit.balance
        self.deviance_ = fit.deviance
        self.null_deviance_ = fit.null_deviance
        self.dispersion_ = fit.dispersion
        self.n_layers_ = fit.network.depth + 2
        self.n_outputs_ = fit.network.layout.sizes[-1]
        self.out_activation_ = self.family_.link_name
        self.rank_ = fit.rank
        self.separated_rows_ = fit.separated_rows
        self._free_directions = fit.free
        if fit.estimable is not None:
            self.estimable_coef_ = fit.estimable

    @property
    def _codes_entries(self) -> bool:
        """Whether wide tables are coded without zeros: where a dense first layer takes them."""
        return bool(self._hidden_sizes()) and self.architecture == "dense"

    def _entered_matrix(
        self,
        X: Any,
        y: ArrayLike,
        sample_weight: ArrayLike | None,
        reset: bool = True,
        **checks: Any,
    ) -> tuple[Array, NDArray[Any]]:
        """Return X as numbers and y, checked; where eta has x beta, factors have a reference.

        Where a fit goes on (``reset=False``) X is coded as it has been.
        """
        linear = self.skip_connection is not False or self.architecture == "local"
        reference = linear or not self._hidden_sizes()
        checks["accept_sparse"] = COMPRESSED
        if not reset:
            rows, target = known_rows(self, X, y, sample_weight, **checks)
            return as_inputs(rows), target
        rows, target = fitted_matrix(self, X, y, sample_weight, reference=reference, **checks)
        return as_inputs(rows), target

    # -------------------------------------------------------------- predict

    def _linear_predictor(
        self, X: ArrayLike, offset: ArrayLike | None, exposure: ArrayLike | None
    ) -> Array:
        """Return eta = network(x) + offset, (n, K); of an ensemble g(mu)."""
        return self._mean_predictor(self._predictors_at(X, offset, exposure))

    # -------------------------------------------------------------- for both

    def _response(self, y: ArrayLike, X: Array, sample_weight: ArrayLike | None) -> Array:
        """Return y as the family has it, (n, n_outputs), checked against the fit."""
        raise NotImplementedError

    def _trials(self, y: ArrayLike, X: Array) -> Array | None:
        """Return the trials of each row, (n,), if y tells them."""
        return None

    def _labels(self) -> NDArray[Any] | None:
        """Return the classes that y tells apart, if it does."""
        return None

    def _output_names(self) -> list[str]:
        """Return what the outputs are called."""
        raise NotImplementedError

    # --------------------------------------------------------------- fitted

    @property
    def coefs_(self) -> list[Array]:
        """Weights of each layer for X as given, (n_in, n_out): views of one vector.

        Those of a skip connection are ``coef_``.
        """
        check_is_fitted(self)
        self._refuse_of_ensemble("coefs_")
        layout = self._network.layout
        layers = zip(layout.layers(self._weights), layout.sizes, strict=False)
        return [layer.W[:, :n_in].T for layer, n_in in layers]

    @property
    def intercepts_(self) -> list[Array]:
        """Offsets of each layer for X as given, (n_out,)."""
        check_is_fitted(self)
        self._refuse_of_ensemble("intercepts_")
        layers = self._network.layout.layers(self._weights)
        return [np.zeros(len(layer.W)) if layer.b is None else layer.b for layer in layers]

    @property
    def input_bounds_(self) -> Array:
        """Lower and upper ends of ``feature_names_``, (2, p): values beyond count as these."""
        check_is_fitted(self)
        bounds = (self.estimators_[0] if self._is_ensemble else self)._network.bounds
        if bounds is None:
            return np.repeat([[-np.inf], [np.inf]], len(self.feature_names_), axis=1)
        return np.stack([bounds.low, bounds.high])

    @property
    def coef_(self) -> Array:
        """Coefficients without a hidden layer: (n_features,), or (n_outputs, n_features).

        With a skip connection those of x in eta = x beta + network(x).
        """
        if self._is_ensemble and self.skip_connection:
            self._refuse_of_ensemble("coef_")
        layout = self._network.layout if hasattr(self, "_network") else None
        if layout is not None and layout.skip:
            W = layout.skipping(self._weights)
        else:
            self._check_no_hidden("coef_")
            W = self._network.layout.layers(self._weights)[0].W
        return W[0] if len(W) == 1 else W

    @property
    def intercept_(self) -> float | Array:
        """The intercept without a hidden layer: a number, or (n_outputs,)."""
        self._check_no_hidden("intercept_")
        b = self.intercepts_[0]
        return float(b[0]) if len(b) == 1 else b

    def _check_no_hidden(self, name: str) -> None:
        if not hasattr(self, "n_layers_"):
            raise AttributeError(f"{name} is there after fit.")
        if self.n_layers_ > 2:
            raise AttributeError(
                f"{name} belongs to a model without hidden layers; this one has "
                f"{self.n_layers_ - 2}. See coefs_ and intercepts_."
            )
