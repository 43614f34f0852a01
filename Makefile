# Everything that is done with a checkout. Bare `make` explains itself. Needs Python 3.11 or newer, make, and network to a
# package registry the first time; what is installed goes to .venv, and docs/decisions/0001-lock-files.md says how.

VENV := .venv
BIN := $(VENV)/bin
UV_PIP = $(BIN)/uv pip
JOBS ?= 2
ARGS ?=

export VIRTUAL_ENV := $(abspath $(VENV))
export UV_PYTHON_DOWNLOADS := never
# A company's proxy signs with a certificate that only the machine's own store knows.
export UV_SYSTEM_CERTS ?= $(if $(wildcard /etc/ssl/certs/ca-certificates.crt),true,false)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run serve test check fuzz bench fmt lock clean

##@ Use it
run: $(VENV)/.runtime ## Start the demo: fill an empty database, serve, say what to type next
	@$(BIN)/callcard demo $(ARGS)

serve: $(VENV)/.runtime ## Serve without demo data; settings come from the environment and .env
	@$(BIN)/callcard serve $(ARGS)

##@ Work on it
test: $(VENV)/.dev ## Run the tests on a real PostgreSQL; ARGS="-k fault_05", JOBS=4
	$(BIN)/python -m pytest -n $(JOBS) --dist=loadfile $(ARGS)

check: $(VENV)/.dev ## Check format, lint, types, layers, Dockerfile and migrations
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile
	$(BIN)/python -m migrations.check

fuzz: $(VENV)/.dev ## Send the whole API every boundary of every field; two minutes
	API_PHASES=examples,coverage,fuzzing $(BIN)/python -m pytest -q tests/api/test_openapi.py

fmt: $(VENV)/.dev ## Format, and mend what the linter can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.dev ## Measure against the baseline; takes minutes and some gigabytes of disk
	$(BIN)/python -m bench $(ARGS)

##@ Keep it up
# --python-version: the answer must not depend on who asks.
COMPILE = $(UV_PIP) compile --quiet --universal --python-version 3.11 --generate-hashes --no-header

lock: $(VENV)/.tools ## Bring the lock files in step with pyproject.toml; ARGS=--upgrade takes newer versions
	$(COMPILE) $(ARGS) pyproject.toml -o requirements.lock
	$(COMPILE) $(ARGS) pyproject.toml --group dev -c requirements.lock -o requirements-dev.lock
	printf 'uv\nhatchling\neditables\n' | $(COMPILE) $(ARGS) - -o requirements-build.lock

clean: ## Remove .venv and every cache; data/ stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .schemathesis .import_linter_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

help:
	@printf 'Callcard: the caller'\''s card on the agent'\''s screen before they speak.\nThe first target sets everything up; nothing else is to be installed.\n'
	@awk 'BEGIN { FS = ":.*## " } /^##@ / { printf "\n%s\n", substr($$0, 5) } /^[a-z]+:.*## / { printf "  make %-6s  %s\n", $$1, $$2 }' Makefile

# What follows is the set-up. Each step leaves a stamp in .venv, so a second run finds nothing to do, and a step is
# done again when the files that decide it have changed.

PYTHONS = $(or $(PYTHON),python3.14 python3.13 python3.12 python3.11 python3)

$(BIN)/python:
	@for python in $(PYTHONS); do \
	    if $$python -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	        echo "Making $(VENV) with $$($$python --version) …"; \
	        $$python -m venv --clear $(VENV) && exit 0; rm -rf $(VENV); exit 1; \
	    fi; \
	done; \
	echo 'Callcard needs Python 3.11 or newer with its venv module, and none was found under the names: $(PYTHONS).' >&2; \
	echo 'On Debian or Ubuntu: apt-get install python3-venv. Or name one: make PYTHON=/path/to/python3.12 …' >&2; \
	exit 1

$(VENV)/.tools: requirements-build.lock | $(BIN)/python
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-build.lock
	@touch $@

# Callcard itself goes in as a link to this folder; only its build backend is fetched, at the locked version.
INSTALL_SELF = $(UV_PIP) install --quiet --no-deps --build-constraints requirements-build.lock --require-build-hashes -e .

# Adds to what is there, so that `make run` after `make test` takes nothing away.
$(VENV)/.runtime: requirements.lock pyproject.toml $(VENV)/.tools
	@echo 'Installing what Callcard needs to run …'
	@$(UV_PIP) install --quiet --require-hashes -r requirements.lock
	@$(INSTALL_SELF)
	@touch $@

$(VENV)/.dev: requirements.lock requirements-dev.lock pyproject.toml $(VENV)/.tools
	@echo 'Installing what Callcard needs to run and to be tested …'
	@$(UV_PIP) sync --quiet --require-hashes requirements-dev.lock
	@$(INSTALL_SELF)
	@touch $(VENV)/.runtime $@
