# Everything starts from a bare Python >= 3.11: each target builds its own
# environment once, and again when pyproject.toml has changed.

PYTHON    ?= python3
VENV      ?= .venv
DEMO_VENV ?= .venv-demo
DOCS_VENV ?= .venv-docs
WORKERS   ?= 2

# One BLAS thread per test worker, or the workers' threads compete for the cores.
ONE_THREAD = OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1

BIN      = $(VENV)/bin
DEMO_BIN = $(DEMO_VENV)/bin
DOCS_BIN = $(DOCS_VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo test test-minimum check format docs clean python

help:
	@echo 'make demo    fit a classical and a deep GLM to doctor visits; writes demo.png'
	@echo 'make test    ruff, mypy, doctests and the whole test suite'
	@echo 'make test-minimum  the suite under the oldest versions allowed, on python3.11'
	@echo 'make check   ruff and mypy only'
	@echo 'make format  let ruff mend layout and imports'
	@echo 'make docs    run the examples and build the documentation: docs/_build/html/index.html'
	@echo 'make clean   remove environments, caches and build products'
	@echo ''
	@echo 'PYTHON=$(PYTHON)  VENV=$(VENV)  DEMO_VENV=$(DEMO_VENV)  DOCS_VENV=$(DOCS_VENV)  WORKERS=$(WORKERS)'

demo: $(DEMO_VENV)/.installed
	$(DEMO_BIN)/python examples/demo.py

test: check
	$(ONE_THREAD) $(BIN)/python -m pytest -n $(WORKERS)

test-minimum:
	WORKERS=$(WORKERS) .ci/minimum

check: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# A warning is an error, but the build goes on to show them all. An example that
# has not changed since the last build is not run again.
docs: $(DOCS_VENV)/.installed
	$(ONE_THREAD) $(DOCS_BIN)/python -m sphinx -b html -W --keep-going $(SPHINX) docs docs/_build/html

$(VENV)/.installed: EXTRA = dev
$(DEMO_VENV)/.installed: EXTRA = plot
$(DOCS_VENV)/.installed: EXTRA = docs

$(VENV)/.installed $(DEMO_VENV)/.installed $(DOCS_VENV)/.installed: pyproject.toml | python
	@echo 'Installing into $(@D), once ...'
	@$(PYTHON) -m venv '$(@D)' || { \
	    echo 'make: $(PYTHON) cannot build an environment. On Debian and Ubuntu: apt install python3-venv' >&2; \
	    exit 1; }
	@'$(@D)'/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[$(EXTRA)]'
	@touch '$@'

python:
	@command -v '$(PYTHON)' > /dev/null || { \
	    echo 'make: no $(PYTHON) here. Name a Python >= 3.11:  make PYTHON=/path/to/python3.11 ...' >&2; \
	    exit 1; }
	@'$(PYTHON)' -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "make: glmnet_nn needs Python >= 3.11, but $(PYTHON) is $$('$(PYTHON)' -V 2>&1). Name another one:  make PYTHON=python3.11 ..." >&2; \
	    exit 1; }

clean:
	rm -rf .venv .venv-demo .venv-docs .venv-minimum build dist *.egg-info demo.png
	rm -rf docs/_build docs/gallery docs/generated
	rm -rf .pytest_cache .mypy_cache .ruff_cache
	find families glmnet_nn tests examples -name __pycache__ -prune -exec rm -rf {} +
