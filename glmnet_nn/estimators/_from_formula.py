"""The estimators' ``from_formula``."""

from __future__ import annotations

from typing import Any, Self

from numpy.typing import ArrayLike

from glmnet_nn.estimators._formula_language import parsed
from glmnet_nn.tables.frames import as_table


class FromFormulaMixin:
    """``from_formula()``: an estimator with a formula, fitted, in one line."""

    @classmethod
    def from_formula(
        cls,
        formula: str,
        data: Any,
        *,
        sample_weight: str | ArrayLike | None = None,
        offset: str | ArrayLike | None = None,
        exposure: str | ArrayLike | None = None,
        **parameters: Any,
    ) -> Self:
        """Return the model of a formula, fitted to a data frame, as R's ``glm`` does.

        The same as ``cls(formula=formula, ...).fit(data)``. From then on every method takes data
        frames with the columns that the formula names: ``predict(new)``, ``score(new)``,
        ``inference(data)``. Splines, means and levels are those of the rows of the fit.

        Parameters
        ----------
        formula : str
            As in R and statsmodels: ``"claims ~ bs(age, df=4) + C(area) + log(density)"``. Without
            an intercept (``0 +``) ``fit_intercept`` is False.
        data : DataFrame of pandas, polars or another kind that narwhals knows
        sample_weight : str or array-like of shape (n,), optional
            A column of ``data``, or the weights.
        offset, exposure : str or array-like of shape (n,), optional
            A name is the constructor's: every frame is to have that column. Values are those of
            ``fit``, for this call alone.
        **parameters
            Those of the constructor: ``family``, ``hidden_layer_sizes``, ...

        Returns
        -------
        the estimator, fitted

        Raises
        ------
        ImportError
            formulaic is not installed.
        ValueError
            The formula cannot be read, values are missing in a column, or whatever ``fit`` raises.

        Examples
        --------
        Coefficients are called as formulaic calls them:

        >>> import pandas as pd
        >>> from glmnet_nn import DeepGLMRegressor
        >>> data = pd.DataFrame({"claims": [1, 3, 2, 5, 4, 9], "area": list("AABBCC")})
        >>> model = DeepGLMRegressor.from_formula(
        ...     "claims ~ C(area)", data, family="poisson", hidden_layer_sizes=()
        ... )
        >>> print(model.inference(data).params.round(4))
        Intercept       0.6931
        C(area)[T.B]    0.5596
        C(area)[T.C]    1.1787
        dtype: float64
        """
        given: dict[str, Any] = {}
        for name, value in (("offset", offset), ("exposure", exposure)):
            if isinstance(value, str):
                parameters[name] = value
            elif value is not None:
                given[name] = value
        if isinstance(sample_weight, str):
            sample_weight = _column(data, sample_weight)
        if sample_weight is not None:
            given["sample_weight"] = sample_weight
        if "fit_intercept" not in parameters:
            parameters["fit_intercept"] = parsed(formula, []).has_intercept
        estimator: Any = cls
        fitted: Self = estimator(formula=formula, **parameters).fit(data, **given)
        return fitted


def _column(data: Any, name: str) -> Any:
    """Return a column of a data frame."""
    as_table(data)  # says so if it has no rows yet
    try:
        return data[name]
    except Exception as error:
        raise ValueError(
            f"sample_weight={name!r} must name a column of data, but there is none of that name. "
            "Add it, or pass the weights."
        ) from error
