"""Warnings about what was found in the data while fitting."""


class RankWarning(UserWarning):
    """Columns of X are linearly dependent: the minimum-norm solution is reported."""


class SeparationWarning(UserWarning):
    """Some fitted means lie at the end of their domain: some coefficients are infinite."""


class InferenceWarning(UserWarning):
    """Standard errors cannot be trusted, or are not defined."""


class BoundaryWarning(UserWarning):
    """The likelihood of a parameter of the law rises to an end of its range."""
