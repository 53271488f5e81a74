"""One block of a path: steps that descend, and an end that is only believed with reason."""

from __future__ import annotations

import numpy as np
import pytest

from families import Multinoulli, Poisson
from glmnet_nn import elastic_net_path
from glmnet_nn.elastic_net.block import Block, Penalty
from glmnet_nn.elastic_net.design import design_of
from glmnet_nn.elastic_net.metric import Metric
from glmnet_nn.elastic_net.objective import PathObjective

RNG = np.random.default_rng(0)
X = RNG.standard_normal((200, 5))
COUNTS = RNG.poisson(np.exp(1.5 * X[:, 0] - X[:, 1])).astype(float)[:, None]


def poisson_objective():
    """Return the objective, with the null model as its one point."""
    share = np.full(200, 1 / 200)
    design = design_of(X, share, center=True, standardize=True)
    saturated = float(share @ Poisson().conjugate(COUNTS)[:, 0])
    objective = PathObjective(design, COUNTS, share, None, Poisson(), True, saturated)
    return objective, objective.at(np.zeros((1, 5)), np.log([[COUNTS.mean()]]))


def test_the_slopes_are_the_derivatives_of_the_loss():
    rng = np.random.default_rng(1)
    objective, _ = poisson_objective()
    w, b, step = rng.standard_normal(5) / 5, np.array([0.3]), 1e-6
    found = objective.at(w[None], b[None])
    for j in range(5):
        near = w + step * np.eye(5)[[j, j]] * [[1.0], [-1.0]]
        up, down = objective.at(near, np.tile(b, (2, 1))).loss
        assert found.slope[0, j] == pytest.approx((up - down) / (2 * step), abs=1e-7)


def test_every_step_descends(monkeypatch):
    """From the null model at once to a weak penalty, where full steps overshoot."""
    objective, null = poisson_objective()
    values, rejected = [], 0
    move = Block._move

    def watched(self, at):
        nonlocal rejected
        accepted = move(self, at)
        rejected += int((~accepted).sum())
        values.append(self.value.copy())
        return accepted

    monkeypatch.setattr(Block, "_move", watched)
    penalty = Penalty(np.array([1e-3, 1e-5]), 1.0)
    far = objective.at(null.w, null.b - 6.0)
    found = Block(objective, Metric(objective), penalty, far, 1e-12, 100).solve()
    assert found.converged.all()
    assert rejected > 0
    assert np.all(np.diff(values, axis=0) <= 1e-12)


@pytest.mark.parametrize("shift", [-6.0, 6.0])
def test_an_end_is_not_believed_to_a_hessian_of_elsewhere(shift):
    """With one that is e^6 too large, or too small, what is left seems to be next to nothing."""
    objective, null = poisson_objective()
    penalty, tol = Penalty(np.array([0.01]), 1.0), 1e-3
    exact = Block(objective, Metric(objective), penalty, null, 1e-14, 100).solve().points
    least = float(exact.loss[0] + penalty.value(exact.w)[0])
    near = objective.at(0.97 * exact.w, exact.b)
    metric = Metric(objective)
    metric.set_point(null.w[0], null.b[0] + shift, np.arange(5))
    found = Block(objective, metric, penalty, near, tol, 100).solve()
    value = float(found.points.loss[0] + penalty.value(found.points.w)[0])
    assert found.converged.all()
    assert value - least <= tol
    assert found.n_iter[0] > 0, "a step has shown what the Hessian is worth"


@pytest.mark.parametrize("K", [3, 4])
def test_of_classes_that_may_share_a_shift_one_is_zero(K):
    """Each column has the representative of the least l1 norm, with median 0."""
    rng = np.random.default_rng(1)
    y = (X[:, :1] * rng.standard_normal(K) + rng.gumbel(size=(200, K))).argmax(axis=1)
    path = elastic_net_path(X, np.eye(K)[y], family=Multinoulli(), n_alphas=15, tol=1e-12)
    assert np.all((path.coefs == 0).any(axis=0))
    ordered = np.sort(path.coefs, axis=0)
    assert np.all(ordered[(K - 1) // 2] <= 0)
    assert np.all(ordered[K // 2] >= 0)


def test_a_working_set_grows_to_the_same_hessian():
    rng = np.random.default_rng(1)
    y = np.eye(3)[(X[:, 0] + rng.gumbel(size=(3, 200))).argmax(axis=0)]
    share = rng.dirichlet(np.ones(200))
    design = design_of(X, share, center=True, standardize=True)
    objective = PathObjective(design, y, share, None, Multinoulli(), True, 0.0)
    w, b = rng.standard_normal(15) / 3, rng.standard_normal(3)
    whole, grown = Metric(objective), Metric(objective)
    whole.set_point(w, b, np.arange(15))
    grown.set_point(w, b, np.array([3, 1, 4, 0]))
    grown.include(np.array([2, 3, 14]))  # all columns of the first output, in disorder
    grown.include(np.array([9, 7]))
    grown.include(np.arange(15))
    order = np.argsort(grown.at)
    np.testing.assert_allclose(grown.Q[np.ix_(order, order)], whole.Q, atol=1e-14)
    step = 1e-5
    for a in range(15):
        moved = w + step * np.eye(15)[[a, a]] * [[1.0], [-1.0]]
        found = objective.at(moved, np.tile(b, (2, 1)))
        row = (found.slope[0] - found.slope[1]) / (2 * step)
        across = (found.slope_b[0] - found.slope_b[1]) / (2 * step)
        reduced = row - whole._wb @ (whole._inverse_bb @ across)
        np.testing.assert_allclose(whole.Q[a], reduced, atol=1e-8)
