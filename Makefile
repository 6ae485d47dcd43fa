# Two commands are all that a fresh machine needs: `make run` and `make test`.
SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
UV_VERSION := 0.13.8

export PATH := $(CURDIR)/$(BIN):$(PATH)
# Nothing phones home.
export DVC_NO_ANALYTICS := 1
export PLOOMBER_STATS_ENABLED := false
export STREAMLIT_BROWSER_GATHER_USAGE_STATS := false
export DO_NOT_TRACK := 1
# The environment is byte-compiled once, at installation.
export UV_LINK_MODE ?= copy
# So is the source, by the first process that imports a module, and not by each.
unexport PYTHONDONTWRITEBYTECODE
unexport VIRTUAL_ENV

.DEFAULT_GOAL := help
.PHONY: help install run demo-serve demo-watch test test-lowest test-newest lint bench peers serving-peers monitoring-peers test-faults test-airflow docs docs-outputs lab app serve clean browser r-kernel ci-artifacts

help: ## Show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

$(BIN)/uv:
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

.venv/installed: uv.lock pyproject.toml | $(BIN)/uv
	$(BIN)/uv sync --locked --compile-bytecode --quiet
	@touch $@

install: .venv/installed ## The environment from the lock file, the data, the merge driver of dvc.lock
	@git config merge.nbship-lock.name "dvc.lock, stage by stage" && git config merge.nbship-lock.driver "$(BIN)/nbship merge-lock %O %A %B"
	@$(BIN)/python -m flights.install_data
	@$(BIN)/nbship sync

run: install ## The whole demonstration: pipeline, package, predictions, labels, monitoring
	@$(BIN)/python -m flights.demo

demo-serve: install ## The service once around: predict, feed back, replay, measures
	@$(BIN)/nbship run >/dev/null
	@$(BIN)/python -m flights.serving_demo

demo-watch: install ## July to December week by week: reports, alerts, an index page
	@$(BIN)/nbship run >/dev/null
	@$(BIN)/python -m flights.watch_demo

peers: .nbship/cache/peers/installed ## What nbship is measured beside (mlflow, ONNX Runtime), in an environment of its own

.nbship/cache/peers/installed: benchmarks/peers/uv.lock | $(BIN)/uv
	UV_PROJECT_ENVIRONMENT=$(CURDIR)/.nbship/cache/peers $(BIN)/uv sync --project benchmarks/peers --locked --compile-bytecode --quiet
	@touch $@

serving-peers: .nbship/cache/serving-peers/installed ## The servers that nbship's is measured beside

.nbship/cache/serving-peers/installed: benchmarks/peers/serving/uv.lock benchmarks/peers/mlserver/uv.lock | $(BIN)/uv
	UV_PROJECT_ENVIRONMENT=$(CURDIR)/.nbship/cache/serving-peers $(BIN)/uv sync --project benchmarks/peers/serving --locked --compile-bytecode --quiet
	UV_PROJECT_ENVIRONMENT=$(CURDIR)/.nbship/cache/mlserver $(BIN)/uv sync --project benchmarks/peers/mlserver --locked --compile-bytecode --quiet
	@touch $@

monitoring-peers: .nbship/cache/monitoring-peers/installed ## What monitoring is measured beside (Evidently, NannyML)

.nbship/cache/monitoring-peers/installed: benchmarks/peers/monitoring/uv.lock | $(BIN)/uv
	UV_PROJECT_ENVIRONMENT=$(CURDIR)/.nbship/cache/monitoring-peers $(BIN)/uv sync --project benchmarks/peers/monitoring --locked --compile-bytecode --quiet
	@touch $@

lint: .venv/installed ## Format, lint, types, layers
	ruff format --check .
	ruff check .
	mypy
	lint-imports

# Tests of one file share what they set up. Most of them wait for processes, so there are more workers than cores; the
# order is that of the files, because the files with the most tests are not the longest.
TOGETHER := -n 4 --dist loadfile --no-loadscope-reorder

test: install lint peers ## Everything that must hold, in under 12 minutes
	nbship sync --check
	pytest $(TOGETHER)

# The suite on the lowest versions that pyproject.toml declares, and on the newest releases, each in an environment
# of its own; then nbship without extras and with each extra alone. Left out is what no library changes: pages and
# the lock file; what needs a browser, Docker or peers (tests/e2e); the fault tests, which are about crashes; mypy.
RESOLUTION_lowest := lowest-direct
RESOLUTION_newest := highest
# pandas 3.1 warns of an attribute that pyarrow uses before 26.
WARNINGS_lowest := -W "ignore:Series.values returning:DeprecationWarning"

test-lowest: ## The suite on the lowest versions that pyproject.toml declares
test-newest: ## The suite on the newest versions that pyproject.toml allows

test-lowest test-newest: test-%: $(BIN)/uv
	uv venv --quiet --clear --python $(PYTHON) .nbship/cache/$*
	uv pip install --quiet --upgrade --compile-bytecode --python .nbship/cache/$*/bin/python --resolution $(RESOLUTION_$*) \
	  --editable '.[project,app,watch,sign,onnx,postgres,sql,xgboost,lightgbm,catboost]' --group suite
	.nbship/cache/$*/bin/python -m flights.install_data
	PYTEST_ADDOPTS='$(WARNINGS_$*)' PATH="$(CURDIR)/.nbship/cache/$*/bin:$$PATH" python -m pytest $(TOGETHER) --ignore tests/e2e --ignore tests/docs \
	  --ignore tests/faults --ignore tests/test_environment.py --deselect tests/contracts/test_predictors.py::test_every_predictor_type_checks
	PYTEST_ADDOPTS='$(WARNINGS_$*)' $(BIN)/python tests/extras.py .nbship/cache/$*-extra $(RESOLUTION_$*) $(PYTHON)

docs: .venv/installed ## The documentation as HTML, into .nbship/cache/docs; a warning is an error
	python -m sphinx -E -W --keep-going -n -q -d .nbship/cache/doctrees docs .nbship/cache/docs
	@echo ".nbship/cache/docs/index.html"

docs-outputs: install ## Run the blocks of every page, and write what they print into the pages
	python tests/docs/blocks.py

test-faults: install peers monitoring-peers ## All fault tests with their repetitions, and other long tests
	pytest -n 2 --dist load --timeout 3600 --full -m long

test-airflow: install ## Exported schedules in a real Airflow, in an environment of its own
	pytest --timeout 1800 --full -m long tests/faults/test_schedule_exports.py -k airflow

bench: install peers serving-peers monitoring-peers ## The comparisons of benchmarks/README.md
	python -m benchmarks

lab: install ## JupyterLab on this project
	nbship lab

app: install ## The Streamlit app
	nbship app

serve: install ## The REST service
	nbship serve

environment.yml: uv.lock ## The same environment for conda, from the lock file
	@{ printf '%s\n' '# Generated from uv.lock by `make environment.yml`. Do not edit.' 'name: nbship' 'channels: [conda-forge]' \
	  'dependencies:' '  - python=3.11' '  - git' '  - make' '  - pip' '  - pip:'; \
	  uv export --quiet --locked --no-hashes --no-header --no-annotate | sed -E 's/^/      - /'; } > $@

ci-artifacts: ## Executed notebooks, reports and metric changes against main, for CI to publish
	@rm -rf $@ && mkdir -p $@/products
	@cp products/*.ipynb products/*.html $@/products/
	@cp -r .nbship/state/monitoring $@/ 2>/dev/null || true
	@base=$$(git rev-parse --verify --quiet origin/main || git rev-parse --verify --quiet main); \
	  if [ "$$base" = "$$(git rev-parse HEAD)" ]; then base=$$(git rev-parse --verify --quiet HEAD~1 || echo HEAD); fi; \
	  for what in metrics params; do \
	    echo "### Changes of $$what against main"; echo; \
	    changes=$$(dvc $$what diff --md $$base | sed "s/$$base/main/"); \
	    if [ "$$(grep -c '^|' <<< "$$changes")" -gt 2 ]; then echo "$$changes"; else echo "None."; fi; echo; \
	  done > $@/metrics.md
	@cat $@/metrics.md

browser: ## Chromium for the tests of the app and the reports (Debian, Ubuntu)
	@command -v chromium >/dev/null || (apt-get update -qq && apt-get install -y -qq chromium)

r-kernel: ## R and its Jupyter kernel, for the tests of notebooks in R (Debian, Ubuntu)
	@[ -e /usr/share/jupyter/kernels/ir ] || (apt-get update -qq && apt-get install -y -qq --no-install-recommends r-cran-irkernel)

clean: ## Delete caches and the environment; never the state in .nbship/state
	rm -rf .venv .nbship/cache .nbship/scratch .mypy_cache .ruff_cache .pytest_cache .import_linter_cache dist build
