# Everything a person needs to type. `make demo` and `make test` work on a fresh Debian or Raspberry Pi OS machine.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
FOR ?= 0
SEED ?= 1
KILLS ?= 1000
LAB ?= ../shared/lab
CUTS ?= 500

.PHONY: help demo test check format bench-eye bench-pass bench-fever bench-lane bench-sync bench-fleet test-lab powercut torture install uninstall picture lock clean

help:            ## this list
	@sed -n 's/^\([a-z-]*\): .*## /  make \1	/p' $(MAKEFILE_LIST)

# --- a virtual environment with the locked dependencies; built once, afterwards no network is needed ---

$(VENV)/.ready: requirements/dev.lock pyproject.toml
	sh .ci/packages.sh demo
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/dev.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

demo: $(VENV)/.ready  ## the whole gate in one terminal, with FOR=40 for forty seconds
	@sh .ci/packages.sh demo
	$(BIN)/python -m tests.demo --for $(FOR)

test: $(VENV)/.ready check  ## every test, with real servers and a real browser
	@sh .ci/packages.sh test
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: $(VENV)/.ready  ## lint, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.ready  ## what the formatter can do by itself
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

picture: $(VENV)/.ready  ## docs/guard-screen.png, taken from a running demo
	@sh .ci/packages.sh test
	$(BIN)/python -m tests.demo.picture docs/guard-screen.png

bench-eye: $(VENV)/.ready  ## our reader against its peers, with SEED=n; writes docs/eye
	$(BIN)/python -m tests.eye.bench --seed $(SEED)

bench-pass: $(VENV)/.ready  ## passes against their bars and their peers, with SEED=n; writes docs/passes
	$(BIN)/python -m tests.passes.bench --seed $(SEED)

bench-lane: $(VENV)/.ready  ## a million simulated passages, and how long a verified pass waits for the relay
	$(BIN)/python -m tests.lane.bench

bench-fever: $(VENV)/.ready  ## the temperature screening against a single reading, with SEED=n; writes docs/fever
	$(BIN)/python -m tests.fever.bench --seed $(SEED)

bench-sync: $(VENV)/.ready  ## central's collector against its peers, with SEED=n (needs node and npm); writes docs/sync
	@sh .ci/packages.sh test
	$(BIN)/python -m tests.sync_bench.bench --seed $(SEED)

bench-fleet: $(VENV)/.ready  ## thousands of simulated stations, a broker that dies, a dead collector, with SEED=n; writes docs/sync
	@sh .ci/packages.sh test
	$(BIN)/python -m tests.fleet.bench --seed $(SEED)

test-lab: $(VENV)/.ready  ## the installed station on a real kernel, in the hardware lab in LAB=../shared/lab
	LAB=$(LAB) $(BIN)/python -m pytest tests/lab

powercut: $(VENV)/.ready  ## CUTS=500 power cuts of the journal under traffic, with SEED=n, in the hardware lab
	LAB=$(LAB) $(BIN)/python -m tests.powercut.bench --cuts $(CUTS) --seed $(SEED)

torture: $(VENV)/.ready  ## a thousand kills of everything, with KILLS=n SEED=n; writes docs/sync/torture.md
	@sh .ci/packages.sh test
	$(BIN)/python -m tests.torture --kills $(KILLS) --seed $(SEED) --write docs/sync/torture.md
	$(BIN)/python -m tests.torture --kills 100 --seed $(SEED) --ack-at puback

install:         ## install the station on this machine (as root): docs/how-to/install.md
	sh systemd/install.sh

uninstall:       ## take it off again; state and configuration stay
	sh systemd/uninstall.sh

lock: $(VENV)/.ready  ## resolve the dependencies anew, with hashes and without index addresses (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  --extra dev pyproject.toml -o requirements/dev.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  -c requirements/dev.lock pyproject.toml -o requirements/run.lock

clean:           ## the virtual environment and caches
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
