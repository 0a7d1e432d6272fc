# Everything starts from `make help`.
SHELL := /bin/bash
VENV := .venv/bin
PACKAGES := foundation keys idp signing licence_vault verification api hufu
CODE := $(PACKAGES) migrations tests examples
export PYTHONPATH := $(CURDIR)
# Compiled once, not at every start.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install run demo test check format bench soak fuzz openapi migrate lock clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install:  ## Create .venv from the hash-pinned lock (the other targets do it when needed)
	@.ci/environment requirements-dev.txt
	@.ci/reader

run: install  ## Start everything with a seeded demo city; Ctrl-C stops it (HUFU_PORT, default 8000)
	@exec $(VENV)/python -m hufu run

demo: install  ## Play the main job step by step (URL= plays it against a running service)
	@exec $(VENV)/python -m hufu demo $(if $(URL),--url $(URL))

test: install  ## Run the whole suite on real servers that it brings itself
	@exec $(VENV)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder -q $(ARGS)

check: install  ## Format, lint, types, layers, tests: what a change must pass
	$(VENV)/ruff format --check $(wildcard $(CODE))
	$(VENV)/ruff check $(wildcard $(CODE))
	$(VENV)/mypy
	$(VENV)/lint-imports
	$(MAKE) --no-print-directory test

format: install  ## Put the code into its form
	$(VENV)/ruff format $(wildcard $(CODE))
	$(VENV)/ruff check --fix $(wildcard $(CODE))

bench: install  ## Measure the main operations, each beside a floor or a peer
	@exec $(VENV)/python -m tests.bench $(ARGS)

soak: install  ## Kill 200 sealing workers, flip 7,200 bytes, use everything once 100 times over, restart 20 times, run under load for MINUTES (default 10)
	@HUFU_TEST_KILLS=200 $(VENV)/pytest tests/signing/test_batches.py -q -k no_kill
	@HUFU_TEST_FLIPS=400 $(VENV)/pytest tests/verification/test_attacks.py --timeout 3600 -q -k flipped
	@HUFU_TEST_ALTERED_ROUNDS=8 $(VENV)/pytest tests/verification/test_quick_cms.py -q
	@HUFU_TEST_ROUNDS=100 $(VENV)/pytest tests/idp/oauth/test_single_use_processes.py -q
	@HUFU_TEST_RESTARTS=10 $(VENV)/pytest tests/flows/test_rolling_restart.py -q
	@exec $(VENV)/python -m tests.bench.soak $(or $(MINUTES),10)

fuzz: install  ## Fuzz every entry point that reads strangers' bytes, SECONDS_EACH (default 300)
	@for target in qr cose identifier pdf receipt rows presentation; do \
	  echo "$$target"; $(VENV)/python -m tests.fuzz $$target $(or $(SECONDS_EACH),300) || exit 1; done

openapi: install  ## Write openapi.yaml from the application
	@exec $(VENV)/python -m hufu openapi openapi.yaml

migrate: install  ## Bring the database of HUFU_DATABASE_URL to the newest schema
	@exec $(VENV)/python -m hufu migrate

lock: install  ## Make the locks anew from requirements*.in
	$(VENV)/uv pip compile $(LOCK_OPTIONS) requirements-dev.in -o requirements-dev.txt
	$(VENV)/uv pip compile $(LOCK_OPTIONS) -c requirements-dev.txt requirements.in -o requirements.txt

LOCK_OPTIONS := --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--no-emit-index-url --no-emit-find-links --no-header

clean:  ## Remove what can be made again; the data directory stays
	rm -rf build .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
