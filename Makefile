# Every target sets up what it needs by itself; `make` alone lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
FAKESNOW := .venv-fakesnow
SERVICES := common producer consumer loader auditor api standalone
PACKAGES := $(SERVICES:%=services/%) spark-apps
LOCKED := producer consumer loader auditor api spark standalone dev fakesnow
LOCKS := $(LOCKED:%=requirements/%.lock)
PYTEST_ARGS ?=
RUNS ?= 50
SEED ?= 1
SECONDS := 600
SOURCE ?= sample

.PHONY: help demo up test chaos soak bench check format lock lock-jars clean servers $(FAKESNOW)

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.standalone ## Run the whole pipeline once on real prices, check the books, leave nothing running (about 2 min; SOURCE=yahoo: by the network)
	@$(BIN)/stockpipe-standalone demo --source $(SOURCE)

up: $(VENV)/.standalone ## Run the whole pipeline with live simulated quotes and the dashboard until Ctrl-C
	@$(BIN)/stockpipe-standalone up

test: check servers ## Lint, types, import rules and every test that needs no cluster
	@$(BIN)/pytest $(PYTEST_ARGS)

chaos: $(VENV)/.dev servers ## Seeded random faults on the running pipeline, 50 runs: make chaos RUNS=50 SEED=1 (about 25 min)
	@$(BIN)/pytest tests/chaos/test_random_faults.py --chaos-runs $(RUNS) --chaos-seed $(SEED)

soak: $(VENV)/.dev ## Consumer and producer for 10 minutes at half of the highest rate: make soak SECONDS=600
	@$(BIN)/pytest tests/chaos/soak.py --soak-seconds $(SECONDS)

bench: $(VENV)/.dev ## Ratios to reference programs in the same run
	@$(BIN)/pytest -s tests/benchmarks

check: $(VENV)/.dev ## Lint, types and import rules only
	@echo "== ruff"; $(BIN)/ruff check; $(BIN)/ruff format --check
	@echo "== mypy"; $(BIN)/mypy
	@echo "== import-linter"; $(BIN)/lint-imports

format: $(VENV)/.dev ## Format the code and mend what the linter can
	@$(BIN)/ruff check --fix; $(BIN)/ruff format

lock: $(VENV)/.dev ## Resolve requirements/*.in anew into hash-locked *.lock
	@for name in standalone $(filter-out standalone,$(LOCKED)); do \
	  echo "locking $$name"; \
	  $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	    --override requirements/overrides.txt $$( [ $$name = standalone ] || echo --constraint requirements/standalone.lock) \
	    requirements/$$name.in --output-file requirements/$$name.lock; \
	done

lock-jars: $(VENV)/.dev ## Resolve the jgo.toml files anew and rewrite their sha256 locks
	@$(BIN)/stockpipe-standalone lock-jars

clean: ## Remove the results of demo runs
	@rm -rf .stockpipe

servers: $(VENV)/.dev $(FAKESNOW)
	@$(BIN)/stockpipe-standalone setup-minio

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "make: Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1). Set PYTHON=/path/to/python3.11" >&2; exit 2; }
	@echo "== virtual environment $(VENV)"
	@$(PYTHON) -m venv $(VENV)

define install
	@echo "== Python packages of requirements/$(1).lock"
	@$(or $(2),$(BIN))/python -m pip install --disable-pip-version-check --require-hashes --no-deps -r requirements/$(1).lock | sed -u -n 's|^Collecting \([^ ]*\).*|   \1|p'
endef

$(VENV)/.standalone: requirements/standalone.lock $(PACKAGES:%=%/pyproject.toml) services/standalone/kafka/jgo.lock.toml spark-apps/jgo.lock.toml | $(VENV)/bin/python
	$(call install,standalone)
	@echo "== this project's packages"
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-build-isolation --no-deps $(PACKAGES:%=-e %)
	@$(BIN)/stockpipe-standalone setup
	@touch $@

$(VENV)/.dev: requirements/dev.lock $(VENV)/.standalone
	$(call install,dev)
	@touch $@

$(FAKESNOW): $(FAKESNOW)/.ready ## The tests' Snowflake server, in an environment of its own

$(FAKESNOW)/.ready: requirements/fakesnow.lock
	@echo "== virtual environment $(FAKESNOW)"
	@$(PYTHON) -m venv $(FAKESNOW)
	$(call install,fakesnow,$(FAKESNOW)/bin)
	@touch $@
