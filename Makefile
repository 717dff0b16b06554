# Everything a fresh machine needs is Python 3.11 (with venv) and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
DEMO := .demo

.PHONY: help install demo test nightly check docs bench lock clean

help: ## what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(INSTALLED): requirements/dev.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

install: $(INSTALLED) ## install into .venv, with the locked dependencies

demo: $(INSTALLED) ## apply a copy of examples/quickstart on the embedded simulator, twice
	@rm -rf $(DEMO) && cp -R examples/quickstart $(DEMO)
	@echo '$$ declarative apply --auto-approve'
	@XDG_STATE_HOME=$(CURDIR)/$(DEMO)/.state $(BIN)/declarative -C $(DEMO) apply --auto-approve
	@echo
	@echo '$$ declarative apply --auto-approve   # again'
	@XDG_STATE_HOME=$(CURDIR)/$(DEMO)/.state $(BIN)/declarative -C $(DEMO) apply --auto-approve

test: $(INSTALLED) ## install, and pass the tests
	$(BIN)/python -m pytest -q -n 2

nightly: $(INSTALLED) ## the proofs at their most thorough, which takes hours
	PROOFS=nightly $(BIN)/python -m pytest -q -n 2 tests/proof tests/pipelines

check: $(INSTALLED) ## format, lint, strict types, import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(INSTALLED) ## build the site of docs/ into site/, without a network
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

bench: $(INSTALLED) ## measure the figures, beside their targets
	$(BIN)/python -m benchmarks

lock: ## write requirements/dev.txt anew from pyproject.toml (needs pip-compile)
	$(PYTHON) -c 'import tomllib; g = tomllib.load(open("pyproject.toml", "rb"))["dependency-groups"]; \
	print(*(p for n in ("build", "docs", "lint", "test") for p in g[n]), sep="\n")' > requirements/dev.in
	pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-header --no-emit-index-url \
	--no-emit-trusted-host --no-emit-find-links --extra simulator --extra s3 --output-file requirements/dev.txt pyproject.toml requirements/dev.in
	rm requirements/dev.in

clean: ## remove what was made here
	rm -rf $(VENV) $(DEMO) site dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage
