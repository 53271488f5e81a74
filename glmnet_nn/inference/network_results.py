"""The results of inference on a network: of what it says, never of its weights."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NoReturn

import numpy as np
import pandas as pd

from families import Array, ExponentialFamily
from glmnet_nn.inference.average_effects import column_effects
from glmnet_nn.inference.coefficients import Coefficients
from glmnet_nn.inference.covariance import Fitted
from glmnet_nn.inference.estimate import Estimate
from glmnet_nn.inference.flags import in_words
from glmnet_nn.inference.influence import Influence
from glmnet_nn.inference.levels import LevelSteps
from glmnet_nn.inference.local_coefficients import Door, LocalInference
from glmnet_nn.inference.observed import ObservedInformation, covariance_root
from glmnet_nn.inference.options import InferenceOptions
from glmnet_nn.inference.partial_effects import PartialInference
from glmnet_nn.inference.predictions import AverageEffects, Differences, PredictionInference
from glmnet_nn.inference.residuals import ResidualInference
from glmnet_nn.inference.shown import ShownSummary
from glmnet_nn.inference.summary import Summary
from glmnet_nn.network import Network
from glmnet_nn.training.inputs import Inputs

_OF_WEIGHTS = frozenset(
    {"params", "bse", "tvalues", "pvalues", "conf_int", "cov_params", "t_test", "f_test",
     "wald_test", "score_test"}
)  # fmt: skip
_OF_UNITS = frozenset({"lr_test", "compare_lr_test"})


@dataclass(frozen=True, repr=False)
class NetworkResults(
    ShownSummary, PredictionInference, LocalInference, PartialInference, ResidualInference
):
    """Standard errors, intervals and tests of predictions, effects and contrasts.

    The weights of a network are not identified: hidden units can be exchanged, their
    signs flipped, and units that the data do not need have no weights at all. What the
    network says of y is identified, and by the delta method (van der Vaart 1998, chapter 3)
    a functional f(w) with gradient g has variance g' C g,

        C = phi (H + P)^-1,     or    (H + P)^-1 M (H + P)^-1

    for a robust ``cov_type``: H the observed information at phi = 1, P the ridge of the fit
    and M the sandwich's middle (:mod:`glmnet_nn.inference.sandwich`). Intervals measure how
    far another sample would have led the same network. The error of approximation, what
    a network of this width cannot say, is in none of them.

    Attributes
    ----------
    flags : dict of str
        What makes the intervals untrustworthy, in words, by name: see
        :func:`glmnet_nn.inference.flags.find_flags`. Empty if nothing does.
    n_parameters : float
        Effective degrees of freedom tr[(H + P)^-1 H], which take the place of the
        number of parameters in scale, aic and bic.
    n_weights : int
        Weights and offsets of the network.
    n_law_parameters : int
        Parameters of the law that were estimated: they count in aic and bic.
    llf, llnull, deviance, null_deviance, pearson_chi2, scale, nobs, df_model, df_resid : float
        As for a GLM; ``scale`` is phi, df_resid = nobs - n_parameters.
    parameters, covariance : arrays of shape (q,) and (q, q)
        w of ``network`` for ``inputs``, X standardised, and C: one representative, of use
        for functionals alone.
    """

    fitted: Fitted
    information: ObservedInformation
    inputs: Inputs
    options: InferenceOptions
    flags: dict[str, str]
    llf: float
    llnull: float
    deviance: float
    null_deviance: float
    pearson_chi2: float
    scale: float
    nobs: float
    n_law_parameters: int
    has_intercept: bool
    names: list[str]
    outputs: list[str] | None
    level_steps: LevelSteps
    index: pd.Index
    door: Door

    @property
    def trustworthy(self) -> bool:
        """Whether no flag is raised."""
        return not self.flags

    @property
    def family(self) -> ExponentialFamily:
        """The law of y."""
        return self.fitted.family

    @property
    def title(self) -> str:
        """Law, link and layers in words."""
        return (
            f"{type(self.family).__name__} network with {self.family.link_name} link, hidden "
            f"layers {self.network.layout.sizes[1:-1]} of {self.network.activation.name}"
        )

    @property
    def network(self) -> Network:
        """The network, of standardised inputs."""
        return self.fitted.objective.network

    @property
    def parameters(self) -> Array:
        """The flat vector w of ``network``."""
        return self.fitted.w

    @property
    def n_weights(self) -> int:
        """Weights and offsets."""
        return self.fitted.w.size

    @property
    def n_parameters(self) -> float:
        """Effective degrees of freedom."""
        return self.information.effective_parameters

    @property
    def df_model(self) -> float:
        """Effective degrees of freedom beside the intercept."""
        return self.n_parameters - self.has_intercept

    @property
    def df_resid(self) -> float:
        """nobs - n_parameters."""
        return self.nobs - self.n_parameters

    @property
    def aic(self) -> float:
        """-2 llf + 2 (n_parameters + n_law_parameters)."""
        return -2.0 * self.llf + 2.0 * (self.n_parameters + self.n_law_parameters)

    @property
    def bic(self) -> float:
        """-2 llf + log(nobs) (n_parameters + n_law_parameters): to choose the units by."""
        n_parameters = self.n_parameters + self.n_law_parameters
        return -2.0 * self.llf + float(np.log(self.nobs)) * n_parameters

    @property
    def cov_type(self) -> str:
        """The covariance in use."""
        return self.options.cov_type

    @cached_property
    def _root(self) -> Array:
        """L, (q, m), with L L' = C."""
        return covariance_root(self.fitted, self.n_parameters, self.scale, self.options)

    @cached_property
    def covariance(self) -> Array:
        """C, the covariance of ``parameters``."""
        return np.asarray(self._root @ self._root.T)

    @cached_property
    def estimate(self) -> Estimate:
        """The parameters and their covariance, as predictive laws need them."""
        return Estimate(
            family=self.family,
            scale=self.scale,
            network=self.network,
            inputs=self.inputs,
            w=self.parameters,
            root=self._root,
            undetermined=self.information.undetermined,
            unit=self.information.scale,
            df=self._df,
        )

    @property
    def _df(self) -> float | None:
        return self.df_resid if self.options.use_t else None

    @property
    def _labels(self) -> tuple[list[str], list[str] | None, str]:
        return self.names, self.outputs, in_words(self.flags)

    # ------------------------------------------------------------ functionals

    def linear_coefficients(self) -> Differences:
        """Return beta of eta = x beta + network(x), tested against 0.

        For X as given, ``coef_`` of the fit. A network can take over a part of x beta: what a
        column does is the average partial effect; beta is what is left of it when the
        network, under its ridge, is taken away.

        Raises
        ------
        ValueError
            The model has no skip connection.
        """
        layout = self.network.layout
        if not layout.skip:
            raise ValueError(
                "linear_coefficients() are those of a skip connection, but the model has none. "
                "Set skip_connection=True, or see average_partial_effects()."
            )
        B = layout.skipping(np.arange(layout.size, dtype=float)).astype(int)
        T = np.zeros((B.size, layout.size))
        T[np.arange(B.size), B.ravel()] = np.tile(1.0 / self.inputs.scale, len(B))
        labels = self.names
        if self.outputs is not None:
            T = (T.reshape(*B.shape, -1)[1:] - T.reshape(*B.shape, -1)[:1]).reshape(-1, layout.size)
            labels = [f"{output}:{name}" for output in self.outputs[1:] for name in self.names]
        se = np.sqrt(np.square(T @ self._root).sum(axis=1))
        se = np.where(self.estimate.determines(T), se, np.nan)
        null = np.zeros(len(T))
        return Differences(T @ self.parameters, se, null, self._df, labels, self._note(se))

    def average_partial_effects(
        self, target: str = "sample", which: str = "mean", dummy: bool = False
    ) -> AverageEffects:
        """Return the average over the rows of the fit of d mu / d x_j, for each column.

        The slopes of a ``base`` are part of them, taken as known.

        Parameters
        ----------
        target : {"sample", "population"}, default="sample"
            What the standard error is for. "sample": the average over these very rows.
            "population": the average over what they were drawn from; Var(d mu / d x) / n
            is added for the error of sampling them.
        which : {"mean", "linear"}, default="mean"
            Slopes of mu, or of eta.
        dummy : bool, default=False
            Whether of 0/1 columns the change of mu from 0 to 1 is taken, and of the level of a
            factor that from the first level.
        """
        for name, given, known in (
            ("target", target, ("sample", "population")),
            ("which", which, ("mean", "linear")),
        ):
            if given not in known:
                raise ValueError(f"{name} must be one of {list(known)}, but got {given!r}.")
        if dummy and which == "linear":
            raise ValueError("dummy=True is for which='mean': a step of eta is a contrast().")
        of_base = self.door.base_slopes(self.inputs.given(self.fitted.rows.X))
        if dummy and of_base is not None:
            raise ValueError("dummy=True knows no steps of a base: such a step is a contrast().")
        mean = which == "mean"
        steps = self.level_steps
        found = column_effects(self.fitted, self.inputs, mean, dummy, self._block, steps, of_base)
        average, G = found.average, found.gradients
        variance = np.square(G @ self._root).sum(axis=1)
        if target == "population":
            variance = variance + found.sampling_variance(self.fitted, self.options)
        se = np.where(self.estimate.determines(G), np.sqrt(variance), np.nan)
        se = se.reshape(average.shape)
        outputs = None if self.outputs is None else self.outputs[int(which == "linear") :]
        one = outputs is None
        return AverageEffects(
            margeff=average[:, 0] if one else average,
            margeff_se=se[:, 0] if one else se,
            names=self.names,
            outputs=outputs,
            df=self._df,
            title="dy/dx" if which == "mean" else "d(eta)/dx",
            target=target,
            note=self._note(se),
        )

    # -------------------------------------------------------------- diagnostics

    def get_influence(self) -> Influence:
        """Return leverages, studentised residuals, Cook's distances and changes of predictions.

        One Newton step without the row, with H + P in place of the information; of the
        weights (``d_params``, ``dfbetas``) there is nothing.
        """
        none = np.zeros((0, self.information.root.shape[1]))
        return Influence(
            fitted=self.fitted,
            coefficients=Coefficients(np.zeros(0), [], None, none, none[:, 0] > 0, none),
            covariance=np.zeros((0, 0)),
            scale=self.scale,
            n_parameters=self.n_parameters,
            df_resid=self.df_resid,
            index=self.index,
        )

    def summary(self, alpha: float = 0.05) -> Summary:
        """Return the fit in numbers, and the average partial effects in this sample."""
        facts = [
            ("nobs", f"{self.nobs:g}"),
            ("weights", f"{self.n_weights}"),
            ("effective df", f"{self.n_parameters:.2f}"),
            ("df_resid", f"{self.df_resid:.2f}"),
            ("scale", f"{self.scale:.6g}"),
            ("cov_type", self.cov_type),
            ("llf", f"{self.llf:.6g}"),
            ("deviance", f"{self.deviance:.6g}"),
            ("null deviance", f"{self.null_deviance:.6g}"),
            ("Pearson chi2", f"{self.pearson_chi2:.6g}"),
            ("aic", f"{self.aic:.6g}"),
            ("bic", f"{self.bic:.6g}"),
        ]
        effects = self.average_partial_effects()
        tables = [("Average partial effects in this sample", effects.summary_frame(alpha))]
        return Summary(self.title, facts, tables, [note for note in (effects.note,) if note])

    def __getattr__(self, name: str) -> NoReturn:
        if name in _OF_WEIGHTS:
            raise AttributeError(
                f"{name} would be of the weights of a network, which are not identified: "
                "exchanging units or their signs gives the same model. Use get_prediction(), "
                "average_partial_effects() or contrast()."
            )
        if name in _OF_UNITS:
            raise AttributeError(
                f"{name} would refer to chi-square, which the likelihood ratio of networks with "
                "different numbers of units does not follow: the extra weights are not "
                "identified. Compare bic."
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
