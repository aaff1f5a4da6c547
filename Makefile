# `make demo` and `make test` prepare what they need; a second run reuses it.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV ?= .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
# pip, not uv, installs: it honours the machine's pip configuration (mirrors, local wheels).
PIP_INSTALL := $(PY) -m pip install -qq --disable-pip-version-check --constraint requirements.lock
FACEFLOW := $(BIN)/faceflow-ml

# Stamps: what is installed follows these two files.
REQUIREMENTS := pyproject.toml requirements.lock
BASE := $(VENV)/.installed-base
APP := $(VENV)/.installed-app
FULL := $(VENV)/.installed-full

WEB := frontend/web
WEB_MODULES := $(WEB)/node_modules/.package-lock.json
WEB_BUILD := $(WEB)/out/index.html
DATA ?= data
PORT ?= 8000
MINUTES ?= 60
BENCH_PHOTOS ?= 1000
MLFLOW_PORT ?= 5000
ENV ?= dev
TAG ?=
FROM ?=
ARGS ?=
DRY_RUN ?=

export PHOTOS
export GALLERY := $(if $(PHOTOS),demo/people,demo/gallery)

.PHONY: help setup demo app web test fmt lint typecheck pytest webtest bench bench-app bench-archive \
	bench-memory bench-serving bench-uploads mlflow images docs lock clean \
	bootstrap build-ml push-ml plan deploy-api deploy-workers sagemaker-deploy

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(FULL) ## install everything for development into .venv

demo: $(BASE) $(if $(PHOTOS),,demo/photos/labels.json) ## group an album of fictional people, or PHOTOS=folder
	@$(FACEFLOW) group "$${PHOTOS:-demo/photos}" --out "$$GALLERY"
	@$(PY) -c 'import os, pathlib; print("Gallery:", (pathlib.Path(os.environ["GALLERY"]).resolve() / "index.html").as_uri())'
	@echo "The application (upload, correct, share), with the demo album inside: make app"

# Without npm there is no web client to build; the API and its docs are there all the same.
app: $(APP) $(if $(shell command -v npm),$(WEB_BUILD)) ## the application at http://127.0.0.1:8000; DATA=folder, PORT=number
	@$(PY) -m api --port $(PORT) --data $(DATA) $(if $(wildcard demo/photos/labels.json),--demo demo/photos)

web: $(WEB_BUILD) ## build the web client

test: lint typecheck webtest pytest ## every lint, type check and test

fmt: $(FULL) ## format the code and apply safe lint fixes
	$(BIN)/ruff check --fix --exit-zero --quiet .
	$(BIN)/ruff format .

lint: $(FULL) ## ruff: rules and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

typecheck: $(FULL) ## mypy --strict
	$(BIN)/mypy

webtest: $(WEB_MODULES) ## lint, types and components of the web client
	cd $(WEB) && npm run --silent lint && npm test --silent

pytest: $(FULL) $(WEB_BUILD) ## the tests and the doctests, a process a core
	$(PY) -m pytest --numprocesses logical --dist loadscope --no-loadscope-reorder --max-worker-restart 0

bench: $(FULL) ## measure this machine
	$(FACEFLOW) bench --out docs/benchmarks.md

mlflow: $(FULL) ## MLflow's pages of the local store, or of MLFLOW_TRACKING_URI
	@echo "MLflow, trainings: http://127.0.0.1:$(MLFLOW_PORT)/#/experiments?workflowType=machine_learning"
	@MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false $(BIN)/mlflow ui --workers 1 --port $(MLFLOW_PORT) --backend-store-uri "$${MLFLOW_TRACKING_URI:-sqlite:///mlflow.db}"

images: ## build the containers of the models: CPU and GPU
	@docker info >/dev/null 2>&1 || { echo "Error: no Docker engine answers here." >&2; exit 1; }
	for task in embedding detection; do for device in cpu gpu; do \
		docker build --file serving/Dockerfile --target "$$task-$$device" \
			--tag "faceflow-$$task:$$device" .; done; done

# Delivery: ENV=dev|prod; TAG=version, the commit by default; FROM=registry to copy images from;
# ARGS for what is called; DRY_RUN=1 prints the commands. They need no environment of Python's.
DELIVER = $(or $(PYTHON),$(wildcard $(PY)),python3) infra/deliver.py $@ --environment "$(ENV)" $(if $(TAG),--tag "$(TAG)") \
	$(if $(FROM),--from-registry "$(FROM)") $(if $(DRY_RUN),--dry-run) $(if $(ARGS),-- $(ARGS))

bootstrap: ## a new account: Terraform's state, roles for the workflows; ENV=dev, ARGS='-var=...'
	@$(DELIVER)

build-ml: ## build the containers of the models for SageMaker
	@$(DELIVER)

push-ml: ## the same, and into the account's registry
	@$(DELIVER)

plan: ## what Terraform would change in ENV=dev
	@$(DELIVER)

deploy-api: ## build, push and apply the API; ENV=dev, TAG=an older version rolls back
	@$(DELIVER)

deploy-workers: ## the same for the functions of ingestion and jobs
	@$(DELIVER)

sagemaker-deploy: ## registered models to the endpoints; ARGS='--kind embedder --approve'
	@$(DELIVER)

bench-app: $(FULL) ## measure the application: an hour, or MINUTES=number
	$(PY) -m tests.load.bench --minutes $(MINUTES) --photos $(BENCH_PHOTOS) --out docs/benchmarks-app.md

bench-archive: $(FULL) ## build and download an archive of 50,000 photos
	$(PY) -m tests.load.archive --out docs/benchmarks-archive.md

bench-memory: $(FULL) ## an hour of use, and the application's memory meanwhile
	$(PY) -m tests.load.memory --out docs/benchmarks-memory.md

bench-serving: $(FULL) ## measure the inference servers beside a naive one
	$(PY) -m tests.load.serving_bench --out docs/benchmarks-serving.md

bench-uploads: $(FULL) ## measure uploads under load, on one machine and over the adapters of AWS
	$(PY) -m tests.load.uploads --out docs/benchmarks-uploads.md

docs: $(FULL) ## API reference into build/docs
	$(PY) docs/api.py build/docs
	@echo "API reference: file://$(CURDIR)/build/docs/index.html"

lock: $(FULL) ## compile requirements.lock from pyproject.toml
	$(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 \
		--extra train --extra aws --extra app --extra lambda --extra serve --extra graph --extra peers --extra dev \
		--no-emit-index-url --custom-compile-command 'make lock' --output-file requirements.lock

clean: ## remove what is generated, but not .venv, runs or MLflow's records
	rm -rf build dist demo $(WEB)/out $(WEB)/.next .cache .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +

# Written whole or not at all, so that its presence says enough.
demo/photos/labels.json: | $(BASE)
	@$(FACEFLOW) data synth --out demo/photos --people 12 --photos 80 --seed 7 \
		--duplicates 3 --near-duplicates 5 --broken 2

# pip comes last into an environment: one whose creation was interrupted lacks it.
$(BIN)/pip:
	@.ci/create-venv $(VENV)

# Order-only: pip's age says nothing about what is installed.
$(BASE): $(REQUIREMENTS) | $(BIN)/pip
	@echo "Installing what the demo needs into $(VENV) ..."
	@$(PIP_INSTALL) --editable .
	@touch $@

$(APP): $(REQUIREMENTS) | $(BIN)/pip
	@echo "Installing what the application needs into $(VENV) ..."
	@$(PIP_INSTALL) --editable '.[app]'
	@touch $(BASE) $@

# Not `npm ci`: it refuses a lock without optional builds for other platforms, which a mirror may lack.
$(WEB_MODULES): $(WEB)/package.json $(WEB)/package-lock.json
	@echo "Installing what the web client is built with ..."
	@cd $(WEB) && npm install --no-save --silent --no-audit --no-fund
	@touch $@

$(WEB_BUILD): $(WEB_MODULES) $(shell find $(WEB)/src $(WEB)/public $(WEB)/scripts $(WEB)/*.mjs -type f 2>/dev/null)
	@echo "Building the web client ..."
	@cd $(WEB) && NEXT_TELEMETRY_DISABLED=1 npm run --silent build
	@touch $@

$(FULL): $(REQUIREMENTS) | $(BIN)/pip
	@echo "Installing everything, PyTorch included, into $(VENV): some minutes, once ..."
	@$(PIP_INSTALL) --editable '.[train,app,lambda,serve,aws,graph,dev]'
	@.ci/install-browser
	@touch $(BASE) $(APP) $@
