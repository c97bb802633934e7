# `make demo` shows the loop, `make test` proves it. Both bring what they need.
PYTHON ?= python3
V := .venv
BIN := $(V)/bin
ARGS ?=

.PHONY: demo serve test lint clean

demo: $(V)/.demo
	$(BIN)/python manage.py demo $(ARGS)

serve: $(V)/.demo
	$(BIN)/python manage.py serve $(ARGS)

test: $(V)/.test
	$(BIN)/python -m pytest -q $(ARGS)
	$(BIN)/python -m pytest -q --db=sqlite $(ARGS)

lint: $(V)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy cem_cases demo_project

clean:
	rm -rf $(V) var

$(BIN)/python:
	$(PYTHON) -m venv $(V)

# One stamp an extra, made again when pyproject.toml changes; pip itself is silent.
$(V)/.demo $(V)/.test $(V)/.dev: $(V)/.%: pyproject.toml | $(BIN)/python
	@echo "Installing '.[$*]' into $(V): about half a minute the first time ..."
	@$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[$*]'
	@touch $@
