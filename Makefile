# make report, make test, make check, make lab: each sets itself up on a fresh machine (Python 3.11 to 3.13).
# ARGS goes to the command behind: make report ARGS="--profile smoke"

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
ARGS ?=

.PHONY: help report test check lab lock
.DEFAULT_GOAL := help

help:
	@echo 'make report   run every notebook, make report/latest/report.html and report.pdf'
	@echo 'make test     run the tests, with coverage'
	@echo 'make check    linter, type checker, notebooks without outputs'
	@echo 'make lab      open copies of the notebooks, in lab/, in JupyterLab'
	@echo 'make lock     resolve the locks again, after a change in a requirements.txt'
	@echo
	@echo 'Each makes its own environment in $(VENV)/ first. Options go in ARGS:'
	@echo '  make report ARGS="--profile smoke -p seed=1"     make report ARGS=--help'
	@echo '  make test ARGS="-k parameters"                   PYTHON=python3.12 make report'

report: $(VENV)/installed
	$(BIN)/python -m helpers report $(ARGS)

# Coverage is measured cheaply on Python 3.12 and 3.13; 3.11 has only the slower way and takes it.
test: $(VENV)/installed-tests
	$(BIN)/python -m pytest --cov $(ARGS)

check: $(VENV)/installed-tests
	$(BIN)/python -m ruff check
	$(BIN)/python -m mypy
	$(BIN)/python tests/no_outputs.py notebooks/*.ipynb tests/example_course/*.ipynb

lab: $(VENV)/installed
	$(BIN)/python -m helpers lab $(ARGS)

# Extras stay: pip takes no `coverage==1` for the `coverage[toml]` that a package asks for when a newer one is out.
# One set of versions for Python 3.11 to 3.13; versions in the locks stay unless a requirements.txt asks for another.
LOCK := uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --generate-hashes --no-strip-extras \
  --no-emit-package vae-course-report --custom-compile-command 'make lock'
lock: $(VENV)/installed-tests
	$(BIN)/$(LOCK) requirements.txt -o requirements.lock
	$(BIN)/$(LOCK) requirements.txt tests/requirements.txt -c requirements.lock -o tests/requirements.lock

# The stamps are written last, so that an interrupted installation is taken up again.
$(VENV)/created:
	@command -v $(PYTHON) >/dev/null || { \
	  echo 'There is no "$(PYTHON)": apt install python3 python3-venv' >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || { \
	  echo 'Python 3.11, 3.12 or 3.13 is needed; "$(PYTHON)" is' "$$($(PYTHON) --version 2>&1)." \
	       'Name another: PYTHON=python3.12 make ...' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo 'This Python cannot make virtual environments: apt install python3-venv' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

# Everything but the project itself is checked against the hashes of the lock.
$(VENV)/installed: requirements.lock pyproject.toml | $(VENV)/created
	$(PIP) install --require-hashes -r requirements.lock
	$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/installed-tests: tests/requirements.lock $(VENV)/installed
	$(PIP) install --require-hashes -r tests/requirements.lock
	@touch $@
