"""Depth zero: seconds to the maximum likelihood estimate, beside other GLM packages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks import data, tables
from benchmarks.crew import Contender, Crew, crew, stored
from benchmarks.judged import judged_race, judged_rows


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
    heads, body = judged_rows(found, "gradient", "gradient")
    for cells, row in zip(body, found["rows"], strict=True):
        memory = row.get("bytes")
        cells.append("-" if memory is None else f"{100 * memory / row['size']:.1f} %")
    heads.append("memory / X")
    return tables.goals(found["goals"]) + "\n\n" + tables.markdown(heads, body)
