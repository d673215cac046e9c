.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
PROGRAM := $(BIN)/pypiserver-aws
# Or every process compiles what it imports.
unexport PYTHONDONTWRITEBYTECODE
NEEDED = $(PYTHON) tests/support/programs.py $@

.PHONY: help
help: ## Show this help
	@awk -F ':.*## ' '/^[a-z -]+:.*## / {printf "%s\n    %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: templates
templates: .venv/generator ## Write and validate templates/
	$(PROGRAM) templates

.PHONY: test
test: .venv/tests ## Run the fast tests, mypy and ruff, side by side
	@$(NEEDED)
	@$(MAKE) --no-print-directory --jobs lint types tests

.PHONY: lint types tests
lint:
	$(BIN)/ruff check
	$(BIN)/ruff format --check
types:
	$(BIN)/mypy
# More of them than cores, as tests of the server wait.
tests:
	$(BIN)/pytest --workers 6 -m "not slow"

.PHONY: test-slow
test-slow: .venv/tests .venv/ministack .venv/pages ## Run the slow tests, which wait more than they work
	@$(NEEDED)
	$(BIN)/pytest --workers 8 -m slow

.PHONY: spent
spent: .venv/tests ## Run the fast tests and write where their time goes into tests/README.md
	$(BIN)/pytest --workers 2 -m "not slow" -p spent

SECONDS ?= 600

.PHONY: fuzz
fuzz: .venv/tests ## Send the server what nobody foresaw, until it fails: make fuzz SECONDS=600 SEED=1
	@$(NEEDED)
	PYTHONPATH=.:tests/support $(BIN)/python -m tests.server.fuzz $(SECONDS) $(if $(SEED),--seed $(SEED))

.PHONY: clients
clients: .venv/tests ## Run every client that people have, of many ages, against the server; writes docs/clients.md's table; an hour
	$(BIN)/python -m tests.clients $(CURDIR)/.venv/clients $(CLIENTS)

.PHONY: corpus
corpus: .venv/tests ## Upload 300 files of the registry, of many kinds, and compare with what it says of them: make corpus KINDS='"build tags"'
	$(BIN)/python -m tests.corpus $(CURDIR)/.venv/corpus $(KINDS)

.PHONY: needed-audit needed-bench
needed-audit needed-bench:
	@$(PYTHON) tests/support/programs.py $(@:needed-%=%)

.PHONY: mutants
mutants: .venv/tests ## Plant defects and list those that no fast test notices: make mutants ARGS="generator/parts --sample 60 --seed 1"
	$(BIN)/python -m tests.mutants $(ARGS)

.PHONY: model
model: .venv/tests ## Compare two tasks with a model of an index, until they differ: make model SECONDS=600
	@$(NEEDED)
	MODEL_SECONDS=$(SECONDS) $(BIN)/pytest --workers 4 -o faulthandler_timeout=0 tests/server/model

.PHONY: audit
audit: needed-audit .venv/tests .venv/audit .venv/node ## Compare what security scanners report with docs/security.md
	PYTHONPATH=.:tests/support $(BIN)/python tests/audit/audit.py .venv/audit/bin/checkov .venv/node/node_modules

.PHONY: live
live: .venv/generator ## Deploy to AWS, use, update, delete; costs money: make live BUCKET=… PARAMETERS=parameters.json
	$(BIN)/python -m tests.live $(BUCKET) $(PARAMETERS)

.PHONY: local
local: .venv/generator ## Run the server on this machine, with TLS where nginx and openssl are installed: make local ARGS="--port 9000"
	$(PROGRAM) local $(ARGS)

.PHONY: publish deploy delete credentials status
publish deploy delete credentials status: .venv/generator ## A command of README's "Deploy": make deploy ARGS="--bucket B"
	$(PROGRAM) $@ $(ARGS)

.PHONY: release
release: .venv/generator ## Build the wheel, the sdist and an archive of the templates into dist/, with checksums; uploads nothing
	rm -rf dist
	$(BIN)/hatchling build -d dist
	$(BIN)/python -m zipfile -c dist/pypiserver-aws-templates-$$($(PROGRAM) --version).zip templates/
	cd dist && sha256sum * > SHA256SUMS && cat SHA256SUMS

.PHONY: bench
bench: needed-bench .venv/tests .venv/node .venv/original .venv/others ## Compare with an AWS CDK app, and the server with others; half an hour
	$(BIN)/python -m bench.templates .venv/node
	$(BIN)/python -m bench.costs --original .venv/original/bin/python --others .venv/others/bin/python
	$(BIN)/python -m bench.syncs --others .venv/others/bin/python
	$(BIN)/python -m bench.uploads --original .venv/original/bin/python
	$(BIN)/python -m bench.latency
	$(BIN)/python -m bench.server --original .venv/original/bin/python

.PHONY: bench-short
bench-short: .venv/tests ## Costs beside nginx, and latencies on a file system like NFS, at few files; two minutes
	@$(NEEDED)
	$(BIN)/python -m bench.costs --seconds 1
	$(BIN)/python -m bench.latency --seconds 5 --files 300 --wheel-mib 10

.PHONY: lock
lock: .venv/tests ## Pin the newest versions that pyproject.toml admits
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-header --no-annotate --no-strip-extras --no-emit-index-url --no-emit-find-links --group build pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-header --no-annotate --no-strip-extras --no-emit-index-url --no-emit-find-links --constraint requirements.txt --group build --group test pyproject.toml -o requirements-test.txt
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-header --no-annotate --no-strip-extras --no-emit-index-url --no-emit-find-links --group pyproject.toml:audit -o requirements-audit.txt

# Or pip would name a package that has no version for this Python.
.venv/generator: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("error: $(PYTHON) is older than 3.11: name a newer one, such as make $(MAKECMDGOALS) PYTHON=python3.13")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --require-hashes -r requirements.txt
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

.venv/tests: .venv/generator requirements-test.txt
	$(BIN)/pip install --quiet --require-hashes -r requirements-test.txt
	@touch $@

.venv/audit: requirements-audit.txt | .venv/generator
	$(PYTHON) -m venv $@
	$@/bin/pip install --quiet --require-hashes -r requirements-audit.txt
	@touch $@

# Exact versions: a newer cdk-nag has other rules.
.venv/node: | .venv/generator
	npm install --silent --no-fund --no-audit --prefix $@ aws-cdk-lib@2.276.0 constructs@10.8.1 cdk-nag@2.38.2 || { rm -rf $@; exit 1; }

# What looks at the pages. Without npm those tests fail, and say so.
.venv/pages: | .venv/generator
	-npm install --silent --no-fund --no-audit --prefix $@ axe-core@4.14.1 html-validate@10.1.2 || { rm -rf $@; exit 1; }

# Exact: tests/support/ministack_bridge.py mends what this version lacks.
.venv/ministack: | .venv/generator
	$(PYTHON) -m venv $@
	$@/bin/pip install --quiet "ministack==1.5.33" || { rm -rf $@; exit 1; }

.venv/original: .venv/generator
	$(PYTHON) -m venv $@
	$@/bin/pip install --quiet "pypiserver==2.4.1" "gunicorn==20.0.4" "gevent==24.11.1" "passlib==1.7.4" "bcrypt<4" "setuptools<81" "watchdog<7"

.venv/others: .venv/generator
	$(PYTHON) -m venv $@
	$@/bin/pip install --quiet "simple-repository-server==0.10.0" "pypiron==0.0.29"
