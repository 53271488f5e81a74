"""The classifier: Bernoulli for two classes and for labels, Multinoulli for more."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.metrics import accuracy_score
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.validation import check_is_fitted

from families import Array, Bernoulli, Multinoulli
from glmnet_nn.blocks import Block, blocks_of
from glmnet_nn.estimators._base import BaseDeepGLM
from glmnet_nn.estimators._block_entry import has_rows, in_block
from glmnet_nn.estimators._blockwise import lazily
from glmnet_nn.estimators._columns import given_response, present_data
from glmnet_nn.estimators._ensemble import over_members
from glmnet_nn.estimators._labels import LabelMixin
from glmnet_nn.estimators._partial import by_batches
from glmnet_nn.estimators._prediction import ClassPredictions
from glmnet_nn.estimators._validation import check_weight
from glmnet_nn.training.sources import added


class DeepGLMClassifier(ClassifierMixin, ClassPredictions, LabelMixin, BaseDeepGLM):
    r"""A feed-forward network whose output layer is a logistic regression.

    Two classes: Bernoulli with the logit link (or probit, cloglog, ...), one output,
    the log odds of ``classes_[1]``. More classes: Multinoulli with softmax, one output
    a class. A y of several 0/1 columns (multilabel): one Bernoulli output a column.
    With ``hidden_layer_sizes=()`` it is the classical model, and by default its
    maximum likelihood estimate (scikit-learn's LogisticRegression has a penalty).

    Parameters
    ----------
    link : str or Link, default="auto"
        The link of a Bernoulli output; "auto" is the canonical one.
    hidden_layer_sizes, architecture, skip_connection, base, activation, alpha, l1_ratio, \
group_lasso, bias_reduction, fit_intercept, formula, offset, exposure, categorical, unseen, \
missing, embedding_size, standardize, solver, max_iter, tol, batch_size, learning_rate, \
learning_rate_init, shuffle, early_stopping, validation_fraction, n_iter_no_change, n_init, \
n_estimators, n_jobs, polish_output, balance, warm_start, checkpoint, checkpoint_every, \
store_covariance, random_state, verbose
        As in :class:`DeepGLMRegressor`.

    Attributes
    ----------
    classes_ : array
        The labels; for a multilabel y the numbers of its columns.
    coef_, intercept_
        Without a hidden layer: (n_features,) and a number for one output; for
        Multinoulli (n_classes, n_features) and (n_classes,), the representative whose
        rows sum to zero.
    coefs_, intercepts_, embeddings_, input_bounds_, deviance_, null_deviance_, family_, link_, \
solver_, alpha_, n_iter_, converged_, loss_, loss_curve_, validation_loss_curve_, \
deviance_curve_, start_curves_, rank_, separated_rows_, estimable_coef_, estimators_, \
feature_names_, n_features_in_, feature_names_in_, n_layers_, n_outputs_, out_activation_
        As in :class:`DeepGLMRegressor`.

    Examples
    --------
    Fitted and observed totals of each class agree without hidden layers:

    >>> import numpy as np
    >>> from glmnet_nn import DeepGLMClassifier
    >>> X = np.array([[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]])
    >>> y = np.array(["no", "no", "yes", "no", "yes", "yes"])
    >>> glm = DeepGLMClassifier(hidden_layer_sizes=()).fit(X, y)
    >>> [f"{total:.6f}" for total in glm.predict_proba(X).sum(axis=0)]
    ['3.000000', '3.000000']
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseDeepGLM._parameter_constraints,
        "base": [HasMethods("predict_proba"), None],
    }

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
    ) -> DeepGLMClassifier:
        """Fit to X, (n, p), and labels y, (n,), or indicators (n, n_labels).

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, p)
        y : array-like of shape (n,) or (n, n_labels)
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
            Input outside the rules above, or fewer than two classes.
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
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
    ) -> DeepGLMClassifier:
        """Train for one more epoch, over these rows: the solver "adam" alone has it.

        As :meth:`DeepGLMRegressor.partial_fit`. Where the first call lacks a class, its null
        model, the start, counts one row more, shared by all classes.

        Parameters
        ----------
        X, y, sample_weight, offset, exposure
            As in ``fit``. A call may have rows of some classes only.
        classes : array-like of shape (n_classes,), optional
            All classes: in the first call, unless y is a matrix of labels.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            As that of the regressor; and for classes that are not those of the first call.
        """
        if y is None:
            y = given_response(self, X, y, sample_weight)
        self._take_classes(y, classes)
        told = (X, y, sample_weight, offset, exposure)
        self._fit(*self._entered(*told, partial=True), told=told, partial=True)
        return self

    @lazily
    def linear_predictor(
        self, X: ArrayLike, offset: ArrayLike | None = None, exposure: ArrayLike | None = None
    ) -> Array:
        """Return eta = network(x) + offset: (n,) for two classes, else (n, n_outputs).

        Of an ensemble it is g of the mean probabilities.
        """
        eta = self._linear_predictor(X, offset, exposure)
        return eta if self._multilabel or eta.shape[1] > 1 else eta[:, 0]

    @lazily
    def decision_function(
        self, X: ArrayLike, offset: ArrayLike | None = None, exposure: ArrayLike | None = None
    ) -> Array:
        """Return the linear predictor."""
        return self.linear_predictor(X, offset, exposure)

    @lazily
    def predict_proba(
        self, X: ArrayLike, offset: ArrayLike | None = None, exposure: ArrayLike | None = None
    ) -> Array:
        """Return the probability of each class, (n, n_classes); of each label if multilabel.

        Raises
        ------
        ValueError
            The link (identity, log) gives some row a number outside [0, 1].
        """
        eta = self._predictors_at(X, offset, exposure)
        mu = over_members(self.family_.mean(eta))
        outside = ~((mu >= 0) & (mu <= 1)).all(axis=1)
        if outside.any():
            at = int(np.argmax(outside))
            raise ValueError(
                f"probabilities lie in [0, 1], but link {self.family_.link_name!r} gives row {at} "
                f"{mu[at].tolist()}. Use link='logit'; linear_predictor() gives eta as it is."
            )
        return over_members(self._by_row(eta))

    @lazily
    def predict_log_proba(
        self, X: ArrayLike, offset: ArrayLike | None = None, exposure: ArrayLike | None = None
    ) -> Array:
        """Return the logarithm of the probabilities, finite where they round to 0."""
        eta = self._linear_predictor(X, offset, exposure)
        logs = cast("Bernoulli | Multinoulli", self.family_).log_probabilities(eta)
        return logs[..., 1] if self._multilabel else logs

    @lazily
    def predict(
        self, X: ArrayLike, offset: ArrayLike | None = None, exposure: ArrayLike | None = None
    ) -> NDArray[Any]:
        """Return the most probable class of each row; 0/1 for each label if multilabel."""
        eta = self._predictors_at(X, offset, exposure)
        mu = over_members(self.family_.mean(eta))
        if self._multilabel:
            return (mu > 0.5).astype(int)
        best = mu.argmax(axis=1) if mu.shape[1] > 1 else (mu[:, 0] > 0.5).astype(int)
        return self.classes_[best]

    def score(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
    ) -> float:
        """Return the accuracy: the share of rows (all labels right, if multilabel)."""
        blocks = blocks_of(X, y, sample_weight, offset, exposure)
        if blocks is not None:
            return self._score_blocks(blocks)
        X, y, sample_weight, offset, exposure = present_data(X, y, sample_weight, offset, exposure)
        predicted = self.predict(X, offset, exposure)
        y = given_response(self, X, y, sample_weight)
        return float(accuracy_score(y, predicted, sample_weight=sample_weight))

    def _score_blocks(self, blocks: Any) -> float:
        """Return the accuracy over the rows of all blocks together."""
        check_is_fitted(self)
        hits, total = added(blocks.map(partial(_hits, self)))
        if not total:
            raise ValueError("score() needs rows of positive weight, but the blocks have none.")
        return float(hits / total)

    def _row_shape(self, method: str) -> tuple[tuple[int, ...], Any]:
        """Return the shape of a row of what a method of predictions returns, and its type."""
        if method == "predict":
            return (
                ((len(self.classes_),), np.dtype(int))
                if self._multilabel
                else ((), self.classes_.dtype)
            )
        one = method in ("linear_predictor", "decision_function")
        if one and self.n_outputs_ == 1 and not self._multilabel:
            return (), np.dtype(float)
        return (self.n_outputs_ if one else len(self.classes_),), np.dtype(float)

    def _by_row(self, eta: Array) -> Array:
        """Return the probabilities of each network, (k, n, n_classes), or of each label."""
        mu = self.family_.mean(eta)
        if self._multilabel or mu.shape[-1] > 1:
            return mu
        return np.concatenate([cast(Bernoulli, self.family_).complement(eta), mu], axis=-1)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def _hits(classifier: DeepGLMClassifier, block: Block, number: int) -> tuple[float, float]:
    """Return the weight of the rows whose class is right, and that of all."""
    if not has_rows(block):
        return 0.0, 0.0
    weight = check_weight(block.sample_weight, block.X)
    share = in_block(number, classifier.score, *block)
    return share * float(weight.sum()), float(weight.sum())
