"""Timings of glmnet_nn beside its peers: ``python -m benchmarks --help``.

Rules of every table: all contenders have the same data, in the same run; each library
has its own process and its better number of threads; repeats are interleaved and the
median counts; the quality that was reached is measured by this package, not by the
contender, and stands beside the seconds.
"""
