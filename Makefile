# What one does every day. The tests need nothing of this: see ./run-tests.
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: help run test lint format types docs bench bench-micro bench-cluster bench-compression bench-growth soak clean

help:  ## List the verbs.
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST)

$(BIN)/tox:
	python3 -m venv $(VENV)
	# compat: without it an editable install hides the plugin from twistd.
	$(BIN)/pip install --editable . --config-settings editable_mode=compat 'tox>=4.67'

run: $(BIN)/tox  ## Start the server with the demo app.
	$(BIN)/twistd --nodaemon --pidfile= txpusher

test: $(BIN)/tox  ## Run the unit tests and the coverage gate.
	$(BIN)/tox run -e py,coverage-report

lint: $(BIN)/tox  ## Check style, format and the layers.
	$(BIN)/tox run -e lint,imports

format: $(BIN)/tox  ## Rewrite the files as lint wants them.
	$(BIN)/tox run -e format

types: $(BIN)/tox  ## Check the types.
	$(BIN)/tox run -e types

docs: $(BIN)/tox  ## Build the documentation into docs/_build/html.
	$(BIN)/tox run -e docs

bench: $(BIN)/tox  ## Measure the installed server, for a minute. BENCH='--against HEAD~1' compares.
	$(BIN)/python benchmarks/run.py $(BENCH)

bench-micro: $(BIN)/tox  ## Measure the parts of the server without sockets.
	$(BIN)/tox run -e micro

bench-cluster: $(BIN)/tox  ## Measure servers with Redis and workers, for two minutes.
	$(BIN)/python benchmarks/cluster.py

bench-compression: $(BIN)/tox  ## Measure what --compression saves and costs, for a minute.
	$(BIN)/python benchmarks/compression.py

bench-growth: $(BIN)/tox  ## Measure how cost grows, for five minutes, and renew the charts of the documentation.
	$(BIN)/python benchmarks/growth.py --into docs/growth

soak: $(BIN)/tox  ## Load the server for twenty minutes, and compare its numbers and its memory.
	$(BIN)/python benchmarks/growth.py --soak 20

clean:  ## Remove what building and testing left behind.
	rm -rf build dist *.egg-info .tox .coverage* htmlcov docs/_build .hypothesis .*_cache
	find txpusher twisted tests \( -name __pycache__ -o -name dropin.cache \) -prune -exec rm -rf {} +
