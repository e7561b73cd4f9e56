# `make dev` runs the server and `make test` tests it; each fetches what it needs the first time.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help dev test eval evaluate check format lint types imports lock audit sbom bench bench-runs dashboards rules docs docs-serve image-trial test-tools clean FORCE

# Without bytecode every start and every test's child process would compile all libraries anew.
unexport PYTHONDONTWRITEBYTECODE

PYTHON := .venv/bin/python
PYTEST_ARGS ?=
EVAL_ARGS ?=
# Providers' packages, of anthropic, google and ollama, and drawing, for PNGs of graphs: remembered until another list is given, an empty one
# included.
EXTRAS ?= $(shell cat .venv/.extras 2>/dev/null)
ifneq ($(filter-out anthropic google ollama drawing evals,$(EXTRAS)),)
$(error EXTRAS: there is no $(filter-out anthropic google ollama drawing evals,$(EXTRAS)); there are anthropic, google, ollama, drawing and evals)
endif
EXTRA_LOCKS := $(EXTRAS:%=requirements-%.lock)

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

dev: export PYTHONUNBUFFERED = 1
dev: .venv/.runtime ## Run the server on http://localhost:8000, reloading on change; EXTRAS="anthropic" adds a provider
	@exec $(PYTHON) -m app serve

test: .venv/.dev ## Run every test this machine can; narrow it with PYTEST_ARGS="-k chat"
	@$(PYTHON) -m pytest --numprocesses auto --maxprocesses 6 --dist worksteal $(PYTEST_ARGS)

eval: ## Try the agent on a dataset and write a report; EVAL_ARGS="--model gpt-5-mini" says what and how
	@$(MAKE) --no-print-directory EXTRAS="$(sort $(EXTRAS) evals)" evaluate

evaluate: .venv/.runtime
	@$(PYTHON) -m evals run $(EVAL_ARGS)

check: lint types imports test ## All that a change must pass

format: .venv/.dev ## Rewrite the code in the house style
	@$(PYTHON) -m ruff check --fix-only .
	@$(PYTHON) -m ruff format .

lint: .venv/.dev ## Check style
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m ruff check .

types: .venv/.dev ## Check types
	@$(PYTHON) -m mypy

imports: .venv/.dev ## Check who imports whom
	@.venv/bin/lint-imports --no-logo

bench: .venv/.dev ## Measure what the server costs beside its floors, and write docs/performance.md (15 minutes)
	@$(PYTHON) -m benchmarks --write-docs

bench-runs: .venv/.dev ## Measure how fast runs are read, stopped and rescued from another process
	@$(PYTHON) -m benchmarks.durability

dashboards: .venv/.dev ## Write grafana/dashboards/ from grafana/boards/
	@$(PYTHON) -m grafana.boards

docs: .venv/.dev ## Make the site of docs/ in site/; a link that leads nowhere fails
	@$(PYTHON) -m handbook build

docs-serve: .venv/.dev ## Show that site on http://localhost:8008
	@$(PYTHON) -m handbook serve

rules: .venv/.dev ## Write the cluster's copy of prometheus/rules/
	@$(PYTHON) -m deploy.kubernetes

lock: ## Rewrite the locks from pyproject.toml; scripts/lock --upgrade takes newer versions
	@scripts/lock

audit: ## Hold the locked packages against known advisories, where they can be reached
	@scripts/audit

sbom: ## Write sbom.json: what packages the image has, with their licences, as CycloneDX
	@scripts/sbom

image-trial: ## Build the image and run its processes without a container engine (root, Debian; 5 minutes the first time)
	@scripts/image-trial

test-tools: .venv-model/.installed ## Fetch what tests need beyond Python: Chromium, Prometheus, HAProxy, pgbouncer and a small real model
	@scripts/test-tools

clean: ## Remove all that was installed or cached here; the data in .data/ stays
	@rm -rf .venv .venv-model .venv-tools .uv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .handbook site
	@find app deploy evals tests benchmarks grafana handbook -name __pycache__ -prune -exec rm -rf {} +

# The environment: what runs the server, then what checks it on top. Each stamp is newer than all it was made from.
.venv/.runtime: requirements.lock $(EXTRA_LOCKS) .venv/.extras .venv/pyvenv.cfg
	@scripts/uv pip sync --quiet --python .venv --require-hashes requirements.lock $(EXTRA_LOCKS)
	@touch $@

.venv/.dev: requirements-dev.lock .venv/.runtime
	@scripts/uv pip sync --quiet --python .venv --require-hashes requirements.lock requirements-dev.lock $(EXTRA_LOCKS)
	@touch $@

# Written only when it changes, so that only then the environment is made anew.
.venv/.extras: .venv/pyvenv.cfg FORCE
	@echo "$(EXTRAS)" | cmp -s - $@ || echo "$(EXTRAS)" >$@

FORCE:

.venv-model/.installed: tests/real_model/requirements.lock .venv-model/pyvenv.cfg
	@scripts/uv pip sync --quiet --python .venv-model --require-hashes tests/real_model/requirements.lock
	@touch $@

.venv/pyvenv.cfg .venv-model/pyvenv.cfg: .python-version
	@scripts/uv --version >/dev/null
	@scripts/uv venv --quiet --allow-existing $(@D) || { \
		echo "Milepost needs Python $$(cat .python-version), which uv could neither find nor download: install it and try again." >&2; exit 1; }
