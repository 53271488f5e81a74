"""Exponential families: a law of y in five facts, and all that follows from them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from families._dispersion import DispersionScore
from families._links import Link, get_link, known_links
from families._parameters import Parameters
from families._residuals import Residuals
from families._second_order import SecondOrder
from families._support import Array, Interval, Simplex

_FAMILIES: dict[str, type[ExponentialFamily]] = {}


@dataclass(frozen=True)
class ExponentialFamily(Parameters, Residuals, SecondOrder, DispersionScore, ABC):
    r"""A law f(y | theta, tau) = h(y, tau) exp{ (theta . y - A(theta)) / d(tau) }.

    *Contract*: five facts, which every law states.

    ========================  ====================================================
    ``support``                where y may live
    ``canonical_link``         g with theta = ``natural_scale`` g(mu)
    ``log_partition(theta)``   A, convex; A' = mu, A'' = V
    ``variance(mu)``           V, so that Var[y] = V(mu) d(tau)
    ``conjugate(y)``           A*(y) = sup_theta theta . y - A(theta)
    ========================  ====================================================

    With ``dispersion(tau)`` = d and ``log_saturated(y, phi)`` = log h + A*(y) / phi, the
    log-density at mu = y, it is a full probability law. (log h alone is
    ``log_base_measure``; the saturated form is the fact because it can be stated
    without cancellation: for the Normal law log h contains -y^2 / 2 phi.)

    ``natural_scale`` is 1 unless the field calls a multiple of theta canonical:
    1 / mu for Gamma, where theta = -1 / mu. A law with parameters may let it and
    ``canonical_link`` depend on them, as properties.

    *What follows*: mean, loss, error, Fisher information, deviance, log-likelihood.
    A scalar law works element by element on arrays of any shape; a vector law
    (``event_ndim = 1``) has its components on the last axis.

    Parameters
    ----------
    link : str or Link, default="auto"
        Link function; "auto" is the canonical one.

    Raises
    ------
    ValueError
        The link is unknown, or its means cannot be means of this law.

    References
    ----------
    McCullagh and Nelder (1989), Generalized Linear Models, chapter 2.
    Barndorff-Nielsen (1978), Information and Exponential Families, chapter 9
    (A* and the closure of the mean domain).
    """

    link: Link | str = "auto"

    name: ClassVar[str]
    aliases: ClassVar[tuple[str, ...]] = ()
    support: ClassVar[Interval | Simplex]
    mean_domain: ClassVar[Interval | Simplex]
    natural_scale: ClassVar[float] = 1.0
    has_dispersion: ClassVar[bool] = False
    may_be_overdispersed: ClassVar[bool] = True  # Var[y] = phi V(mu), phi > 1; see Bernoulli
    event_ndim: ClassVar[int] = 0
    otherwise: ClassVar[str] = ""  # where a y that the support lacks may be at home, for errors

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        if "name" in cls.__dict__:
            _FAMILIES.update(dict.fromkeys((cls.name, *cls.aliases), cls))

    def __post_init__(self) -> None:
        if self.unknown is not None:  # so may be the canonical link, which follows
            law = self.initial
            own = self.link in ("auto", law.canonical_link.name)
            object.__setattr__(self, "link", "auto" if own else law.link)
            return
        own = self.link in ("auto", self.canonical_link.name)
        link = self.canonical_link if own else get_link(self.link)
        if not self.allows(link):
            names = sorted(known.name for known in self.allowed_links())
            raise ValueError(
                f"link {link.name!r} does not give means of the {type(self).__name__} family; "
                f"use one of {names}."
            )
        object.__setattr__(self, "link", link)

    # ------------------------------------------------------------- contract

    @property
    @abstractmethod
    def canonical_link(self) -> Link:
        """g with theta = natural_scale g(mu); a class constant where no parameter enters."""

    @abstractmethod
    def log_partition(self, theta: Array) -> Array:
        """Return A(theta)."""

    @abstractmethod
    def variance(self, mu: Array) -> Array:
        """Return V(mu) = A''(theta)."""

    @abstractmethod
    def conjugate(self, y: Array) -> Array:
        """Return A*(y) = sup_theta theta . y - A(theta)."""

    @abstractmethod
    def log_saturated(self, y: Array, phi: Array | float = 1.0) -> Array:
        """Return the log-density at mu = y, log h(y, tau) + A*(y) / phi."""

    @abstractmethod
    def sample(self, mu: Array, phi: Array | float, rng: np.random.Generator) -> Array:
        """Draw one y for each mean mu at dispersion phi."""

    @abstractmethod
    def distribution(self, mu: Array, phi: Array | float = 1.0) -> Any:
        """Return the law at mean mu and dispersion phi as a frozen distribution of scipy.stats."""

    def dispersion(self, tau: Array | float) -> Array | float:
        """Return phi = d(tau); 1 for the laws without a scale."""
        return np.ones_like(tau, dtype=float)

    # ---------------------------------------------------------- what follows

    @classmethod
    def allows(cls, link: Link) -> bool:
        """Tell whether some means that the link can produce are means of this law."""
        if isinstance(cls.mean_domain, Simplex) or isinstance(link.domain, Simplex):
            return link.domain == cls.mean_domain
        low = max(cls.mean_domain.low, link.domain.low)
        return low < min(cls.mean_domain.high, link.domain.high)

    @classmethod
    def allowed_links(cls) -> list[Link]:
        """Return every known link that this law allows."""
        return [link() for link in known_links().values() if cls.allows(link())]

    @property
    def is_canonical(self) -> bool:
        """Whether theta is proportional to eta, theta = natural_scale eta."""
        return self.link is self.canonical_link or self.link == self.canonical_link

    @property
    def is_location_scale(self) -> bool:
        """Whether c y has the same law with eta and sqrt(phi) times c."""
        return False

    @property
    def scale_order(self) -> float | None:
        """The p of V(mu) = mu^p where c y, c > 0, has the same law; None for no such law.

        The loss at c y and c mu is c^(2 - p) times that at y and mu.
        """
        return None

    @property
    def link_degree(self) -> float | None:
        """The k of g(c mu) = c^k g(mu); None if there is none, or 0."""
        return self._link.degree

    @property
    def takes_precision(self) -> bool:
        """Whether y of precision w (a mean of w observations) has the law at phi / w."""
        return self.has_dispersion

    def response(self, columns: Array) -> tuple[Array, Array | None]:
        """Return y, (n, K), and the trials of each row, (n,), if the columns tell them."""
        return columns, None

    @property
    def link_name(self) -> str:
        """The name of the link."""
        return self._link.name

    @property
    def _link(self) -> Link:
        if self.unknown is not None:
            self._number(self.unknown.name)  # says that it is not known yet
        assert isinstance(self.link, Link)  # __post_init__ has replaced any name
        return self.link

    def mean(self, eta: Array) -> Array:
        """Return mu = g^-1(eta)."""
        return self._link.inverse(eta)

    def link_of(self, mu: Array) -> Array:
        """Return eta = g(mu)."""
        return self._link.link(mu)

    def natural_of(self, mu: Array) -> Array:
        """Return theta as a function of the mean, the inverse of A'."""
        return self.natural_scale * self.canonical_link.link(mu)

    def natural(self, eta: Array) -> Array:
        """Return theta as a function of the linear predictor."""
        if self.is_canonical:
            with np.errstate(over="ignore"):
                return self.natural_scale * np.asarray(eta, dtype=float)
        return self.natural_of(self.mean(eta))

    def natural_slope(self, eta: Array) -> Array:
        """Return d theta / d eta = (d mu / d eta) / V(mu), constant for the canonical link."""
        if self.is_canonical:
            return np.full_like(eta, self.natural_scale, dtype=float)
        with np.errstate(divide="ignore", invalid="ignore"):
            return self._link.inverse_slope(eta) / self.variance(self.mean(eta))

    def is_feasible(self, eta: Array) -> np.bool_:
        """Tell whether every eta has a mean that this law can have.

        False only for links such as identity with Poisson, whose linear
        predictor may leave the domain of means.
        """
        image = self._link.image
        at_infinity = np.isinf(eta) & ((eta == image.low) | (eta == image.high))
        inside = np.all(image.contains(eta) | at_infinity)
        if self._covers_mean_domain:
            return np.bool_(inside)
        return np.bool_(inside and np.all(self.mean_domain.contains(self.mean(eta))))

    @property
    def has_safe_link(self) -> bool:
        """Whether every number is a linear predictor with a mean of this law."""
        image = self._link.image
        return self._covers_mean_domain and bool(np.isneginf(image.low) and np.isinf(image.high))

    @property
    def _covers_mean_domain(self) -> bool:
        """Whether every mean that the link can produce is a mean of this law."""
        ours, theirs = self.mean_domain, self._link.domain
        if isinstance(ours, Simplex) or isinstance(theirs, Simplex):
            return True
        return ours.low <= theirs.low and theirs.high <= ours.high

    def divergence(self, y: Array, mu: Array) -> Array:
        """Return half the unit deviance, A*(y) + A(theta) - theta . y >= 0; 0 at mu = y."""
        return self._generic_loss(y, self.natural_of(mu))

    def loss(self, y: Array, eta: Array) -> Array:
        """Return A(theta) - theta . y + A*(y) at the linear predictor eta."""
        return self._generic_loss(y, self.natural(eta))

    def _generic_loss(self, y: Array, theta: Array) -> Array:
        return self.conjugate(y) + self.log_partition(theta) - self._inner(theta, y)

    def _inner(self, theta: Array, y: Array) -> Array:
        """Return theta . y, the sum over the components of a vector law."""
        product = np.asarray(theta * y)
        return product.sum(axis=-1) if self.event_ndim else product

    def kernel(self, y: Array, eta: Array) -> Array:
        """Return A(theta) - theta . y, the loss less A*(y): cheap for the canonical link."""
        if not self.is_canonical:
            return self.loss(y, eta) - self.conjugate(y)
        theta = self.natural(eta)
        with np.errstate(over="ignore", invalid="ignore"):
            value = np.asarray(self.log_partition(theta) - self._inner(theta, y))
        return np.where(np.isnan(value), np.inf, value)  # A overflows faster than theta y

    def error(self, y: Array, eta: Array) -> Array:
        """Return d loss / d eta = (mu - y) d theta / d eta: the seed of the recursion."""
        if self.is_canonical and self.natural_scale == 1.0:
            return self.mean(eta) - y
        with np.errstate(over="ignore"):
            slope = self.natural_scale if self.is_canonical else self.natural_slope(eta)
            return (self.mean(eta) - y) * slope

    def kernel_and_error(self, y: Array, eta: Array) -> tuple[Array, Array]:
        """Return both, for sums over many rows: right to the rounding of their largest term.

        What they share is computed once; the digits of a small kernel or error beside
        large terms, which :meth:`loss` and :meth:`error` keep, are not. float32 stays
        float32.
        """
        return self.kernel(y, eta), self.error(y, eta)

    def fisher_weight(self, eta: Array) -> Array:
        """Return E[d^2 loss / d eta^2] = (d mu / d eta)^2 / V(mu), per component.

        For a vector law this is the diagonal of the Fisher information of eta.
        """
        if self.is_canonical:
            return self.natural_scale**2 * self.variance(self.mean(eta))
        with np.errstate(over="ignore"):
            return self._link.inverse_slope(eta) * self.natural_slope(eta)

    def fisher_couplings(self, eta: Array) -> Iterator[tuple[int, int, Array]]:
        """Yield k, l < k and entry (k, l) of the Fisher information of eta, where not 0."""
        return iter(())

    def fisher_root(self, eta: Array, jacobian: Array) -> Array:
        """Return S J with S'S the Fisher information of eta.

        ``eta`` is (n, K) and ``jacobian`` (n, K, P). For independent components
        S is diagonal, with entries sqrt(fisher_weight).
        """
        return np.sqrt(self.fisher_weight(eta))[..., None] * jacobian

    def pearson(self, y: Array, eta: Array) -> Array:
        """Return r with S' r = -error: the Pearson residual (y - mu) / sqrt(V(mu)).

        Its sign is that of (y - mu) d mu / d eta. With :meth:`fisher_root` one
        scoring step is a least-squares problem: the delta that minimises
        |S J delta - r|. Where S underflows to 0, r is 0.
        """
        mu, positive = self.mean(eta), self.fisher_weight(eta) > 0
        root = np.sqrt(np.where(positive, self.variance(mu), 1.0))
        with np.errstate(over="ignore", invalid="ignore"):
            residual = np.sign(self._link.inverse_slope(eta)) * (y - mu) / root
        return np.where(positive, residual, 0.0)

    def unit_deviance(self, y: ArrayLike, mu: ArrayLike) -> Array:
        """Return 2 [A*(y) + A(theta) - theta . y], twice the log-likelihood lost by mu."""
        return 2.0 * self.divergence(np.asarray(y, dtype=float), np.asarray(mu, dtype=float))

    def log_likelihood(self, y: ArrayLike, mu: ArrayLike, phi: Array | float = 1.0) -> Array:
        """Return log f(y | mu, phi), the saturated value less divergence / phi."""
        y, mu = np.asarray(y, dtype=float), np.asarray(mu, dtype=float)
        return self.log_saturated(y, phi) - self.divergence(y, mu) / phi

    def log_base_measure(self, y: ArrayLike, phi: Array | float = 1.0) -> Array:
        """Return log h(y, tau), the part of the log-density free of theta."""
        y = np.asarray(y, dtype=float)
        return self.log_saturated(y, phi) - self.conjugate(y) / phi

    def likelihood_dispersion(self, mean_deviance: float) -> float:
        """Return the phi that maximises the likelihood at that mean unit deviance.

        NaN for a law whose ``log_saturated`` does not split into a term of y and a
        term of phi: the deviance does not tell, and another estimate must be used.
        """
        return np.nan if self.has_dispersion else 1.0

    def flat_direction(self, n_outputs: int) -> Array | None:
        """Return the unit vector v with loss(y, eta + t v) = loss(y, eta), if there is one."""
        return None

    def escape_cone(self, y: Array) -> Array:
        """Return C, (n, m, K): eta may run off along v without loss iff C_i v >= 0.

        Along such a v the loss never rises, and so has no minimum. That is so exactly
        if y maximises v . m over the means m; for a scalar law v may be positive only
        where y is at or beyond the mean that the link approaches at eta = inf, negative
        only for the one at -inf. Rows of zeros state nothing.
        Source: Barndorff-Nielsen (1978), chapter 9; Geyer (2009), "Likelihood
        inference in exponential families and directions of recession".
        """
        up = np.where(self._is_beyond_mean_at(np.inf, y), 0.0, -1.0)
        down = np.where(self._is_beyond_mean_at(-np.inf, y), 0.0, 1.0)
        outputs = np.eye(y.shape[1])
        return np.concatenate([up[:, :, None] * outputs, down[:, :, None] * outputs], axis=1)

    def _is_beyond_mean_at(self, end: float, y: Array) -> NDArray[np.bool_]:
        """Tell where y is at or beyond the finite mean that eta -> end, +-inf, approaches."""
        image, domain = self._link.image, self._link.domain
        assert isinstance(domain, Interval)
        if end not in (image.low, image.high):
            return np.zeros(np.shape(y), dtype=bool)
        with np.errstate(all="ignore"):
            limit = float(self.mean(np.array(end)))
        below = (limit == domain.low) & (y <= limit)
        above = (limit == domain.high) & (y >= limit)
        return np.asarray(np.isfinite(limit) & (below | above))

    def check_response(self, y: Array) -> None:
        """Raise ValueError, with rule, evidence and remedy, if a y is outside the support."""
        y = np.atleast_1d(y)
        inside = self.support.contains(y)
        if np.all(inside):
            return
        where = np.unravel_index(int(np.argmin(inside)), inside.shape)
        at = where[0] if inside.ndim == 1 or inside.shape[-1] == 1 else tuple(map(int, where))
        value = y[where]
        shown = f"{value.item()!r}" if value.size == 1 else f"{value.tolist()}"
        raise ValueError(
            f"{type(self).__name__} needs {self.support}, but y[{at}] = {shown} "
            f"({int(np.sum(~inside))} such in all). Remove or correct such rows{self.otherwise}."
        )
