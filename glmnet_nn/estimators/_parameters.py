"""What the constructor of the regressor and of the classifier takes."""

from __future__ import annotations

import os
from numbers import Integral, Real
from typing import Any, ClassVar

from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from families import ExponentialFamily, Link, known_links
from glmnet_nn.estimators._embedding import EMBEDDING_CONSTRAINTS
from glmnet_nn.estimators._tables import TABLE_CONSTRAINTS
from glmnet_nn.network import known_activations
from glmnet_nn.training.solvers import SCHEDULES, SOLVERS


class Parameters(BaseEstimator):
    """The parameters that both have, stored untouched, and what each may be."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "link": [StrOptions({"auto", *known_links()}), Link],
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "architecture": [StrOptions({"dense", "local"})],
        "skip_connection": ["boolean", StrOptions({"fixed"})],
        "base": [HasMethods("predict"), None],
        "activation": [StrOptions(set(known_activations()))],
        "alpha": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left"), "array-like"],
        "l1_ratio": [Interval(Real, 0, 1, closed="both")],
        "group_lasso": ["boolean"],
        "bias_reduction": ["boolean"],
        "fit_intercept": ["boolean"],
        "formula": [str, None],
        "offset": [str, None],
        "exposure": [str, None],
        **TABLE_CONSTRAINTS,
        **EMBEDDING_CONSTRAINTS,
        "standardize": [StrOptions({"auto"}), "boolean"],
        "solver": [StrOptions({"auto", *SOLVERS})],
        "max_iter": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "tol": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate": [StrOptions(set(SCHEDULES))],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "shuffle": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "n_jobs": [Integral, None],
        "polish_output": ["boolean"],
        "balance": [StrOptions({"auto", "shift", "refit"}), None],
        "warm_start": ["boolean"],
        "checkpoint": [str, os.PathLike, None],
        "checkpoint_every": [Interval(Integral, 1, None, closed="left")],
        "store_covariance": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        *,
        link: str | Link = "auto",
        hidden_layer_sizes: tuple[int, ...] = (32, 16),
        architecture: str = "dense",
        skip_connection: bool | str = False,
        base: Any = None,
        activation: str = "tanh",
        alpha: str | float | ArrayLike = "auto",
        l1_ratio: float = 0.0,
        group_lasso: bool = False,
        bias_reduction: bool = False,
        fit_intercept: bool = True,
        formula: str | None = None,
        offset: str | None = None,
        exposure: str | None = None,
        categorical: Any = "auto",
        unseen: str = "error",
        missing: str = "error",
        embedding_size: int | dict[str, int] | None = None,
        standardize: str | bool = "auto",
        solver: str = "auto",
        max_iter: str | int = "auto",
        tol: str | float = "auto",
        batch_size: str | int = "auto",
        learning_rate: str = "one_cycle",
        learning_rate_init: float = 1e-2,
        shuffle: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        n_init: int = 1,
        n_estimators: int = 1,
        n_jobs: int | None = None,
        polish_output: bool = False,
        balance: str | None = "auto",
        warm_start: bool = False,
        checkpoint: str | os.PathLike[str] | None = None,
        checkpoint_every: int = 1,
        store_covariance: bool = False,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.link = link
        self.hidden_layer_sizes = hidden_layer_sizes
        self.architecture = architecture
        self.skip_connection = skip_connection
        self.base = base
        self.activation = activation
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.group_lasso = group_lasso
        self.bias_reduction = bias_reduction
        self.fit_intercept = fit_intercept
        self.formula = formula
        self.offset = offset
        self.exposure = exposure
        self.categorical = categorical
        self.unseen = unseen
        self.missing = missing
        self.embedding_size = embedding_size
        self.standardize = standardize
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.shuffle = shuffle
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.n_init = n_init
        self.n_estimators = n_estimators
        self.n_jobs = n_jobs
        self.polish_output = polish_output
        self.balance = balance
        self.warm_start = warm_start
        self.checkpoint = checkpoint
        self.checkpoint_every = checkpoint_every
        self.store_covariance = store_covariance
        self.random_state = random_state
        self.verbose = verbose


class RegressorParameters(Parameters):
    """Those of the regressor, which has a family beside them."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **Parameters._parameter_constraints,
        "family": [str, ExponentialFamily],
    }

    def __init__(
        self,
        family: str | ExponentialFamily = "normal",
        *,
        link: Any = "auto",
        hidden_layer_sizes: tuple[int, ...] = (32, 16),
        architecture: str = "dense",
        skip_connection: bool | str = False,
        base: Any = None,
        activation: str = "tanh",
        alpha: Any = "auto",
        l1_ratio: float = 0.0,
        group_lasso: bool = False,
        bias_reduction: bool = False,
        fit_intercept: bool = True,
        formula: str | None = None,
        offset: str | None = None,
        exposure: str | None = None,
        categorical: Any = "auto",
        unseen: str = "error",
        missing: str = "error",
        embedding_size: int | dict[str, int] | None = None,
        standardize: str | bool = "auto",
        solver: str = "auto",
        max_iter: str | int = "auto",
        tol: str | float = "auto",
        batch_size: str | int = "auto",
        learning_rate: str = "one_cycle",
        learning_rate_init: float = 1e-2,
        shuffle: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        n_init: int = 1,
        n_estimators: int = 1,
        n_jobs: int | None = None,
        polish_output: bool = False,
        balance: str | None = "auto",
        warm_start: bool = False,
        checkpoint: Any = None,
        checkpoint_every: int = 1,
        store_covariance: bool = False,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        super().__init__(
            link=link,
            hidden_layer_sizes=hidden_layer_sizes,
            architecture=architecture,
            skip_connection=skip_connection,
            base=base,
            activation=activation,
            alpha=alpha,
            l1_ratio=l1_ratio,
            group_lasso=group_lasso,
            bias_reduction=bias_reduction,
            fit_intercept=fit_intercept,
            formula=formula,
            offset=offset,
            exposure=exposure,
            categorical=categorical,
            unseen=unseen,
            missing=missing,
            embedding_size=embedding_size,
            standardize=standardize,
            solver=solver,
            max_iter=max_iter,
            tol=tol,
            batch_size=batch_size,
            learning_rate=learning_rate,
            learning_rate_init=learning_rate_init,
            shuffle=shuffle,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            n_init=n_init,
            n_estimators=n_estimators,
            n_jobs=n_jobs,
            polish_output=polish_output,
            balance=balance,
            warm_start=warm_start,
            checkpoint=checkpoint,
            checkpoint_every=checkpoint_every,
            store_covariance=store_covariance,
            random_state=random_state,
            verbose=verbose,
        )
        self.family = family
