"""Depth zero: seconds to the maximum likelihood estimate, beside other GLM packages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks import data, tables
from benchmarks.crew import Contender, ContenderError, Crew, crew, is_installed, race, stored

GRADIENT = 1e-6  # of the mean loss, in its largest component: the quality asked of all
_TIGHTEST = 13  # a tolerance of 1e-13 is below what double precision resolves


@dataclass(frozen=True)
class Work:
    """A row of the issue's table: data, and the ratios aimed at, by beginning of a name."""

    law: str
    n: int
    p: int
    n_outputs: int = 1
    goals: Mapping[str, float] = field(default_factory=dict)
    independent: bool = False

    @property
    def name(self) -> str:
        """The work in words."""
        classes = f", K = {self.n_outputs}" if self.n_outputs > 1 else ""
        columns = ", independent columns" if self.independent else ""
        size = f"{self.n:.0e} x {self.p}".replace("e+0", "e")
        return f"{self.law.capitalize()} {size}{classes}{columns}"


WORKS = (
    *(Work(law, 10**5, 20, goals={"": 2.5, "statsmodels": 10}) for law in ("poisson", "bernoulli")),
    *(Work(law, 10**5, 200, goals={"": 4}) for law in ("poisson", "bernoulli")),
    *(Work(law, 20_000, 1000, goals={"": 4}) for law in ("poisson", "bernoulli")),
    *(Work(law, 10**6, 50, goals={"": 4}) for law in ("poisson", "bernoulli")),
    *(
        Work(law, 10**5, p, goals={"": goal}, independent=True)
        for p, goal in ((20, 2.5), (200, 4))
        for law in ("poisson", "bernoulli")
    ),
    *(Work("multinoulli", 10**5, 50, K, {"scikit-learn lbfgs": 5}) for K in (5, 10)),
    *(
        Work(
            "normal",
            10**5,
            p,
            goals={
                "scikit-learn Ridge(cholesky)": 1.2,
                "scikit-learn LinearRegression": 4,
                "glum": 2,
            },
        )
        for p in (20, 200)
    ),
    *(
        Work(law, 1000, 10, goals={"statsmodels": 1, "scikit-learn": 1})
        for law in ("poisson", "bernoulli", "normal")
    ),
)
QUICK = (
    *(Work(law, 500, 4, goals={"": 2.5}) for law in ("poisson", "normal")),
    Work("multinoulli", 500, 4, 3, {"scikit-learn lbfgs": 5}),
)

_OURS = Contender(tables.OURS, "ours", "glm", {})


def _peer(library: str, name: str, searched: bool, **settings: Any) -> Contender:
    """Return a peer; the tolerance of one that is ``searched`` is found first."""
    start = {"tol": None} if searched else {}
    return Contender(name, library, "glm", {**settings, **start})


def peers(law: str) -> list[Contender]:
    """Return who else can fit a law."""
    if law == "multinoulli":
        return [
            _peer("scikit_learn", f"scikit-learn {solver}", True, solver=solver)
            for solver in ("lbfgs", "newton-cholesky")
        ]
    glum = [
        _peer("glum", f"glum {solver}", True, solver=solver) for solver in ("irls-ls", "irls-cd")
    ]
    if law == "normal":
        return [
            _peer("scikit_learn", "scikit-learn Ridge(cholesky)", False, solver="cholesky"),
            _peer("scikit_learn", "scikit-learn LinearRegression", False, solver="lstsq"),
            *glum,
            _peer("statsmodels", "statsmodels OLS", False, model="OLS"),
        ]
    return [
        *(
            _peer("scikit_learn", f"scikit-learn {solver}", True, solver=solver)
            for solver in ("newton-cholesky", "lbfgs")
        ),
        *glum,
        _peer("statsmodels", "statsmodels GLM", True, model="GLM"),
        *(
            [_peer("statsmodels", "statsmodels Logit", True, model="Logit")]
            if law == "bernoulli"
            else []
        ),
    ]


def with_tolerance(
    workers: Crew,
    directory: str,
    contender: Contender,
    judge: str = "gradient",
    bound: float = GRADIENT,
) -> Contender:
    """Return the contender with the loosest tolerance, a power of ten, that reaches the bound.

    Bisection over 1e-1 .. 1e-13, four fits, what the judge says measured after each. Where
    even the tightest does not reach it, that one stays, and the table says so.
    """
    if "tol" not in contender.settings or not is_installed(contender.package):
        return contender
    low, high = 1, _TIGHTEST
    while low < high:
        middle = (low + high) // 2
        settings = {**contender.settings, "tol": 10.0**-middle}
        request = {"run": contender.function, "settings": settings, "judge": judge}
        reached = workers.run(contender.package, contender.threads[0], directory, **request)
        low, high = (low, middle) if reached[judge] <= bound else (middle + 1, high)
    return replace(contender, settings={**contender.settings, "tol": 10.0**-low})


def judged_race(
    workers: Crew,
    directory: str,
    work: Any,
    contenders: list[Contender],
    options: Any,
    judge: str = "gradient",
    bound: float = GRADIENT,
) -> list[Any]:
    """Return a row for each contender, at the loosest tolerance that ends within the bound."""
    failed: list[dict[str, Any]] = []
    ready = []
    for contender in contenders:
        settings = {**contender.settings, "law": work.law}
        asked = replace(contender, threads=options.threads, settings=settings)
        try:
            ready.append(with_tolerance(workers, directory, asked, judge, bound))
        except ContenderError as error:
            failed.append({"contender": contender.name, "error": str(error)})
    rows = race(workers, ready, directory, judge, options.repeats) + failed
    tolerances = {contender.name: contender.settings.get("tol") for contender in ready}
    for row in rows:
        row |= {"work": work.name, "tol": tolerances.get(row["contender"])}
        if judge in row:
            row["reached"] = row[judge] <= bound
    return rows


def measure(workers: Crew, work: Work, options: Any) -> list[Any]:
    """Return a row for each contender at one work."""
    drawn = data.glm(work.law, work.n, work.p, work.n_outputs, work.independent)
    size = drawn["X"].nbytes
    contenders = [_OURS, *options.invited(peers(work.law))]
    with stored(drawn) as directory:
        del drawn
        rows = judged_race(workers, directory, work, contenders, options)
    return [row | {"size": size} for row in rows]


def run(options: Any) -> dict[str, Any]:
    """Return rows and goals of all works."""
    works = QUICK if options.quick else WORKS
    with crew() as workers:
        return tables.collect(
            options, works, lambda work: measure(workers, work, options), "seconds"
        )


def table(found: dict[str, Any]) -> str:
    """Return the Markdown of a result."""
    ours = {
        row["work"]: row.get("seconds") for row in found["rows"] if row["contender"] == tables.OURS
    }
    body = []
    for row in found["rows"]:
        seconds, own = row.get("seconds"), ours[row["work"]]
        memory = row.get("bytes")
        late = "" if row.get("reached", True) else " (missed)"
        body.append(
            [
                row["work"],
                row["contender"],
                tables.status(row) or tables.seconds(seconds),
                tables.digits(seconds / own if seconds and own else None),
                str(row.get("threads", "-")),
                "-" if row["tol"] is None else f"{row['tol']:.0e}",
                f"{row['gradient']:.0e}{late}" if "gradient" in row else "-",
                "-" if memory is None else f"{100 * memory / row['size']:.1f} %",
            ]
        )
    heads = ["work", "contender", "time", "over ours", "threads", "tol", "gradient", "memory / X"]
    return tables.goals(found["goals"]) + "\n\n" + tables.markdown(heads, body)
