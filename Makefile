# make report, make test, make lab: each sets itself up on a fresh machine (Python 3.11 or later).
# ARGS goes to the command behind: make report ARGS="--profile smoke"

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.PHONY: help report test lab
.DEFAULT_GOAL := help

help:
	@echo 'make report   run every notebook, make report/report.html and report/report.pdf'
	@echo 'make test     run the tests'
	@echo 'make lab      open the notebooks in JupyterLab'
	@echo
	@echo 'Each makes its own environment in $(VENV)/ first. Options go in ARGS:'
	@echo '  make report ARGS="--profile smoke -p seed=1"     make report ARGS=--help'
	@echo '  make test ARGS="-k parameters"                   PYTHON=python3.12 make report'

report: $(VENV)/installed
	$(BIN)/python -m helpers report $(ARGS)

test: $(VENV)/installed-tests
	$(BIN)/python -m pytest $(ARGS)

lab: $(VENV)/installed
	$(BIN)/python -m jupyter lab --notebook-dir=notebooks $(ARGS)

# The stamps are written last, so that an interrupted installation is taken up again.
$(VENV)/created:
	@command -v $(PYTHON) >/dev/null || { \
	  echo 'There is no "$(PYTHON)": apt install python3 python3-venv' >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo 'Python 3.11 or later is needed; "$(PYTHON)" is' "$$($(PYTHON) --version 2>&1)." \
	       'Name another: PYTHON=python3.12 make ...' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo 'This Python cannot make virtual environments: apt install python3-venv' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/installed: requirements.txt pyproject.toml | $(VENV)/created
	$(BIN)/python -m pip install --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/installed-tests: tests/requirements.txt $(VENV)/installed
	$(BIN)/python -m pip install --disable-pip-version-check -r tests/requirements.txt
	@touch $@
