"""What is minimised and how: rows, penalty, objective, solvers."""
