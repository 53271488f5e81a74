"""The y of a classifier: labels, or columns of 0 and 1, and the indicators that are fitted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.multiclass import (
    _check_partial_fit_first_call,
    check_classification_targets,
    type_of_target,
)
from sklearn.utils.validation import check_array, check_consistent_length, column_or_1d

from families import Array, ExponentialFamily, get_family
from glmnet_nn.estimators._base_model import base_offset
from glmnet_nn.estimators._columns import entered_columns
from glmnet_nn.estimators._validation import check_weight


class LabelMixin:
    """Indicators of classes, one column for each output of the network."""

    classes_: NDArray[Any]
    _multilabel: bool

    if TYPE_CHECKING:  # what DeepGLMClassifier has
        base: Any
        link: Any

        def _entered_matrix(
            self,
            X: Any,
            y: ArrayLike,
            sample_weight: ArrayLike | None,
            reset: bool = True,
            **checks: Any,
        ) -> tuple[Array, NDArray[Any]]: ...

    def _entered(
        self,
        X: ArrayLike,
        y: ArrayLike | None,
        sample_weight: ArrayLike | None,
        offset: ArrayLike | None,
        exposure: ArrayLike | None,
        classes: NDArray[Any] | None = None,
        partial: bool = False,
    ) -> tuple[Any, ...]:
        """Return validated data; ``classes`` are known already where others have rows of them."""
        reset = not (partial and hasattr(self, "family_"))
        given = (X, y, sample_weight, offset, exposure)
        X, y, offset, exposure = entered_columns(self, *given, reset=reset)
        rows, target = self._entered_matrix(X, y, sample_weight, reset, multi_output=True)
        kind = type_of_target(target)
        if kind not in {"binary", "multiclass", "multilabel-indicator"}:
            check_classification_targets(target)
        multilabel = kind == "multilabel-indicator"
        if not reset and multilabel != self._multilabel:
            before, now = ("indicators", "one label a row")[:: 1 if self._multilabel else -1]
            raise ValueError(
                f"partial_fit() continues a model of {before}, but now y holds {now}. Give y as "
                "in the first call."
            )
        self._multilabel = multilabel
        if multilabel:
            columns = np.asarray(target, dtype=float)
            if reset:
                self.classes_ = np.arange(columns.shape[1])
        else:
            labels = column_or_1d(target, warn=True)
            present = check_weight(sample_weight, rows) > 0
            if partial:
                columns = self._indicators(labels, present)
            else:
                columns = self._encode(labels, present, classes)
        labels = self._labels()
        offset = base_offset(self.base, X, self._law(), offset, columns.shape[1], labels)
        return rows, columns, self._law(), sample_weight, offset, exposure

    def _classes_in(self, y: ArrayLike, sample_weight: ArrayLike | None) -> NDArray[Any] | None:
        """Return the labels of rows of positive weight; None if each label has a column."""
        target = check_array(y, ensure_2d=False, dtype=None, input_name="y")
        if target.ndim == 2 and target.shape[1] > 1:
            return None
        labels = column_or_1d(target, warn=True)
        return np.unique(labels[check_weight(sample_weight, labels) > 0])

    def _encode(
        self, labels: NDArray[Any], present: NDArray[np.bool_], classes: NDArray[Any] | None
    ) -> Array:
        """Return indicators of the classes, or of the second of two; rows without weight any."""
        self.classes_ = np.unique(labels[present]) if classes is None else classes
        if len(self.classes_) < 2:
            raise ValueError(
                f"DeepGLMClassifier needs at least two classes, but y has 1 class: "
                f"{self.classes_.tolist()[0]!r} (rows of weight 0 do not count)."
            )
        return self._one_hot(labels)

    def _take_classes(self, y: ArrayLike, classes: ArrayLike | None) -> None:
        """Take the classes that the first call tells, and check those of a later one."""
        if not hasattr(self, "family_"):
            self.__dict__.pop("classes_", None)  # of a first call that failed
        if type_of_target(y, input_name="y") != "multilabel-indicator":
            _check_partial_fit_first_call(self, classes)
            if len(self.classes_) < 2:
                raise ValueError(
                    f"classes must hold at least two, but got {self.classes_.tolist()}. Tell all "
                    "that any call may have."
                )
        elif classes is not None and not np.array_equal(classes, np.arange(np.shape(y)[1])):
            raise ValueError(
                f"classes of a matrix of labels are the numbers of its columns, but got "
                f"{np.asarray(classes).tolist()}. Leave classes out."
            )

    @property
    def _first_output(self) -> int:
        """1 for two classes, whose one output belongs to the second; else 0."""
        return int(len(self.classes_) == 2)

    def _indicators(self, labels: NDArray[Any], present: NDArray[np.bool_]) -> Array:
        """Return the indicators of known labels; rows that are not present may have any."""
        unknown = present & ~np.isin(labels, self.classes_)
        if unknown.any():
            at = int(np.argmax(unknown))
            raise ValueError(
                f"y must hold the classes of the fit, {self.classes_.tolist()}, but y[{at}] = "
                f"{labels[at : at + 1].tolist()[0]!r}. Fit the model to data with that class."
            )
        return self._one_hot(labels)

    def _one_hot(self, labels: NDArray[Any]) -> Array:
        """Return which class each label is, (n, n_outputs)."""
        return (labels[:, None] == self.classes_[self._first_output :]).astype(float)

    def _law(self) -> ExponentialFamily:
        if self._multilabel or len(self.classes_) == 2:
            return get_family("bernoulli", self.link)
        return get_family("multinoulli", self.link)

    def _response(self, y: ArrayLike, X: Array, sample_weight: ArrayLike | None) -> Array:
        check_consistent_length(X, y)
        if self._multilabel:
            return np.asarray(y, dtype=float)
        return self._indicators(column_or_1d(y), check_weight(sample_weight, X) > 0)

    def _labels(self) -> NDArray[Any] | None:
        return None if self._multilabel else self.classes_

    def _output_names(self) -> list[str]:
        return [str(label) for label in self.classes_]
