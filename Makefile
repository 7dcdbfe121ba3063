# Every target sets up what it needs by itself; `make` alone lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
FAKESNOW := .venv-fakesnow
PEERS := .venv-peers
AIRFLOW := .venv-airflow
SERVICES := common producer consumer loader auditor api standalone
PACKAGES := $(SERVICES:%=services/%) spark-apps
LOCKED := producer consumer loader auditor api spark standalone dev fakesnow build
LOCKS := $(LOCKED:%=requirements/%.lock)
PYTEST_ARGS ?=
RUNS ?= 50
SEED ?= 1
SECONDS := 600
SOURCE ?= sample
BENCH ?=
IMAGES := producer consumer loader auditor api spark
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' services/common/pyproject.toml)
# docker, buildah, or another program with their `build -t NAME -f FILE --build-arg=NAME=VALUE CONTEXT`
IMAGE_BUILDER ?= docker

.PHONY: help demo up test test-airflow generated charts-golden chaos soak bench check format lock lock-jars images kind-up kind-down e2e clean servers $(FAKESNOW) $(AIRFLOW) $(PEERS)

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.standalone ## Run the whole pipeline once on real prices, check the books, leave nothing running (about 2 min; SOURCE=yahoo: by the network)
	@$(BIN)/stockpipe-standalone demo --source $(SOURCE)

up: $(VENV)/.standalone ## Run the whole pipeline with live simulated quotes and the dashboard until Ctrl-C
	@$(BIN)/stockpipe-standalone up

test: check servers ## Lint, types, import rules and every test that needs no cluster
	@$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)
	@$(MAKE) --no-print-directory test-airflow

test-airflow: $(VENV)/.dev $(AIRFLOW) ## The tests of the DAGs, in Airflow's own environment
	@echo "== Airflow"; $(AIRFLOW)/bin/pytest -c tests/airflow/pytest.ini tests/airflow $(PYTEST_ARGS)

generated: $(VENV)/.dev ## Write docs/metrics.md, docs/catalog.md and the dashboards anew from the code
	@PYTHONPATH=tools $(BIN)/python -m observability

charts-golden: $(VENV)/.dev ## Rewrite what the charts' values files render, for a look at the diff
	@$(BIN)/stockpipe-standalone setup-helm
	@$(BIN)/pytest -q tests/charts/test_golden.py --rewrite-golden

chaos: $(VENV)/.dev servers ## Seeded random faults on the running pipeline, 50 runs: make chaos RUNS=50 SEED=1 (about 25 min)
	@$(BIN)/pytest tests/chaos/test_random_faults.py --chaos-runs $(RUNS) --chaos-seed $(SEED)

soak: $(VENV)/.dev ## Consumer and producer for 10 minutes at half of the highest rate: make soak SECONDS=600
	@$(BIN)/pytest tests/chaos/soak.py --soak-seconds $(SECONDS)

bench: $(VENV)/.dev $(PEERS) ## Ratios to reference programs in the same run: make bench BENCH="producer peers --quick" (all: most of an hour)
	@PYTHONPATH=tests $(BIN)/python -m benchmarks $(BENCH)
	@[ -n "$(BENCH)" ] || $(BIN)/pytest -s tests/benchmarks/test_api_load.py

check: $(VENV)/.dev $(AIRFLOW) ## Lint, types and import rules only
	@echo "== ruff"; $(BIN)/ruff check; $(BIN)/ruff format --check
	@echo "== mypy"; $(BIN)/mypy; $(BIN)/mypy --config-file airflow/mypy.ini
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
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	  requirements/peers.in --output-file requirements/peers.lock
	@for name in airflow airflow-dev; do \
	  echo "locking $$name"; \
	  $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	    $$( [ $$name = airflow ] || echo --constraint requirements/airflow.lock) \
	    requirements/$$name.in --output-file requirements/$$name.lock; \
	done

lock-jars: $(VENV)/.dev ## Resolve the jgo.toml files anew and rewrite their sha256 locks
	@$(BIN)/stockpipe-standalone lock-jars

images: $(IMAGES:%=image-%) ## Build the images stockpipe/NAME of this version; IMAGE_BUILDER=buildah for another builder than docker

image-spark: DOCKERFILE = spark-apps/Dockerfile
image-airflow: DOCKERFILE = airflow/Dockerfile
image-%: DOCKERFILE = services/$*/Dockerfile
image-%:
	@echo "== stockpipe/$*:$(VERSION)"
	@$(IMAGE_BUILDER) build -t stockpipe/$*:$(VERSION) -f $(DOCKERFILE) \
	  --build-arg=VERSION=$(VERSION) --build-arg=REVISION=$$(git rev-parse HEAD) .

kind-up: images ## A kind cluster with operators, platform and pipeline; prints where to look
	@kind get clusters | grep -qx stock-market || kind create cluster --config kind-config.yaml
	@kind load docker-image --name stock-market $(IMAGES:%=stockpipe/%:$(VERSION))
	@k8s/operators.sh
	@k8s/install.sh

kind-down: ## Remove that cluster with all its data
	@kind delete cluster --name stock-market

e2e: $(VENV)/.dev ## Install into the current kubectl context, break things there, and check the books (see docs/kubernetes.md)
	@$(BIN)/pytest tests/e2e --e2e $(PYTEST_ARGS)

clean: ## Remove the results of demo runs
	@rm -rf .stockpipe

servers: $(VENV)/.dev $(FAKESNOW)
	@$(BIN)/stockpipe-standalone setup-minio
	@$(BIN)/stockpipe-standalone setup-helm
	@$(BIN)/stockpipe-standalone setup-prometheus

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

$(PEERS): $(PEERS)/.ready ## What benchmarks compare with, in an environment of its own

$(PEERS)/.ready: requirements/peers.lock
	@echo "== virtual environment $(PEERS)"
	@$(PYTHON) -m venv $(PEERS)
	$(call install,peers,$(PEERS)/bin)
	@touch $@

$(AIRFLOW): $(AIRFLOW)/.ready ## Airflow with the DAGs' package, in an environment of its own

$(AIRFLOW)/.ready: requirements/airflow.lock requirements/airflow-dev.lock airflow/pyproject.toml
	@echo "== virtual environment $(AIRFLOW)"
	@$(PYTHON) -m venv $(AIRFLOW)
	$(call install,airflow,$(AIRFLOW)/bin)
	$(call install,airflow-dev,$(AIRFLOW)/bin)
	@$(AIRFLOW)/bin/python -m pip install --disable-pip-version-check --quiet --no-build-isolation --no-deps -e airflow
	@touch $@
