# labelmill. `make demo` and `make test` do all of their own set-up.
SHELL := /bin/bash
BIN := .venv/bin
PACKAGES := labelmill autolabeler router review_api trainer labelmill_local labelmill_cli

.PHONY: demo test test-fast chaos bench eval lint types imports docs schemas docs-check lock setup setup-dev clean help

help: ## show what there is
	@grep -hE '^[a-z%-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z%-]+):.*## /\1\t/' | expand -t 14

setup:
	@scripts/setup.sh runtime

setup-dev:
	@scripts/setup.sh dev
	@scripts/setup_browser.sh

demo: setup ## label real tweets with everything real, and write a report (KEEP=1 leaves it running)
	@$(BIN)/labelmill demo $(if $(KEEP),--keep)

test: setup-dev lint ## every check and every test
	@$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

test-fast: setup-dev ## unit and contract tests only: no broker, no database
	@$(BIN)/pytest shared services cli deploy tests/contract tests/stubs -m "not slow"

chaos: setup-dev ## kill everything at random while 5,000 items pass, and count
	@$(BIN)/pytest tests/chaos -s

bench: setup-dev ## every figure the README quotes
	@$(BIN)/python -m benchmarks

bench-%: setup-dev ## one of them: ingest, pipeline, llm_calls, scaling, memory, promise, exactly_n, review
	@$(BIN)/python -m benchmarks $*

eval: setup-dev ## measure what docs/evaluation.md tells, and write it anew
	@$(BIN)/python -m benchmarks.evaluation

lint: setup-dev types imports ## ruff, strict types, import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: setup-dev
	@$(BIN)/mypy $(addprefix -p ,$(PACKAGES))

imports: setup-dev
	@$(BIN)/lint-imports --no-cache

docs: setup-dev ## write docs/asyncapi.yaml and docs/openapi.json from the code
	@$(BIN)/python scripts/api_docs.py --write

schemas: setup-dev ## take over changed event schemas (refuses a change that breaks running builds)
	@$(BIN)/python scripts/event_schemas.py --write

docs-check: setup-dev
	@$(BIN)/python scripts/api_docs.py --check

lock: setup-dev ## pin the newest versions of all dependencies
	@scripts/lock.sh

clean: ## remove what builds and runs left behind (not the virtual environment)
	@rm -rf .labelmill demo-report build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
