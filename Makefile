# For a reader: `make demo`. For a developer: `make test`. Both set up what they need on a bare Debian 12.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
SOURCES := reconciler signing lab tests benchmarks

.PHONY: help demo demo-stop test check lint types soak clean

help:
	@echo 'make demo          set everything up and play the main story, in about a minute (KEEP=1 leaves it running)'
	@echo 'make demo-stop     end what `make demo KEEP=1` left running'
	@echo 'make test          set everything up and run all tests'
	@echo 'make check         lint and types only'
	@echo 'make soak          the long campaigns: fuzzing, kills at every step'
	@echo 'make clean         remove the virtual environment and what tests left'

demo: $(VENV)/.installed
	@$(BIN)/python -m lab.demo $(if $(KEEP),--keep)

demo-stop:
	@if [ -f .lab/demo.pid ]; then kill "$$(cat .lab/demo.pid)" && echo 'ending; it cleans up after itself'; else echo 'no demo is running'; fi

# Two at once, on two processors: the stories, which mostly wait for their Engine; and beside them all that needs none,
# then what needs one of its own. Told at the end.
APART := tests/like_compose tests/contracts tests/lab tests/end_to_end/test_story_check.py
test: check
	@mkdir -p .lab
	@$(BIN)/python -m compileall -q reconciler signing lab  # as pip does where it installs; hundreds of them start
	@{ $(BIN)/python -m pytest -q -m 'not docker'; code=$$?; \
	   lab/apart.sh $(BIN)/python -m pytest -q -m docker $(APART) || code=$$?; exit $$code; } >.lab/tests.log 2>&1 & beside=$$!; \
	$(BIN)/python -m pytest -q -m docker $(APART:%=--ignore=%); code=$$?; \
	wait $$beside || code=$$?; echo 'make: and beside them:'; cat .lab/tests.log; exit $$code

check: lint types

lint: $(VENV)/.installed
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)

types: $(VENV)/.installed
	$(BIN)/mypy

soak: $(VENV)/.installed
	SOAK=1 FUZZ_COUNT=100000 $(BIN)/python -m pytest -q

# Debian splits venv off from Python, and has neither an Engine nor a registry by default: the script installs what is missing.
$(VENV)/.installed: pyproject.toml lab/packages.sh
	@PYTHON=$(PYTHON) lab/packages.sh
	@echo 'make: installing the Python packages into $(VENV)'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) .lab .mypy_cache .pytest_cache .ruff_cache .hypothesis build *.egg-info
