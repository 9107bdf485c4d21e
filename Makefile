# Two commands to know: `make demo` and `make test`. Each sets up what it needs in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Some tests wait most of their time: twice as many as there are cores keep those busy.
WORKERS ?= $(shell echo $$(( $$(getconf _NPROCESSORS_ONLN) * 2 )))
# A commit waits for the disk, which takes longer than the test itself where disks are slow. Tests
# have their databases in memory where 8 GB of it are free.
ROOM := $(shell [ -w /dev/shm ] && [ $$(df -Pk /dev/shm | awk 'NR == 2 {print $$4}') -gt 8000000 ] && echo /dev/shm)

# Tests run hundreds of commands; where no bytecode is kept, each of them compiles the package anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test quick clients check format bench bench-check endurance docs site dist vendor
.PHONY: pictures demo-call clean

demo: $(VENV)/.installed
	@$(BIN)/python -m eventstore.demo

test: $(VENV)/.test $(VENV)/.node .venv-voice/.installed
	$(if $(ROOM),TMPDIR=$(ROOM)) $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

# The inner loop: a tenth of the suite, on SQLite alone and with few examples, in less than a minute.
QUICK := tests/projection tests/segments tests/realtime/test_frames.py tests/realtime/test_catalogue.py \
  tests/realtime/resources tests/store/sessions/test_append.py tests/store/queries/test_query_responses.py \
  tests/store/queries/test_query_sessions.py tests/capture/files/test_import.py tests/replay/player \
  tests/cli/commands/ask/test_show_and_replay.py tests/web/api/test_api.py
quick: $(VENV)/.test
	EXAMPLES=5 $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -k "not postgresql" $(QUICK)

# Clients that people use, unmodified, through the relay, the replay server and cassettes. Their
# packages are large, and have environments of their own: none of them decides what ours is.
clients: $(VENV)/.test $(VENV)/.node .venv-voice/.installed .venv-clients/.installed \
    .venv-litellm/.installed $(VENV)/.livekit
	CI= $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal tests/clients

check: $(VENV)/.test $(VENV)/.check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(VENV)/.check
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# All benchmarks, at full size: half an hour or more. One: make bench ARGS="append --quick"
# `--keep` keeps the figures for docs/benchmarks.md.
bench: $(VENV)/.test $(VENV)/.bench
	$(BIN)/python -m benchmarks $(ARGS)

# A few ratios in two minutes, beside those in benchmarks/kept.json: whether something became much slower.
bench-check: $(VENV)/.test $(VENV)/.bench
	$(BIN)/python -m benchmarks.check $(ARGS)

# What takes long and is to be seen before a release: S3, 200 kills, an outage, failovers, a day of calls, and
# hostile streams against every route, page, export, verb and command for FUZZ minutes.
FUZZ ?= 120
endurance: $(VENV)/.test $(VENV)/.bench
	$(BIN)/python -m pip install -q --group s3
	$(BIN)/python -m pytest -q tests/archive/move/test_offload.py
	KILLS=200 FLIPS=10000 $(BIN)/python -m pytest -n $(WORKERS) tests/segments/test_segment.py \
	  tests/capture/recorder/test_recorder_killed.py tests/archive/test_seal.py \
	  tests/archive/move/test_copy_killed.py tests/archive/erase/test_erase_killed.py \
	  tests/feed/test_feed_killed.py tests/store/consumers/test_workers.py tests/web/api/test_feed_killed.py
	KILLS=200 $(BIN)/python -m pytest tests/store/maintenance/test_nodes_killed.py \
	  tests/store/maintenance/test_relay_nodes_killed.py
	FAILOVERS=20 $(BIN)/python -m pytest tests/capture/relay/test_failover.py
	EXAMPLES=1000 $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal tests/capture \
	  tests/projection tests/realtime tests/segments tests/store
	$(BIN)/python -m benchmarks relay outage soak
	PYTHONPATH=tests $(BIN)/python -m fuzz --minutes $(FUZZ)

# Writes the verbs of AsyncEventStore into eventstore/aio/verbs/, the commands' help into docs/commands.md, the
# docstrings into docs/python.md, and the figures that are kept into the tables of docs/benchmarks.md.
docs: $(VENV)/.test
	$(BIN)/python -m tools.async_verbs
	$(BIN)/python -m tools.command_reference docs/commands.md
	$(BIN)/python -m tools.python_reference docs/python.md
	$(BIN)/python -m benchmarks.page

# Builds the site of the docs into build/site/, without the network; any warning fails. Open build/site/index.html.
site: $(VENV)/.site
	$(BIN)/python -m tools.docs_site build/site

# Builds what a release uploads into dist/, and checks it (docs/release.md).
dist: $(VENV)/.release
	rm -rf dist
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(BIN)/python -m build --no-isolation
	$(BIN)/python -m twine check --strict dist/*

# Takes the pages' libraries anew from their registry, in the versions that vendor.json names.
vendor: $(VENV)/bin/python
	$(BIN)/python -m tools.vendor

# Makes the pictures of README.md and docs/ anew.
pictures: $(VENV)/.test
	$(BIN)/python -m tools.pictures docs/images
	$(BIN)/python -m tools.page_pictures docs/images

# Makes the sample calls anew (speech synthesis; the results are in the repository).
demo-call: $(VENV)/.installed
	$(BIN)/python -m pip install -q --group demo-call
	$(BIN)/python -m tools.sample_call.make_call
	$(BIN)/python -m tools.sample_call.live.make_call

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -U pip

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	@echo "Installing into $(VENV) …"
	@$(BIN)/python -m pip install -q -e .
	@touch $@

$(VENV)/.test: $(VENV)/.installed
	@$(BIN)/python -m pip install -q --group test
	@touch $@

# The Node clients that the replay server is tested with; their tests skip where there is no npm.
$(VENV)/.node: tests/node/package.json | $(VENV)/bin/python
	@if command -v npm > /dev/null; then cd tests/node && npm install --silent --no-package-lock \
	  --no-audit --no-fund || echo "npm failed: the tests with Node's clients are skipped"; fi
	@touch $@

# uv takes a sixth of pip's time, but knows nothing of a registry that only pip's configuration names.
.venv-voice/.installed .venv-clients/.installed .venv-litellm/.installed: .venv-%/.installed: \
    pyproject.toml | $(VENV)/bin/python
	@$(BIN)/python -m pip install -q uv
	@$(PYTHON) -m venv --without-pip .venv-$*
	@$(BIN)/uv pip install -q --compile-bytecode --python .venv-$*/bin/python --group $* || \
	  $(BIN)/python -m pip --python .venv-$*/bin/python install -q --group $*
	@test $* != clients || $(BIN)/python -m pip --python .venv-$*/bin/python install -q pytest -e '.[tls]'
	@touch $@

$(VENV)/.livekit: tests/clients/node/package.json | $(VENV)/bin/python
	@if command -v npm > /dev/null; then cd tests/clients/node && npm install --silent --no-package-lock \
	  --no-audit --no-fund || echo "npm failed: the tests with Node's clients are skipped"; fi
	@touch $@

$(VENV)/.check: $(VENV)/.installed
	@$(BIN)/python -m pip install -q --group check
	@touch $@

$(VENV)/.site $(VENV)/.release: $(VENV)/.%: $(VENV)/.installed
	@$(BIN)/python -m pip install -q --group $*
	@touch $@

$(VENV)/.bench: $(VENV)/.installed
	@$(BIN)/python -m pip install -q --group bench
	@touch $@

clean:
	rm -rf $(VENV) build dist .venv-voice .venv-clients .venv-litellm tests/node/node_modules tests/clients/node/node_modules .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis
