# Everything a developer or an operator starts. `make help` lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
GROUP ?= all
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --require-hashes

.DEFAULT_GOAL := help
.PHONY: up test servers lint bench bench-peers demo lock clean help

up: $(VENV)/.installed  ## start the whole product (gateway on 5000, console on 8080)
	@$(BIN)/gridwarden up $(ARGS)

demo: $(VENV)/.installed  ## play the scripted story on an instance of its own
	@$(BIN)/gridwarden demo $(ARGS)

test: $(VENV)/.developer  ## every test, in parallel, on a real PostgreSQL
	@$(BIN)/pytest -n auto --dist worksteal --cov --cov-report=term:skip-covered $(ARGS)

lint: $(VENV)/.developer  ## ruff, mypy, import contracts
	@$(BIN)/ruff check .
	@$(BIN)/mypy .
	@$(BIN)/lint-imports --no-logo

servers: $(VENV)/.developer  ## build the servers that tests start (needs Go; tests do it at first use otherwise)
	@$(BIN)/python -m tests.servers

bench: $(VENV)/.developer  ## measure; GROUP=ledger measures one group
	@$(BIN)/python -m benchmarks --group $(GROUP) $(ARGS)

bench-peers: $(VENV)/.developer  ## measure beside the peers, by turns; says why where one cannot be had
	@$(BIN)/python -m benchmarks --peers --group $(GROUP) $(ARGS)

lock: $(VENV)/.developer  ## resolve the dependencies anew (needs uv)
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-annotate --extra build \
	    --custom-compile-command "make lock" pyproject.toml -o requirements.lock
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-annotate --extra build --extra dev \
	    --custom-compile-command "make lock" -c requirements.lock pyproject.toml -o requirements-dev.lock

clean:  ## remove the virtual environment and caches; data under var/ stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	    echo "Gridwarden needs Python 3.11 or newer and found '$$($(PYTHON) --version 2>&1)': install one, then: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	    echo "Python could not create a virtual environment: install its venv module (Debian: apt install python3-venv)" >&2; exit 1; }

$(VENV)/.installed: requirements.lock pyproject.toml | $(VENV)/bin/python
	@echo "Installing from requirements.lock ..."
	@$(PIP) -r requirements.lock
	@$(BIN)/python -m pip --disable-pip-version-check install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.developer: requirements-dev.lock $(VENV)/.installed
	@echo "Installing from requirements-dev.lock ..."
	@$(PIP) -r requirements-dev.lock
	@touch $@
