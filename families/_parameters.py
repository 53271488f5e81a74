"""Parameters of a law beside its mean and dispersion, as given or to be estimated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from families._support import Interval

ESTIMATE = "estimate"


@dataclass(frozen=True)
class Estimable:
    """A parameter that may be given as "estimate".

    Attributes
    ----------
    name : str
    domain : Interval
        Where it may live, without its ends.
    search : (float, float)
        Where the maximum of its likelihood is looked for.
    usual : float
        A usual value, to start from.
    limits : (str, str)
        What the law is at either end, in words; "" where it is none.
    """

    name: str
    domain: Interval
    search: tuple[float, float]
    usual: float
    limits: tuple[str, str]


class Parameters:
    """A law with a parameter to be estimated is a promise: fitting it gives the law.

    A law declares ``estimable`` and reads the parameter by :meth:`_number`. Whoever fits
    it asks for ``unknown`` and tries the laws ``at`` some values.
    """

    estimable: ClassVar[Estimable | None] = None

    @property
    def unknown(self) -> Estimable | None:
        """The parameter that is to be estimated, None if every parameter is known."""
        parameter = self.estimable
        if parameter is not None and getattr(self, parameter.name) == ESTIMATE:
            return parameter
        return None

    def at(self, value: float) -> Self:
        """Return the law with that value of its unknown parameter; the same, if none is.

        Examples
        --------
        >>> from families import Tweedie
        >>> Tweedie("log", power="estimate").at(1.6)
        Tweedie(link=Log(), power=1.6)
        """
        if self.unknown is None:
            return self
        facts: dict[str, Any] = {**vars(self), self.unknown.name: value}
        return type(self)(**facts)

    @property
    def initial(self) -> Self:
        """The law itself or, if a parameter is unknown, the law at its usual value."""
        return self if self.unknown is None else self.at(self.unknown.usual)

    def _number(self, name: str) -> float:
        """Return the parameter, if it is a number; raise ValueError else."""
        value = getattr(self, name)
        if not isinstance(value, str):
            return float(value)
        law = type(self).__name__
        if value != ESTIMATE:
            raise ValueError(f"{law} needs {name} as a number or {ESTIMATE!r}, but got {value!r}.")
        raise ValueError(
            f"{name} of this {law} law is to be estimated, and not known yet. Fit a model: its "
            "family_ is the law with the estimate; or choose a value, as family.at(value)."
        )
