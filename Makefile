# Every target makes the environment that it needs: nothing has to be set up before, and an environment that was
# left half-made, was moved or belongs to other requirements is made again. `make help` lists the targets.

PYTHON ?= python3

VENV := .venv
BIN := $(VENV)/bin

# An environment is ready when it holds a stamp named after the content of all that went into it: the requirement
# files, the version of Python and the place of the checkout (the scripts of an environment name their interpreter by
# its full path). The stamp is laid last, and taken away while more is installed: after an interruption there is none.
python_version := $(shell { $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])'; } 2>/dev/null)
stamp = .stamp-$(1)-$(shell { pwd; echo $(python_version); cat $(2); } | cksum | cut -d ' ' -f 1)

BUILD := requirements/build.txt
RUN := requirements/run.txt
TEST := requirements/test.txt
SEED := requirements/seed.txt
PIN := requirements/pin.txt
RUN_READY := $(VENV)/$(call stamp,run,$(BUILD) $(RUN))
PROJECT_READY := $(VENV)/$(call stamp,project,$(BUILD) $(RUN) pyproject.toml)
TEST_READY := $(VENV)/$(call stamp,test,$(BUILD) $(RUN) $(TEST))
SEED_READY := .venv-seed/$(call stamp,seed,$(BUILD) $(RUN) $(SEED) pyproject.toml)
PIN_READY := .venv-pin/$(call stamp,pin,$(PIN))

# Only wheels whose hash is pinned: building a source package would fetch a build system that no hash covers.
install := -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all:
install_project := -m pip install --quiet --disable-pip-version-check --no-index --no-deps --no-build-isolation --editable .

# $(call make_venv,folder): an empty environment, or one clear message.
define make_venv
@command -v $(PYTHON) >/dev/null || { echo 'Skybroker needs Python 3.11 or newer: "$(PYTHON)" is not there. Name another: make PYTHON=python3.12 ...' >&2; exit 1; }
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Skybroker needs Python 3.11 or newer: $(PYTHON) is $$($(PYTHON) -V 2>&1). Name another: make PYTHON=python3.12 ..." >&2; exit 1; }
@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo 'Skybroker needs the venv module of $(PYTHON). On Debian and Ubuntu: apt install python3-venv' >&2; exit 1; }
@echo 'Making $(1) from the pinned requirements ...' >&2
@$(PYTHON) -m venv --clear $(1)
endef

.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: plan test lint format seed docs bench requirements clean help

plan: $(PROJECT_READY) ## print the plan for examples/finetune.yaml
	@$(BIN)/skybroker plan examples/finetune.yaml

test: lint ## run everything that CI runs
	@tests/debian-packages
	$(BIN)/python -m pytest --cov

lint: $(PROJECT_READY) $(TEST_READY) ## check style, types and import contracts
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: $(TEST_READY) ## mend style where a tool can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

seed: $(SEED_READY) ## build the embedded catalog, catalog_data/seed
	.venv-seed/bin/python -m catalog_fetchers.seed

docs: $(PROJECT_READY) ## write what of docs/ is made from the program
	$(BIN)/python docs/make_reference.py

bench: $(PROJECT_READY) ## measure against the peers, as ratios
	$(BIN)/python -m benchmarks

# The interpreter and the platform do not matter: one resolution holds for all of them.
compile := .venv-pin/bin/uv pip compile --quiet --no-config --upgrade --universal --python-version 3.11 \
	--fork-strategy fewest --generate-hashes --no-strip-extras --no-build --custom-compile-command 'make requirements'

requirements: $(PIN_READY) ## pin the newest releases that pyproject.toml allows
	$(compile) pyproject.toml -o $(RUN) >/dev/null
	$(compile) pyproject.toml --group test -c $(RUN) -o $(TEST) >/dev/null
	$(compile) --group build -o $(BUILD) >/dev/null
	$(compile) --group pin -o $(PIN) >/dev/null
	$(compile) --group seed --no-deps -o $(SEED) >/dev/null

clean: ## remove the environments and all that was built
	rm -rf .venv .venv-seed .venv-pin build *.egg-info .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1	\2/p' Makefile

$(RUN_READY):
	$(call make_venv,$(VENV))
	@$(BIN)/python $(install) -r $(BUILD) -r $(RUN)
	@touch $@

$(PROJECT_READY): $(RUN_READY)
	@$(BIN)/python $(install_project)
	@$(BIN)/python -m compileall -q catalog_data catalog_fetchers cli engine executor
	@rm -f $(VENV)/.stamp-project-*
	@touch $@

$(TEST_READY): $(RUN_READY)
	@echo 'Adding the pinned test requirements ...' >&2
	@mv $(RUN_READY) $(VENV)/unfinished
	@$(BIN)/python $(install) -r $(TEST)
	@mv $(VENV)/unfinished $(RUN_READY)
	@rm -f $(VENV)/.stamp-test-*
	@touch $@

$(SEED_READY):
	$(call make_venv,.venv-seed)
	@.venv-seed/bin/python $(install) -r $(BUILD) -r $(RUN)
	@.venv-seed/bin/python $(install) --no-deps -r $(SEED)
	@.venv-seed/bin/python $(install_project)
	@touch $@

$(PIN_READY):
	$(call make_venv,.venv-pin)
	@.venv-pin/bin/python $(install) -r $(PIN)
	@touch $@
