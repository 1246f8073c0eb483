# Crossdock: everything a developer does, in one place. `make` shows what there is.
# Needs nothing but Python 3.11 or newer with pip and venv. Other interpreter: make PYTHON=python3.13 test

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# Byte code is worth having: without it every start of the command compiles all of it again.
unexport PYTHONDONTWRITEBYTECODE
export PIP_DISABLE_PIP_VERSION_CHECK := 1

VENV ?= .venv
BIN := $(VENV)/bin
# One more than cores: a third of the time the tests wait for processes and servers of theirs.
JOBS ?= $(shell cores=$$(nproc 2>/dev/null || echo 2); echo $$((cores < 3 ? cores + 1 : 4)))
PYTEST = $(BIN)/python -m pytest -n $(JOBS) --dist worksteal
ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for each in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$each -c '$(ENOUGH)' 2>/dev/null && echo $$each && exit; done; echo python3)

CODE := core plugins examples tests
PACKAGES := core $(sort $(wildcard plugins/*))
OURS := crossdock $(patsubst plugins/%,crossdock-%,$(sort $(wildcard plugins/*)))
PROJECTS := $(PACKAGES:%=%/pyproject.toml)
PIP_INSTALL := $(BIN)/python -m pip install --quiet
INSTALL = $(PIP_INSTALL) --requirement $(1) && \
	$(PIP_INSTALL) --no-build-isolation --no-deps $(PACKAGES:%=--editable ./%) && \
	$(BIN)/python -m compileall -q $(PACKAGES:%=%/src) && touch $@

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F '\t' '{printf "  make %-10s %s\n", $$1, $$2}'

# -- set-up ------------------------------------------------------------------------------------------

.PHONY: setup
setup: $(VENV)/.ready-to-develop ## Make .venv with Crossdock, its plugins and all tools, once

$(VENV)/.ready-to-develop: requirements/dev.txt $(PROJECTS) | $(BIN)/python
	@echo "Installing Crossdock and its tools into $(VENV) …"
	@$(call INSTALL,requirements/dev.txt)
	@touch $(VENV)/.ready-to-run

# Less than a developer needs: what the demo runs on.
$(VENV)/.ready-to-run: requirements/runtime.txt $(PROJECTS) | $(BIN)/python
	@echo "Installing Crossdock into $(VENV) …"
	@$(call INSTALL,requirements/runtime.txt)

$(BIN)/python:
	@$(PYTHON) -c '$(ENOUGH)' || { \
		echo "Crossdock needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1)." >&2; \
		echo "Install one, or name it: make PYTHON=/path/to/python3.13 setup" >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV) || { \
		echo "$(PYTHON) cannot make a virtual environment; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }

# -- using -------------------------------------------------------------------------------------------

.PHONY: demo
demo: $(VENV)/.ready-to-run ## See an order go its whole way between two sandboxes, in seconds
	@$(BIN)/crossdock demo

# -- proving -----------------------------------------------------------------------------------------

.PHONY: test
test: setup ## Run everything that must be green: the whole test suite with lint and types
	$(PYTEST)

.PHONY: check
check: lint ## Run what is quick, in less than a minute: lint, types, and the core's tests that are neither slow nor property-based
	$(PYTEST) -q -m "not slow and not hypothesis" --ignore tests/architecture/test_tools.py \
		tests/core tests/architecture tests/docs/test_reference.py tests/docs/test_site.py

.PHONY: lint
lint: setup ## Check style, format, types and layers
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --quiet --check .
	$(BIN)/mypy --no-error-summary
	$(BIN)/lint-imports --no-cache | tail -n 1

.PHONY: format
format: setup ## Format the code and sort its imports
	$(BIN)/ruff check --quiet --fix-only .
	$(BIN)/ruff format .

.PHONY: bench
bench: setup ## Measure what the promises cost, against the fastest sync without any
	$(BIN)/python -m benchmarks

.PHONY: scale
scale: setup ## Simulate an installation of many from measured costs, and renew docs/scale.md
	$(BIN)/python -W ignore -m benchmarks.costs
	$(BIN)/python -W ignore -m benchmarks.real_run
	$(BIN)/python -m benchmarks.scale --write

.PHONY: soak
soak: setup ## Let everything run at once for 20 minutes under faults and kills (make soak DATABASE=postgresql)
	$(BIN)/python -W ignore -m benchmarks.soak --database $(or $(DATABASE),sqlite)

.PHONY: torture
torture: setup ## Kill, freeze, cut off and replace machines on a PostgreSQL that crashes, for many rounds
	CROSSDOCK_TORTURE_ROUNDS=10 $(BIN)/python -m pytest -q -o faulthandler_timeout=0 tests/core/test_many_machines.py

# -- keeping house -----------------------------------------------------------------------------------

.PHONY: docs
docs: setup ## Write the generated pages again: hooks, records, the public face, the command line, hazards, quality
	$(BIN)/python docs/write_hooks.py
	$(BIN)/python docs/write_records.py
	$(BIN)/python docs/write_reference.py
	$(BIN)/python docs/write_command_line.py
	$(BIN)/python docs/write_hazards.py
	$(BIN)/python docs/write_quality.py

SPHINX = $(BIN)/sphinx-build -q --fail-on-warning --keep-going -c docs --doctree-dir build/doctrees -b

.PHONY: site
site: setup ## Build the documentation site into build/site; a link that leads nowhere fails
	@$(SPHINX) html . build/site
	@echo "The site is at build/site/index.html"

.PHONY: links
links: setup ## Ask every external address that a page links to (needs the network)
	@$(SPHINX) linkcheck . build/links

.PHONY: pins
pins: ## Renew the pinned versions in requirements/ (needs uv)
	@command -v uv >/dev/null || { echo "Renewing pins needs uv: pip install uv" >&2; exit 1; }
	@$(call PIN,dev,--group dev)
	@$(call PIN,runtime,core/pyproject.toml --group build --constraint requirements/dev.txt)

# For all supported versions of Python at once, and without a word about where packages come from.
PIN = uv pip compile --quiet --upgrade --universal --python-version 3.11 --no-annotate --no-header \
	--no-emit-index-url --no-emit-find-links $(OURS:%=--no-emit-package %) \
	$(2) --output-file requirements/$(1).txt

.PHONY: clean
clean: ## Remove what can be made again: .venv, caches, builds
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build benchmarks/.work
	find $(CODE) docs -depth \( -name __pycache__ -o -name dist -o -name build -o -name '*.egg-info' \) -exec rm -rf {} +
