"""The regressor: any exponential family."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike
from sklearn.base import RegressorMixin, _fit_context
from sklearn.utils.validation import check_is_fitted

from families import Array
from glmnet_nn.blocks import blocks_of
from glmnet_nn.estimators._base import BaseDeepGLM
from glmnet_nn.estimators._block_entry import known_rows, surveyed
from glmnet_nn.estimators._blockwise import lazily
from glmnet_nn.estimators._columns import given_response, known_columns, present_data
from glmnet_nn.estimators._ensemble import over_members
from glmnet_nn.estimators._parameters import RegressorParameters
from glmnet_nn.estimators._partial import by_batches
from glmnet_nn.estimators._prediction import RegressionPredictions
from glmnet_nn.estimators._responses import ResponseMixin
from glmnet_nn.estimators._score import explained_deviance, explained_deviance_of_blocks
from glmnet_nn.estimators._validation import present_rows, with_trials


class DeepGLMRegressor(
    RegressorMixin, RegressionPredictions, ResponseMixin, RegressorParameters, BaseDeepGLM
):
    r"""A feed-forward network whose output layer is a generalized linear model.

        eta = network(x) + offset,   mu = g^-1(eta),   y ~ family(mu, phi)

    minimises, over weights W_l and offsets b_l,

        F = sum_i w_i [A(theta_i) - theta_i y_i + A*(y_i)] / sum_i w_i
            + sum_l alpha_l [ l1_ratio |W_l|_1 + (1 - l1_ratio) / 2 |W_l|_2^2 ],

    half the mean deviance and an elastic net. With ``hidden_layer_sizes=()`` it is
    the classical GLM, and by default its maximum likelihood estimate.

    Parameters
    ----------
    family : str or ExponentialFamily, default="normal"
        The law of y: "normal"; "poisson", "negative_binomial" (counts); "gamma",
        "inverse_gaussian" (amounts > 0), "tweedie" (amounts, some of them 0); "bernoulli"
        (y in [0, 1]), "binomial" (two columns of y: successes and failures), "multinoulli"
        (rows of y are probabilities); or an object of :mod:`families`. One with an
        unknown parameter, as NegativeBinomial(alpha="estimate"), is fitted by profile
        likelihood: the fit is repeated, from where the one before ended, until that
        parameter maximises the likelihood at the fitted means.
    link : str or Link, default="auto"
        The link; "auto" is the family's own (canonical by default).
    hidden_layer_sizes : tuple of int, default=(32, 16)
        Units of each hidden layer; () for the classical GLM.
    architecture : {"dense", "local"}, default="dense"
        "local" is the LocalGLMnet: eta = b + sum_j beta_j(x) (x_j - c_j) + offset, a GLM whose
        coefficients are the outputs of the network. It starts at the maximum likelihood GLM,
        and the penalty, on weights alone, leaves constant coefficients free.
        ``regression_attention`` gives beta(x). Without hidden layers it is the GLM.
    skip_connection : bool or "fixed", default=False
        eta = x beta + network(x) + offset (the combined actuarial neural network). beta has
        no penalty and starts at the maximum likelihood GLM, the network at a function that
        is 0 everywhere: iteration 0 is the GLM. "fixed" holds beta there. Without hidden
        layers there is nothing to pass, and nothing changes.
    base : fitted estimator, optional
        Its linear predictor is an offset of every call: eta = g(base.predict(x)) +
        network(x) + offset and null deviances have it too. Its predictions
        are means of y, rates where there is an exposure. It is used as it is; scikit-learn's
        ``clone`` would undo its fit: in cross-validation and searches wrap it in
        ``sklearn.frozen.FrozenEstimator``.
    activation : {"identity", "logistic", "tanh", "relu", "softplus"}, default="tanh"
        Activation of the hidden layers.
    alpha : "auto", float or one float per layer, default="auto"
        Strength of the penalty, on the scale of F. "auto" is 0 without hidden
        layers; with them it is a Gaussian prior of precision 10 on the summed
        log-likelihood, alpha = 10 phi / sum w, with phi from a preliminary GLM: the
        dispersion, the overdispersion of counts (at least 1), 1 of classes; for the
        Normal law with identity link the output weights are measured in standard
        deviations of y, for Gamma, inverse Gaussian and Tweedie laws under a power link (as
        the canonical ones) in that power of its mean.
    l1_ratio : float, default=0.0
        Share of the absolute values in the penalty; weights become exactly 0 by a
        proximal step.
    group_lasso : bool, default=False
        With l1_ratio > 0: in the first layer sqrt(n_units) sum_j |W_0[:, j]|_2 takes the place
        of the absolute values, so that all weights of a column of X become 0 together, and
        the network does without that column (beta of a skip connection stays). Exactly so with
        all rows in each step; the noise of mini-batches keeps small weights alive.
    bias_reduction : bool, default=False
        Firth's bias-reduced estimate of a model without hidden layers and penalty, for
        laws without a dispersion: finite where data are separated.
    fit_intercept : bool, default=True
        Whether the output layer has an intercept. It is never penalised.
    formula : str or None, default=None
        What the columns of X and y are made of: "claims ~ bs(age, df=4) + C(area)". Every method
        then takes data frames, and y may be left out. See ``from_formula``.
    offset, exposure : str or None, default=None
        The column of X, a DataFrame, that holds the offset, or the exposure, in every
        call: fit, predict, score, inference. It is no feature: ``n_features_in_`` and
        ``feature_names_in_`` leave it out. So an offset passes through what hands on
        only X and y (``cross_validate``, ``GridSearchCV``, a pipeline).
    categorical : "auto", list of str or int, or None, default="auto"
        Columns of a table that are factors: "auto" those of categories and strings; a list
        names them, or numbers them among the features, and then X may be an array; None
        refuses them. Where eta has x beta (without hidden layers, with a skip connection,
        in a LocalGLMnet) a factor has an indicator for each level but the first
        (``area[T.B]``), so that inference is identified; a network has one for each
        (``area[B]``): the first layer's weights of a level are its embedding, as long as that
        layer or of ``embedding_size``. Levels are those of the rows of the fit, a Categorical's
        in its order, others sorted.
    unseen : {"error", "average"}, default="error"
        A level at prediction that the fit has not seen: an error, or the mean of its
        indicators over the rows of the fit, so that x beta is the mean over the levels.
    missing : {"error", "indicator"}, default="error"
        Missing values of X: an error, or of numbers the column's mean, with a 0/1 column
        ``age[missing]`` that tells where; of a factor a level of its own. A column that had
        none in the fit may have none at prediction.
    embedding_size : int or dict of str to int, optional
        Numbers that the first hidden layer sees of a factor's level in the place of a weight
        for each of its units, of all factors or by name: W_0[:, J] = V E' of that rank, with
        the ridge alpha_0 on V and alpha_0 / 10 on E. ``embeddings_`` has the levels as points.
        Where the factor has no more levels than that, or the layer no more units, nothing is
        restricted. Not for l1_ratio > 0, the LocalGLMnet and ``inference``.
    standardize : "auto" or bool, default="auto"
        Whether the penalty and the random start see columns of mean 0 and variance
        1. "auto" is True with hidden layers and False without, as in scikit-learn's GLMs.
        With hidden layers columns of 0 and 1 stay as they are, and the others are clipped
        at 3 standard deviations from their mean, in prediction too (``input_bounds_``).
        Without, nothing is clipped, and the solver always scales inside, which changes no
        estimate. All fitted parameters are for X as given.
    solver : {"auto", "newton", "lbfgs", "newton_cg", "adam"}, default="auto"
        "newton" is Fisher scoring (IRLS), without hidden layers; "lbfgs" uses all
        rows in each step; so does "newton_cg", Newton's method by conjugate gradients,
        with few but costly steps; "adam" mini-batches on a one-cycle schedule. "auto": adam
        with hidden layers (lbfgs for architecture="local" under links that have an end:
        inverse, or identity for counts), without them newton (lbfgs if l1_ratio > 0).
        ``solver_`` tells the choice. adam ends before the optimum, which regularises; lbfgs
        goes to it.
    max_iter : "auto" or int, default="auto"
        Iterations, epochs for adam: 100 (newton), 2000 (lbfgs), 200 (newton_cg), 30 or
        at least 1,000 steps (adam).
    tol : "auto" or float, default="auto"
        newton: the largest score in standard errors, 1e-9. lbfgs and newton_cg: the
        largest gradient component, over the mean Fisher weight of the null model, 1e-6.
        adam: the improvement of the held-out deviance, over that of the null model, that
        counts, 1e-4.
    batch_size : "auto" or int, default="auto"
        Rows per step of adam: all up to 256, else 128 to 2,048, about n / 100.
    learning_rate : {"one_cycle", "constant"}, default="one_cycle"
        How the rate of adam goes: up over the first tenth of ``max_iter`` and down to 0
        along a cosine, or always the same.
    learning_rate_init : float, default=0.01
        The peak of that rate. Where a step leaves the range of a link that has an end
        (inverse, or identity for counts), a quarter of it is tried, then a sixteenth.
    shuffle : bool, default=True
        Whether adam takes the rows in a new random order in each epoch, or as they come.
    early_stopping : bool, default=False
        Hold out ``validation_fraction`` of the rows and stop adam when their
        deviance has not improved for ``n_iter_no_change`` epochs; the best is kept.
    validation_fraction : float, default=0.1
    n_iter_no_change : int, default=10
    n_init : int, default=1
        Random starts with hidden layers; the one of the lowest F is kept.
    n_estimators : int, default=1
        Networks of an ensemble, each from random starts and batches of its own, averaged on
        the mean: mu = (1/k) sum_m mu_m, eta = g(mu). Without hidden layers all would be the
        same, and one is fitted.
    n_jobs : int or None, default=None
        Members that are fitted at a time, by joblib; the result is the same to the bit.
    polish_output : bool, default=False
        End with Fisher scoring of the output layer, a GLM of the last hidden outputs, the
        hidden layers held: F on the training rows is never higher for it. On other rows it
        gains nothing on average.
    balance : {"auto", "shift", "refit"} or None, default="auto"
        The balance property of GLMs, sum w mu = sum w y, for networks that stop before
        the optimum: "shift" moves the output intercept, "refit" scores the output layer
        with a small ridge before. "auto" shifts under the log and identity links where
        adam has trained or the solver has not converged; ``balance_`` tells the choice.
    warm_start : bool, default=False
        Start from the parameters of the previous fit, those of the same member.
    checkpoint : str or path, optional
        A file that ``fit`` writes its state to, whole or not at all: killed at any moment, a
        fit with the same arguments goes on from there and ends with the same bits. When it has
        ended, the same fit is there at once. Members of an ensemble have files beside it.
    checkpoint_every : int, default=1
        Epochs, or iterations, from one checkpoint to the next.
    store_covariance : bool, default=False
        Keep the covariance of the parameters, one pass over the data, so that
        ``predict_interval`` and its like need no ``inference=``.
    random_state : int, RandomState or None, default=None
        Seed of the start, of the batches and of the held-out rows. Of an ensemble an integer
        is the seed of the first member, and the others' are drawn from it.
    verbose : int, default=0
        1 shows a bar: iterations, mean deviance (and that of held-out rows), time left; it
        needs tqdm, ``pip install "glmnet_nn[progress]"``. 2, or 1 without tqdm, prints the
        chosen solver, F and the deviance after every iteration. Ctrl-C leaves the best
        parameters so far, and a ConvergenceWarning.

    Attributes
    ----------
    coef_, intercept_
        Coefficients without a hidden layer, for X as given: (n_features,) and a
        number for one output, (n_outputs, n_features) and (n_outputs,) else. With a skip
        connection ``coef_`` is beta.
    coefs_, intercepts_ : list of arrays
        Weights (n_in, n_out) and offsets (n_out,) of every layer, for X as given.
    embeddings_ : dict of str to DataFrame
        With hidden layers the levels of each factor of a table as points, (levels, numbers):
        two are as far apart as their weights in the first layer.
    input_bounds_ : array, (2, n_features)
        The ends to which columns of X are clipped; infinite where they are not.
    deviance_, null_deviance_ : float
        sum w d(y, mu) of the fit and of the model with an intercept (and offset).
    dispersion_ : float
        Pearson chi^2 / (sum w - parameters) where the law has a dispersion, else 1;
        with hidden layers the parameters are not subtracted.
    family_, link_, solver_, alpha_, n_iter_, converged_, balance_
        What was used, one alpha per layer, and how it ended. ``family_`` holds the
        estimate of a parameter that was to be estimated; the rest is of the last fit.
    law_estimate_ : LawEstimate or None
        Name, value and standard error of that parameter, if there was one.
    loss_, loss_curve_, validation_loss_curve_
        F at the end and after every iteration; mean held-out deviance per epoch.
    deviance_curve_ : list of float
        Mean training deviance after every iteration, without the penalty (of mini-batches
        that over each epoch). Empty where nobody watched: after ``fit_for_inference``, and of
        penalised GLMs of many rows.
    start_curves_ : list of dict
        "deviance" and "validation", both curves of each search, if there were several.
    rank_ : int
        Rank of X (with the intercept taken out) without hidden layers and penalty, or
        with a skip connection; else the number of its columns.
    separated_rows_ : array of int
        Rows (of those with a positive weight) whose mean is at the end of its range.
    estimable_coef_ : array of bool, (n_outputs, n_features + 1)
        Without hidden layers: which coefficients, the intercept last, the data
        determine; not those that separation drives to infinity, nor those of linearly
        dependent columns.
    estimators_ : list of estimators
        The members of an ensemble, if ``n_estimators`` > 1 with hidden layers: each as its own
        fit with its ``random_state`` gives it. Then deviance_ and dispersion_ are those of mu,
        n_iter_ is the largest, converged_ tells whether all have, balance_ is None where they
        differ, and coefs_, intercepts_ and the losses are those of the members alone.
    feature_names_ : list of str
        What coefficients, ``coefs_[0]`` and slopes belong to: the columns of X, factors coded.
    n_features_in_, feature_names_in_, n_layers_, n_outputs_, out_activation_

    References
    ----------
    McCullagh and Nelder (1989), Generalized Linear Models. Rao, "Recursive
    formulation of the gradient in a dense feed-forward deep neural network".

    Examples
    --------
    Without hidden layers and with the canonical link, fitted and observed totals agree:

    >>> import numpy as np
    >>> from glmnet_nn import DeepGLMRegressor
    >>> X = np.arange(12.0)[:, None]
    >>> y = np.array([0, 1, 0, 2, 1, 3, 2, 4, 6, 5, 9, 11])
    >>> glm = DeepGLMRegressor("poisson", hidden_layer_sizes=()).fit(X, y)
    >>> print(f"{glm.predict(X).sum():.6f}")
    44.000000
    """

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
    ) -> DeepGLMRegressor:
        """Fit to X, (n, p), and y, (n,) or (n, n_outputs).

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, p)
        y : array-like of shape (n,) or (n, n_outputs)
            With ``exposure``, the count, not the rate. With a ``formula`` optional.
        sample_weight : array-like of shape (n,), optional
            >= 0; a weight of k is k rows, 0 is no row.
        offset : array-like of shape (n,) or (n, n_outputs), optional
            Known part of the linear predictor.
        exposure : array-like of shape (n,), optional
            > 0, log link only: offset += log(exposure).

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Input outside the rules above, or a y that no finite parameters fit.
        """
        told = (X, y, sample_weight, offset, exposure)
        blocks = blocks_of(*told)
        if blocks is not None:
            self._fit_blocks(blocks, told)
        else:
            self._fit(*self._entered(*told), told=told)
        return self

    @by_batches
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
    ) -> DeepGLMRegressor:
        """Train for one more epoch, over these rows: the solver "adam" alone has it.

        The first call sets the scaling of the inputs, the unit of y, alpha="auto", the start
        and what a weight of 1 is, from its rows; after ``fit`` it goes on with that model, with
        new moments. n calls with the same rows are ``fit`` with max_iter=n, to the bit,
        under learning_rate="constant" and the same balance other than "auto", which here
        is None: the rows of one call need not be in balance. learning_rate="one_cycle" spans
        max_iter calls of as many rows as the first, and is constant under max_iter="auto".
        Callbacks are told of ``fit`` alone.

        Parameters
        ----------
        X, y, sample_weight, offset, exposure
            As in ``fit``. A later call may have any rows, of one class or all y = 0 too.

        Returns
        -------
        self
            ``t_`` is the number of rows seen, ``n_iter_`` that of the calls; ``loss_``,
            ``deviance_``, ``null_deviance_`` (NaN where these rows have no null model) and
            ``dispersion_`` are those of the rows of this call.

        Raises
        ------
        ValueError
            As ``fit``; and where the constructor asks for what takes more than one call, for
            another network than before, or the one-cycle schedule has come to its end.
        """
        told = (X, y, sample_weight, offset, exposure)
        self._fit(*self._entered(*told, partial=True), told=told, partial=True)
        return self

    @lazily
    def linear_predictor(
        self, X: ArrayLike, offset: ArrayLike | None = None, exposure: ArrayLike | None = None
    ) -> Array:
        """Return eta = network(x) + offset, shaped as y was; of an ensemble g(mu)."""
        return self._shaped(self._linear_predictor(X, offset, exposure))

    @lazily
    def predict(
        self, X: ArrayLike, offset: ArrayLike | None = None, exposure: ArrayLike | None = None
    ) -> Array:
        """Return the mean mu: with ``exposure`` the expected count, without it the rate."""
        return over_members(self._by_row(self._predictors_at(X, offset, exposure)))

    def score(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
    ) -> float:
        """Return D^2 = 1 - deviance / null deviance, the null model fitted to this y.

        1 is perfect, 0 no better than the mean (with the offset), negative worse.
        """
        blocks = blocks_of(X, y, sample_weight, offset, exposure)
        if blocks is not None:
            return self._score_blocks(blocks)
        X, y, sample_weight, offset, exposure = present_data(X, y, sample_weight, offset, exposure)
        eta = self._linear_predictor(X, offset, exposure)
        y = given_response(self, X, y, sample_weight)
        X, offset, exposure = known_columns(self, X, offset, exposure)
        observed, trials = self._columns(y, len(eta))
        weight = with_trials(sample_weight, trials, eta)
        rows = present_rows(eta, observed, self.family_, weight, offset, exposure, None)
        return explained_deviance(rows, rows.X, self.family_)

    def _score_blocks(self, blocks: Any) -> float:
        """Return D^2 of the rows of all blocks together."""
        check_is_fitted(self)
        source = surveyed(known_rows(self, blocks), self.family_)
        return explained_deviance_of_blocks(source, self._predictor_of, self.family_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
