"""Separation against brute force: a linear program written out here for each law."""

import itertools

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import optimize
from test_solvers import glm

from families import Bernoulli, Multinoulli, Normal, Poisson, get_family
from glmnet_nn.training import recession
from glmnet_nn.training.separation import Restricted, find_separation, limit_problem
from glmnet_nn.training.solvers import Newton


def inequalities(family, X, y):
    """Rows (a, is_strict) of the cone: each observation's allowed movements of eta.

    Bernoulli: x d >= 0 where y = 1, <= 0 where y = 0, = 0 in between. Poisson with
    log link: x d <= 0 where y = 0, = 0 elsewhere. Multinoulli: the observed class
    gains on every other.
    """
    A = np.column_stack([X, np.ones(len(X))])
    K = y.shape[1]
    found = []
    for i, (a, row) in enumerate(zip(A, y, strict=True)):
        if family.event_ndim:
            k = int(np.argmax(row))
            for other in set(range(K)) - {k}:
                full = np.zeros((K, len(a)))
                full[k], full[other] = a, -a
                found.append((i, np.r_[full[:, :-1].ravel(), full[:, -1]]))
            continue
        up = row[0] == 1 and isinstance(family, Bernoulli)
        down = row[0] == 0
        if not down:
            found.append((i, a))
        if not up:
            found.append((i, -a))
    return found


def separated_rows(family, X, y):
    """One linear program for each inequality: can it be strict while all others hold?"""
    cone = inequalities(family, X, y)
    G = np.array([g for _, g in cone])
    rows = set()
    for i, g in cone:
        found = optimize.linprog(-g, A_ub=-G, b_ub=np.zeros(len(G)), bounds=(-1, 1))
        if -found.fun > 1e-7:
            rows.add(i)
    return sorted(rows)


def drawn(family, seed, n=9, p=2):
    """Small data on a coarse grid, of which a good part is separated."""
    rng = np.random.default_rng(seed)
    X = rng.integers(-1, 3, (n, p)).astype(float)
    eta = X @ rng.normal(size=p) * 1.5
    if family.event_ndim:
        X = np.vstack([X, rng.integers(-1, 3, (n, p))])
        scores = X @ rng.normal(size=(p, 3)) + rng.gumbel(size=(2 * n, 3))
        return X, np.eye(3)[np.argmax(scores, axis=1)]
    if isinstance(family, Bernoulli):
        y = (rng.uniform(size=n) < 1 / (1 + np.exp(-eta))).astype(float)
    else:
        y = rng.poisson(np.exp(np.clip(eta - 1, None, 2))).astype(float)
    return X, y[:, None]


LAWS = [Bernoulli(), Poisson(), Multinoulli()]
laws = pytest.mark.parametrize("family", LAWS, ids=lambda family: family.name)
seeds = pytest.mark.parametrize("seed", range(24))


def start_of(objective):
    return np.zeros(objective.network.layout.size)


@laws
@seeds
def test_the_separated_rows_are_those_of_brute_force(family, seed):
    X, y = drawn(family, seed)
    objective = glm(X, y, family)
    expected = separated_rows(family, X, y)
    found = find_separation(objective, start_of(objective), clear=np.inf)
    assert ([] if found is None else found.rows.tolist()) == expected
    if found is not None:
        after = Newton(max_iter=30).solve(objective, start_of(objective)).w
        near = find_separation(objective, after, clear=1e-6)
        assert near is not None
        assert near.rows.tolist() == expected


def test_the_draws_hold_both_kinds():
    for family in LAWS:
        found = [bool(separated_rows(family, *drawn(family, seed))) for seed in range(24)]
        assert 3 <= sum(found) <= 21


@laws
@seeds
def test_the_direction_moves_the_separated_rows_out_and_no_other(family, seed):
    X, y = drawn(family, seed)
    objective = glm(X, y, family)
    found = find_separation(objective, start_of(objective), clear=np.inf)
    if found is None:
        return
    cone = inequalities(family, X, y)
    moved = np.array([g @ found.direction for _, g in cone])
    at = np.array([i for i, _ in cone])
    inside = np.isin(at, found.rows)
    assert np.all(moved > -1e-8)
    np.testing.assert_allclose(moved[~inside], 0.0, atol=1e-8)
    for i in found.rows:
        assert moved[at == i].max() >= 1 - 1e-8
    np.testing.assert_allclose(found.free.T @ found.free, np.eye(found.free.shape[1]), atol=1e-12)
    w = np.random.default_rng(seed).normal(size=found.direction.size)
    np.testing.assert_allclose(found.free.T @ found.finite_part(w), 0.0, atol=1e-12)
    G = np.array([g for _, g in cone])[~inside]
    np.testing.assert_allclose(G @ found.finite_part(w), G @ w, atol=1e-8)
    outside = found.direction - found.free @ (found.free.T @ found.direction)
    np.testing.assert_allclose(outside, 0.0, atol=1e-8)
    # far along it the likelihood is at its end: those classes and counts are impossible
    far = found.limit(found.finite_part(start_of(objective)))
    w = start_of(objective)
    further, close = (objective.mean_loss(w + t * found.direction) for t in (50.0, 1.0))
    assert further < close < objective.mean_loss(w)
    assert objective.mean_loss(far + 10 * found.direction) == pytest.approx(
        objective.mean_loss(far), rel=1e-12, abs=1e-15
    )
    movable = inside & (moved > 0.5)
    assert np.all(np.array([g @ far for _, g in cone])[movable] >= 40 - 1e-6)


@pytest.mark.parametrize("seed", range(6))
def test_direction_is_the_shortest(seed):
    X, y = drawn(Bernoulli(), seed)
    objective = glm(X, y, Bernoulli())
    found = find_separation(objective, start_of(objective), clear=np.inf)
    if found is None:
        return
    constraint = {"type": "ineq", "fun": lambda d: found.system @ d - 1}
    kept = objective.network.layout.size - found.free.shape[1]
    others = np.linalg.qr(np.column_stack([found.free, np.eye(3)]))[0][:, found.free.shape[1] :]
    equal = {"type": "eq", "fun": lambda d: others[:, :kept].T @ d}
    best = optimize.minimize(
        lambda d: d @ d, 1.1 * found.direction, constraints=[constraint, equal], method="SLSQP"
    )
    assert found.direction @ found.direction == pytest.approx(best.fun, rel=1e-5)


@laws
@seeds
def test_permuting_rows_permutes_the_answer(family, seed):
    X, y = drawn(family, seed)
    order = np.random.default_rng(seed).permutation(len(X))
    one, two = (
        find_separation(f, start_of(f), clear=np.inf)
        for f in (glm(X, y, family), glm(X[order], y[order], family))
    )
    if one is None:
        assert two is None
        return
    assert sorted(order[two.rows]) == one.rows.tolist()
    np.testing.assert_allclose(two.direction, one.direction, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("units", [(1e-6, 1.0), (1.0, 1e6), (1e4, 1e-4)], ids=str)
@pytest.mark.parametrize("family", [Bernoulli(), Poisson()], ids=lambda family: family.name)
def test_units_do_not_decide_who_is_separated(family, units):
    for seed in range(8):
        X, y = drawn(family, seed)
        expected = separated_rows(family, X, y)
        objective = glm(X * np.array(units), y, family)
        found = find_separation(objective, start_of(objective), clear=np.inf)
        assert ([] if found is None else found.rows.tolist()) == expected


def test_never_found_where_the_estimate_exists():
    """Overlapping data of every kind, decided exactly and at the optimum."""
    rng = np.random.default_rng(0)
    for family, seed in itertools.product(LAWS, range(5)):
        X = rng.normal(size=(150, 2))
        if family.event_ndim:
            y = np.eye(3)[rng.integers(0, 3, 150)]
        elif isinstance(family, Bernoulli):
            y = rng.integers(0, 2, (150, 1)).astype(float)
        else:
            y = rng.poisson(1.0, (150, 1)).astype(float)
        objective = glm(X, y, family)
        w = Newton().solve(objective, start_of(objective)).w
        assert find_separation(objective, w, clear=1e-6) is None, seed
        assert find_separation(objective, start_of(objective), clear=np.inf) is None


def test_a_law_whose_means_have_no_end_is_never_separated():
    X = np.arange(6.0)[:, None]
    for y in (np.zeros((6, 1)), X.copy()):
        objective = glm(X, y, Normal())
        assert find_separation(objective, np.zeros(2), clear=np.inf) is None


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog"])
def test_perfect_separation_is_the_same_for_every_link(link):
    X = np.array([[-3.0], [-2.0], [-1.0], [1.0], [2.0]])
    y = (X > 0).astype(float)
    objective = glm(X, y, get_family("bernoulli", link=link))
    found = find_separation(objective, np.zeros(2), clear=np.inf)
    np.testing.assert_array_equal(found.rows, np.arange(5))
    # margin 1 at x = -1 and x = 1: d = (1, 0)
    np.testing.assert_allclose(found.direction, [1.0, 0.0], atol=1e-9)


# ---------------------------------------------------- few inequalities at a time


@laws
@pytest.mark.parametrize("seed", range(8))
def test_what_is_found_from_few_inequalities_is_what_all_say(family, seed, monkeypatch):
    """Wherever the search begins, and however few join in a round."""
    X, y = drawn(family, seed, n=25)
    objective, rng = glm(X, y, family), np.random.default_rng(seed)
    p = objective.network.layout.size
    monkeypatch.setattr(recession, "_at_a_time", lambda free: 10**6)
    whole = find_separation(objective, np.zeros(p), clear=np.inf)
    monkeypatch.setattr(recession, "_at_a_time", lambda free: 1)
    for w in (
        np.zeros(p),
        10 * rng.normal(size=p),
        Newton(max_iter=9).solve(objective, np.zeros(p)).w,
    ):
        found = find_separation(objective, w, clear=np.inf)
        if whole is None:
            assert found is None
            continue
        np.testing.assert_array_equal(found.rows, whole.rows)
        np.testing.assert_allclose(found.direction, whole.direction, rtol=1e-8, atol=1e-9)
        np.testing.assert_allclose(found.free @ found.free.T, whole.free @ whole.free.T, atol=1e-9)


@pytest.mark.parametrize("few", [1, 20, 100])
def test_one_class_apart_and_the_others_mixed(few, monkeypatch):
    """Some inequalities can be strict, some not, and w tells nothing of it."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 2))
    y = np.eye(3)[np.where(X[:, 0] > 0.5, 0, 1 + rng.integers(0, 2, 120))]
    objective = glm(X, y, Multinoulli())
    monkeypatch.setattr(recession, "_at_a_time", lambda free: few)
    found = find_separation(objective, 5 * rng.normal(size=9), clear=np.inf)
    np.testing.assert_array_equal(found.rows, np.arange(120))
    classes = np.repeat(np.argmax(y, axis=1), 3), np.tile(np.arange(3), 120)
    strict = np.add(*classes) != 3  # class 0 against the others, not 1 against 2
    strict &= np.not_equal(*classes)
    np.testing.assert_array_equal(found.system.kept, strict)
    assert found.free.shape[1] == 6  # but what tells 1 from 2


def test_many_separated_rows_are_told_by_few(monkeypatch):
    """Where Newton's method ends, no linear program is asked, and few rows for the direction."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 3))
    y = np.eye(4)[np.argmax(X @ rng.normal(size=(3, 4)), axis=1)]
    objective = glm(X, y, Multinoulli(), offset=rng.normal(size=(3000, 4)))
    w = Newton().solve(objective, start_of(objective)).w
    nnls, asked = optimize.nnls, []
    monkeypatch.setattr(optimize, "linprog", None)
    monkeypatch.setattr(optimize, "nnls", lambda E, b: asked.append(E.shape[1]) or nnls(E, b))
    found = find_separation(objective, w, clear=1e-6)
    np.testing.assert_array_equal(found.rows, np.arange(3000))
    assert max(asked) < 1000
    margins = found.system @ found.direction
    assert margins.min() == pytest.approx(1.0, abs=1e-8)
    on_margin = np.flatnonzero(margins < 1 + 1e-7)  # whose rows have d as their cone: the optimum
    G = np.concatenate(list(found.system.blocks()))
    np.testing.assert_allclose(found.system @ w, G @ w, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found.system.lengths(), np.linalg.norm(G, axis=1), rtol=1e-12)
    residual = nnls(G[on_margin].T, found.direction)[1]
    assert residual <= 1e-8 * np.linalg.norm(found.direction)


def test_newton_ends_where_its_end_separates_all_rows():
    """The rest of the way to infinity, a step for each factor of e in F, tells nothing new."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 2))
    y = np.eye(3)[np.argmax(X @ rng.normal(size=(2, 3)), axis=1)]
    objective = glm(X, y, Multinoulli())
    solution = Newton().solve(objective, start_of(objective))
    assert not solution.converged
    assert "falls to 0 for ever" in solution.message
    assert solution.n_iter < 20
    assert objective.escapes(solution.w)
    assert not objective.escapes(-solution.w)
    found = find_separation(objective, solution.w, clear=1e-6)  # their weights are not yet small
    np.testing.assert_array_equal(found.rows, np.arange(200))
    ridge = glm(X, y, Multinoulli(), alpha=1e-6)
    assert not ridge.escapes(solution.w)
    assert Newton().solve(ridge, start_of(objective)).converged
    y[0] = np.roll(y[0], 1)
    assert Newton().solve(glm(X, y, Multinoulli()), start_of(objective)).converged


# ------------------------------------------------------------- the limit fit


def limit_fit(objective):
    w = Newton(max_iter=30).solve(objective, start_of(objective)).w
    separation = find_separation(objective, w, clear=1e-6)
    problem = limit_problem(objective, separation, w)
    solution = Newton().solve(problem, np.zeros(problem.basis.shape[1]))
    assert solution.converged, solution.message
    return separation, separation.limit(separation.finite_part(problem.full(solution.w)))


def quasi_separated(family, seed):
    """A dummy column that is on only where y is at its end; the rest overlaps."""
    rng = np.random.default_rng(seed)
    X = np.column_stack([rng.normal(size=(80, 2)), np.arange(80) < 12])
    eta = X[:, :2] @ [0.8, -0.5] + 0.2
    if isinstance(family, Bernoulli):
        y = (rng.uniform(size=80) < 1 / (1 + np.exp(-eta))).astype(float)
        y[:12] = seed % 2
    else:
        y = rng.poisson(np.exp(eta)).astype(float)
        y[:12] = 0.0
    return X, y


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("family", [Bernoulli(), Poisson()], ids=lambda family: family.name)
def test_the_limit_is_the_estimate_on_the_remaining_rows(family, seed):
    X, y = quasi_separated(family, seed)
    objective = glm(X, y[:, None], family)
    separation, w = limit_fit(objective)
    np.testing.assert_array_equal(separation.rows, np.arange(12))
    rest = sm.add_constant(X[12:, :2], prepend=False)
    model = sm.Logit if isinstance(family, Bernoulli) else sm.Poisson
    reference = model(y[12:], rest).fit(disp=False, method="newton", tol=1e-12)
    np.testing.assert_allclose(w[[0, 1, 3]], reference.params, rtol=1e-8)
    total = objective.mean_loss(w) * 80
    at_zero = -reference.llf
    if isinstance(family, Poisson):  # deviance counts from the saturated fit
        at_zero += family.log_saturated(y[12:]).sum()
    assert total == pytest.approx(at_zero, rel=1e-9)
    _, eta = objective.linear_predictor(w, objective.rows)
    np.testing.assert_allclose(family.mean(eta)[:12, 0], y[:12], atol=1e-16)


def test_restricted_problem_is_the_whole_on_its_affine_set():
    X, y = quasi_separated(Poisson(), 0)
    objective = glm(X, y[:, None], Poisson(), alpha=0.1)
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(4, 2)))[0]
    problem = Restricted(objective, rng.normal(size=4), basis)
    u, h = rng.normal(size=2), 1e-5
    value, gradient = problem.smooth_value_and_gradient(u)
    assert value == objective.smooth_value_and_gradient(problem.full(u))[0]
    assert problem.value(u) == objective.value(problem.full(u))
    numeric = [(problem.value(u + d) - problem.value(u - d)) / (2 * h) for d in h * np.eye(2)]
    np.testing.assert_allclose(gradient, numeric, rtol=1e-6)
    blocks = list(problem.scoring_blocks(u))
    np.testing.assert_allclose(sum(A.T @ r for A, r in blocks), -gradient, rtol=1e-9)
    assert problem.flat_directions().shape == (0, 2)
