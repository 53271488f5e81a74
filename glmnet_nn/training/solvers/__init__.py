"""Solvers: one algorithm a file; each sees a Problem and a flat vector, nothing else."""

from glmnet_nn.training.solvers._least_squares import gram_factor, stacked_qr
from glmnet_nn.training.solvers._problem import (
    FORGETFUL,
    BatchProblem,
    CurvedProblem,
    Curves,
    Keeper,
    Memory,
    Problem,
    ProductProblem,
    ScoringProblem,
    Solution,
    State,
)
from glmnet_nn.training.solvers.adam import SCHEDULES, Adam, initial_state
from glmnet_nn.training.solvers.damped_newton import DampedNewton
from glmnet_nn.training.solvers.lbfgs import LBFGS
from glmnet_nn.training.solvers.metric import MetricLBFGS
from glmnet_nn.training.solvers.newton import Newton
from glmnet_nn.training.solvers.newton_cg import NewtonCG

SOLVERS = {solver.name: solver for solver in (Newton, LBFGS, NewtonCG, Adam)}

__all__ = [
    "FORGETFUL",
    "LBFGS",
    "SCHEDULES",
    "SOLVERS",
    "Adam",
    "BatchProblem",
    "CurvedProblem",
    "Curves",
    "DampedNewton",
    "Keeper",
    "Memory",
    "MetricLBFGS",
    "Newton",
    "NewtonCG",
    "Problem",
    "ProductProblem",
    "ScoringProblem",
    "Solution",
    "State",
    "gram_factor",
    "initial_state",
    "stacked_qr",
]
