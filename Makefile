# Everything here works in a fresh clone: each target first makes what it needs.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

NPM ?= npm
CLEAN_NPM := $(NPM) --no-audit --no-fund --loglevel=error

proto_files := $(wildcard proto/forkbus/v1/*.proto)
keeper_files := $(wildcard server/native/keeper/*.c server/native/keeper/*.h) server/native/keeper/Makefile
fork_files := $(wildcard server/native/fork/*.c server/native/fork/*.h) server/native/fork/Makefile
zygote_addon_files := $(wildcard server/native/zygote-addon/*.c server/native/zygote-addon/*.cc server/native/zygote-addon/*.h) \
  server/native/zygote-addon/Makefile $(fork_files)
addon_files := $(wildcard server/native/addon/*.c server/native/addon/*.h) server/native/addon/Makefile
typescript_files := $(shell find packaging wire server client/typescript cli test bench examples -name '*.ts' 2>/dev/null)
zygote_python_files := $(shell find server/zygotes/python -name '*.py')
python_files := $(shell find client/python -name '*.py' -not -path '*/tests/*') client/python/pyproject.toml \
  client/python/README.md client/python/forkbus/py.typed LICENSE

.PHONY: help
help: ## Show this text
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

node_modules/.stamp: package.json package-lock.json .npmrc
	$(CLEAN_NPM) ci
	@touch $@

proto/gen/.stamp: $(proto_files) buf.gen.yaml node_modules/.stamp
	$(NPM) run --silent generate
	@touch $@

dist/native/forkbus-keeper: $(keeper_files)
	$(MAKE) --silent -C server/native/keeper all

dist/native/forkbus-fork.so: $(fork_files)
	$(MAKE) --silent -C server/native/fork all

dist/native/forkbus.node: $(addon_files) | node_modules/.stamp
	$(MAKE) --silent -C server/native/addon all

# For the Node that runs here. It needs headers that come with Node, not with us; without them Node processes are spawned.
dist/native/.zygote-addon-stamp: $(zygote_addon_files)
	$(MAKE) --silent -C server/native/zygote-addon try
	@touch $@

dist/.stamp: proto/gen/.stamp tsconfig.json $(typescript_files)
	$(NPM) run --silent build
	@chmod +x dist/cli/main.js
	@touch $@

# What the package brings besides what is compiled: all that `npm pack` needs is there after a build.
dist/.package-stamp: dist/.stamp dist/native/forkbus-keeper dist/native/forkbus.node dist/native/forkbus-fork.so \
  dist/native/.zygote-addon-stamp \
  $(zygote_python_files) package-lock.json licenses/*
	@node dist/packaging/prepare.js
	@touch $@

dist/python/venv/.stamp: client/python/requirements.txt
	@rm -rf dist/python/venv
	python3 -m venv dist/python/venv
	dist/python/venv/bin/pip install --quiet --disable-pip-version-check --retries 1 --timeout 15 -r $<
	@touch $@

dist/python/.stamp: dist/python/venv/.stamp $(python_files) $(proto_files) package.json
	dist/python/venv/bin/python client/python/build_wheel.py
	dist/python/venv/bin/pip install --quiet --disable-pip-version-check --no-index --no-deps --force-reinstall dist/python/forkbus-*.whl
	@touch $@

.PHONY: python
python: dist/python/.stamp ## Build the Python client's wheel, in a private environment

# Where there is no Python or no package index this says so in a file, and the demo and the tests say it in a line.
.PHONY: try-python
try-python:
	@MAKE=$(MAKE) client/python/prepare.sh

.PHONY: build
build: dist/.package-stamp ## Build the daemon, the keeper, the client and the CLI

# One addon for each version of Node that is supported.
dist/node-versions/.stamp: packaging/fetch-node-versions.sh $(zygote_addon_files)
	@packaging/fetch-node-versions.sh
	@for version in dist/node-versions/*/; do \
	  $(MAKE) --silent -C server/native/zygote-addon NODE_HEADERS=$(CURDIR)/$${version}include/node all || exit 1; done
	@touch $@

.PHONY: package
package: build dist/node-versions/.stamp ## Make dist/package/forkbus-VERSION.tgz, for npm install
	@node dist/packaging/prepare.js
	@mkdir -p dist/package
	@cd dist/package && rm -f forkbus-*.tgz && $(NPM) pack --silent ../..
	@for version in dist/node-versions/*/; do \
	  addon=forkbus-zygote-$$($${version}bin/node -p process.versions.modules).node; \
	  tar -tzf dist/package/forkbus-*.tgz | grep -q "/$$addon$$" || { echo "The package has no $$addon" >&2; exit 1; }; done

.PHONY: demo
demo: build try-python ## Show forkbus at its main job, on real processes
	@node dist/examples/demo.js

.PHONY: run
run: build ## Run the daemon in the foreground, on its default socket
	@node dist/cli/main.js serve

.PHONY: test
test: build try-python ## Run all tests; the last line says how many passed
	$(MAKE) --silent -C server/native/keeper asan fuzz
	@node dist/test/run.js

.PHONY: test-python-versions
test-python-versions: build ## Test the Python fork server with every CPython from 3.9 to 3.14 that is found
	@test/zygotes/python/run-versions.sh

.PHONY: test-node-versions
test-node-versions: build dist/node-versions/.stamp ## Test the fork server with each supported version of Node
	@for version in dist/node-versions/*/; do \
	  echo "== $$($${version}bin/node --version)"; \
	  FORKBUS_TEST_NODE=$(CURDIR)/$${version}bin/node node dist/test/run.js node-zygote || exit 1; done

.PHONY: test-cgroups
test-cgroups: build ## Test limits of trees with real controllers, in a virtual machine where there are none
	@node dist/test/run.js cgroups

.PHONY: test-polyglot
test-polyglot: build ## Build and run the examples in other languages
	@node dist/test/run.js polyglot

.PHONY: check
check: node_modules/.stamp proto/gen/.stamp ## Check protos, types, style, format and import directions
	$(NPM) run --silent lint:proto
	$(NPM) run --silent lint:types
	$(NPM) run --silent lint:code
	$(NPM) run --silent lint:format
	$(NPM) run --silent lint:imports

.PHONY: lint
lint: check ## The same as check

.PHONY: format
format: node_modules/.stamp ## Format all sources
	$(NPM) run --silent format

.PHONY: coverage
coverage: build ## Show which lines the unit tests reach
	$(NPM) run --silent coverage

# Options go into ARGS: make bench-start ARGS=--json
.PHONY: bench
bench: bench-start bench-queue bench-interference ## Run all benchmarks against their rivals (bench/README.md)

.PHONY: bench-start
bench-start: build ## Measure how long it takes to start a program
	@node dist/bench/start.js $(ARGS)

.PHONY: bench-queue
bench-queue: build ## Measure how fast items go through a queue
	@node dist/bench/queue.js $(ARGS)

.PHONY: bench-interference
bench-interference: build ## Measure what a busy queue does to the start of workers
	@node dist/bench/interference.js $(ARGS)

.PHONY: soak
soak: build ## Run the long forms of the tests (more than half an hour)
	$(MAKE) --silent -C server/native/keeper asan fuzz
	@FORKBUS_SOAK=1 node dist/test/run.js native node-zygote integration fuzz python-zygote

.PHONY: fuzz
fuzz: build ## Send 10 000 mutated requests to each method, and more of the like (minutes)
	@FORKBUS_SOAK=1 node dist/test/run.js fuzz

.PHONY: clean
clean: ## Remove everything that was made
	rm -rf dist proto/gen coverage node_modules THIRD_PARTY.md \
	  examples/polyglot/go/forkbus examples/polyglot/rust/Cargo.lock
