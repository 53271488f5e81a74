"""Has a GLM left out something that a network would find? A score test that fits none."""

from __future__ import annotations

from dataclasses import dataclass, field
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import linalg, special, stats
from sklearn.utils.validation import check_is_fitted

from families import Array
from glmnet_nn.comparison.means import unwrapped
from glmnet_nn.estimators._base import BaseDeepGLM
from glmnet_nn.estimators._validation import require_array
from glmnet_nn.inference import generator

_RANK = 1e-9


@dataclass(frozen=True)
class NonlinearityTest:
    """The score test of a GLM against hidden units of random weights.

    Attributes
    ----------
    statistic : float
    df : int
        Columns added, times outputs.
    pvalue : float
        Of chi-square with ``df`` degrees of freedom: small if the GLM is not enough.
    columns : array of shape (n, n_components)
        What was added: principal components of the hidden units.
    """

    statistic: float
    df: int
    columns: Array = field(repr=False)

    @property
    def pvalue(self) -> float:
        """The chance of so large a statistic if the GLM is right."""
        return float(stats.chi2.sf(self.statistic, self.df))

    def __str__(self) -> str:
        return f"chi2({self.df}) = {self.statistic:.6g}, p = {self.pvalue:.4g}"

    __repr__ = __str__


def nonlinearity_test(
    estimator: Any,
    X: ArrayLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    offset: ArrayLike | None = None,
    exposure: ArrayLike | None = None,
    *,
    n_hidden: int = 50,
    n_components: int = 5,
    robust: bool = False,
    random_state: Any = None,
) -> NonlinearityTest:
    r"""Return the neglected-nonlinearity test of White, for any GLM.

    Hidden units psi_j = logistic(gamma_0j + gamma_j . x), x scaled to [0, 1] and gamma
    uniform on [-2, 2], are drawn at random. What they have beside the columns of X goes
    into the model by its first principal components Z, and the score of their
    coefficients is tested at 0: with U = sum w_i s_i the score in Z,

        U' V^-1 U ~ chi^2,   V = phi (F_zz - F_zx F_xx^-1 F_xz),

    F the Fisher information of [X, Z] at the fit. With ``robust`` V is the sum of
    w_i s~_i s~_i', s~ = s_z - F_zx F_xx^-1 s_x, which is right under overdispersion too.

    Parameters
    ----------
    estimator : fitted estimator without hidden layers, unpenalised
        Of this package; it may be the last step of a pipeline, or what a search found.
    X, y, sample_weight, offset, exposure
        The data of the fit.
    n_hidden : int, default=50
        Hidden units to draw.
    n_components : int, default=5
        Principal components to add. The size of the test does not depend on it; few of many
        features see little.
    robust : bool, default=False
    random_state : int, RandomState, Generator or None, default=None
        Seed of the units: another draw gives another test, of the same size.

    Raises
    ------
    TypeError, ValueError
        The model is none of this package, has hidden layers or a penalty, or there are
        fewer components.

    References
    ----------
    White (1989), "An additional hidden unit test for neglected nonlinearity in multilayer
    feedforward networks", IJCNN. Lee, White and Granger (1993), "Testing for neglected
    nonlinearity in time series models", Journal of Econometrics 56, section 2.
    Pregibon (1982), "Score tests in GLIM with applications", GLIM 82.

    Examples
    --------
    >>> from glmnet_nn import DeepGLMRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-2, 2, size=(300, 2))
    >>> y = rng.poisson(np.exp(np.abs(X[:, 0])))
    >>> glm = DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(X, y)
    >>> nonlinearity_test(glm, X, y, random_state=0).pvalue < 1e-6
    True
    """
    for name, number in (("n_hidden", n_hidden), ("n_components", n_components)):
        if not (isinstance(number, Integral) and number >= 1):
            raise ValueError(f"{name} must be an integer >= 1, but got {number!r}.")
    check_is_fitted(estimator)
    estimator, X = unwrapped(estimator, X)
    if not isinstance(estimator, BaseDeepGLM):
        raise TypeError(
            "the test needs a model of this package, which states its law and its information, "
            f"but got a {type(estimator).__name__}. Fit DeepGLMRegressor or DeepGLMClassifier with "
            "hidden_layer_sizes=()."
        )
    if estimator.n_layers_ > 2 or any(estimator.alpha_):
        raise ValueError(
            "the test is that of a GLM at its maximum likelihood estimate, but this model has "
            f"{estimator.n_layers_ - 2} hidden layers and alpha={estimator.alpha!r}. Fit one "
            "with hidden_layer_sizes=() and alpha=0."
        )
    results = estimator.inference(
        X, y, sample_weight, offset, exposure, cov_type="HC0" if robust else "nonrobust"
    )
    features, weight = results.population.X, results.fitted.weights.total
    require_array(features, "the test makes hidden units of all columns of X")
    Z = hidden_components(features, weight, n_hidden, n_components, random_state)
    found = results.score_test(Z, observed=False)
    return NonlinearityTest(found.statistic, found.df_num, Z)


def hidden_components(
    X: Array, weight: Array, n_hidden: int, n_components: int, random_state: Any
) -> Array:
    """Return principal components, (n, n_components), of random hidden units beside X."""
    rng = generator(random_state)
    span = np.ptp(X, axis=0)
    unit = (X - X.min(axis=0)) / np.where(span > 0, span, 1.0)
    design = np.column_stack([np.ones(len(X)), unit])
    units = special.expit(design @ rng.uniform(-2.0, 2.0, (design.shape[1], n_hidden)))
    root = np.sqrt(weight)[:, None]
    beside = units - design @ linalg.lstsq(root * design, root * units)[0]
    _, s, Vt = linalg.svd(root * beside, full_matrices=False)
    found = int(np.sum(s > _RANK * linalg.norm(root * units)))
    if found < n_components:
        raise ValueError(
            f"n_components={n_components} asks for more than the {found} that {n_hidden} hidden "
            "units have beside X (X of 0 and 1 has few). Ask for fewer, or raise n_hidden."
        )
    Z = beside @ Vt[:n_components].T
    return np.asarray(Z / np.sqrt(np.average(np.square(Z), axis=0, weights=weight)))
