# Every target makes the virtual environment it needs, and does nothing twice.
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3,$(shell command -v $(name))))
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help chat test lint format schemas sample-plant wheel clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

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

sample-plant: $(READY) ## Write the made files of the sample plant
	@$(BIN)/python fixtures/make_sample_plant.py

wheel: $(READY) ## Build the wheel into dist/
	@$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist .

clean: ## Remove the virtual environment and every build product
	@rm -rf $(VENV) dist build .pytest_cache .ruff_cache .hypothesis .import_linter_cache
