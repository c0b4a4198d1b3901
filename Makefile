# `make` alone lists the targets. `make demo` and `make test` do all the set-up they need: Python 3.11 or newer, make and
# the package index are enough; no Docker, Java, Kafka, Redis or root.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash

VENV := .venv
BIN := $(VENV)/bin
# Newer than pyproject.toml once what that asks for is installed.
INSTALLED := $(VENV)/.installed
# The oldest Python supported, where there is one: what passes there passes on newer ones.
PYTHON := $(shell command -v python3.11 || command -v python3)

.PHONY: help setup demo test test-kafka test-kafka-1 test-kafka-3 faults fuzz check bench bench-peers bench-scaling clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "%-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(INSTALLED) ## make .venv with the project, the embedded servers and the tools

demo: $(INSTALLED) ## broker, Redis, worker, simulated network and live board in one terminal; Ctrl-C ends it
	$(BIN)/cloutstream demo

test: $(INSTALLED) ## run the tests; ARGS="tests/unit -k name" for some of them
	$(BIN)/python -m pytest -n 3 --dist loadfile $(ARGS)

# What crosses Kafka or Redis; the rest of the tests meets neither.
ACROSS := tests/contract tests/integration tests/faults tests/end_to_end

test-kafka: test-kafka-1 test-kafka-3 ## those that cross Kafka or Redis, on real ones; needs Java 17, Maven, redis-server

test-kafka-1: $(INSTALLED) ## on Apache Kafka with one broker, and Valkey
	CLOUTSTREAM_TEST_KAFKA=apache CLOUTSTREAM_TEST_REDIS=embedded $(BIN)/python -m pytest -n 3 --dist loadfile $(ACROSS) $(ARGS)

test-kafka-3: $(INSTALLED) ## on Apache Kafka with three brokers, and redis-server
	CLOUTSTREAM_TEST_KAFKA=apache-3 CLOUTSTREAM_TEST_REDIS=redis-server $(BIN)/python -m pytest -n 3 --dist loadfile $(ACROSS) $(ARGS)

faults: $(INSTALLED) ## break things under load and recount: two hours, ARGS="--short" minutes; needs the same
	$(BIN)/python tests/chaos $(ARGS)

fuzz: $(INSTALLED) ## feed a source's mapping with bytes: ARGS="bluesky -max_total_time=60"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[fuzz]'
	$(BIN)/python -m tests.fuzz $(ARGS)

check: $(INSTALLED) ## formatting, lint and types, as CI has them
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(INSTALLED) ## measure; one JSON line a figure
	$(BIN)/python -m benchmarks $(ARGS)

bench-peers: $(INSTALLED) ## the same job on other systems too: an hour or two; needs Java 17, Maven, redis-server, 10 GB of disk
	$(BIN)/python -m benchmarks.peers $(ARGS)

bench-scaling: $(INSTALLED) ## how speed and size scale, and docs/sizing.md made of that: half an hour; needs the same
	$(BIN)/python -m benchmarks.scaling > docs/sizing.jsonl
	$(BIN)/python -m benchmarks.sizing docs/sizing.jsonl

clean: ## remove .venv and everything generated
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .services .peers
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): pyproject.toml
	@test -n "$(PYTHON)" || { echo "make: no python3.11 or python3 found; install Python 3.11 or newer" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "make: $(PYTHON) is $$($(PYTHON) -V 2>&1); expected Python 3.11 or newer" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[embedded,dev]'
	@touch $@
