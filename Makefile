# Every task of the project; `make help` lists them. Needs Python 3.11 or newer, and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: help run keys test fuzz mutate lint format lock bench clean

help: ## List the tasks
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/demo.installed ## Start the demo: crewadmin and an AWS sandbox on this machine (PORT=8000)
	@$(BIN)/python -m sandbox.demo

keys: $(VENV)/demo.installed ## Write a .env with new keys, where there is none
	@$(BIN)/python -m crewadmin.keys

test: $(VENV)/dev.installed ## Run the whole suite: SQLite, PostgreSQL and the browser, whatever of them is there
	@$(BIN)/python -m tests

fuzz: $(VENV)/dev.installed ## Give each reader of imported files 100,000 hostile files
	@FUZZ_EXAMPLES=100000 $(BIN)/python -m pytest -q tests/test_import_fuzz.py

mutate: $(VENV)/dev.installed ## Take each filter by organization out in turn: the isolation tests must notice
	@$(BIN)/python -m tests.isolation

lint: $(VENV)/dev.installed ## Check style, types, templates and layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/python -m tests.environment mypy
	$(BIN)/djlint templates --lint --check --quiet
	$(BIN)/python -m tests.environment lint-imports
	$(BIN)/python -m tests.environment python manage.py makemigrations --check --dry-run

format: $(VENV)/dev.installed ## Put code and templates into form
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format .
	-$(BIN)/djlint templates --reformat --quiet

lock: $(VENV)/dev.installed ## Compile the locked requirements from pyproject.toml
	$(BIN)/uv pip compile $(LOCK) -o requirements.txt
	$(BIN)/uv pip compile $(LOCK) --group demo -c requirements.txt -o requirements-demo.txt
	$(BIN)/uv pip compile $(LOCK) --group dev -c requirements-demo.txt -o requirements-dev.txt
LOCK := pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header

bench: $(VENV)/dev.installed ## Measure, beside the bound of the same work in the same run
	@$(BIN)/python -m tests.environment python -m bench

clean: ## Remove what was installed and built; keys and database stay
	rm -rf $(VENV) var/static

# A set of requirements is installed once; only a changed lock asks for the network again.
$(VENV)/%.installed: requirements-%.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing $<"
	@$(BIN)/python -m pip install --quiet --require-hashes -r $<
	@touch $@
