# Needs Python 3.11, 3.12 or 3.13 and make; everything else is installed into .venv.
#   make figures             draw the shipped runs of the study, in minutes; if no run ships, the same as make demo
#   make verify              compare shipped runs with their checksums, and repeat a sample, in five minutes at most
#   make demo                train and draw the demo, in 20 minutes at most on two cores
#   make figures SCALE=lab   train the missing runs of a scale in workflow/config, and draw it
# In your own environment (conda, a container), set VENV= to use the commands on PATH.

# Without a scale, `figures` and `verify` use the shipped runs.
GIVEN := $(if $(SCALE),workflow/config/$(SCALE).yaml)
SCALE ?= demo
CORES ?= all
VENV ?= .venv
BASELINE ?= tests/benchmarks/baseline.json
PEERS ?= tests/peers

SCALES := $(sort $(basename $(notdir $(filter-out %figures.yaml,$(wildcard workflow/config/*.yaml)))))
CONFIG := workflow/config/$(SCALE).yaml
READY := $(if $(VENV),$(VENV)/.ready)
export PATH := $(if $(VENV),$(abspath $(VENV))/bin:)$(PATH)
# An editable install names the clone's path in UTF-8, and must find it in every locale.
export PYTHONUTF8 := 1
# Pauses a campaign on this machine until the command ends.
PAUSING := python workflow/campaign/pausing.py
# All versions train the same numbers; `make venv PYTHON=python3.13` chooses one.
VERSIONS := 3.11 3.12 3.13
PYTHONS := $(or $(PYTHON),$(VERSIONS:%=python%) python3 python)
FIND_PYTHON = for python in $(PYTHONS); do \
  "$$python" -c 'import sys; sys.exit("%d.%d" % sys.version_info[:2] not in "$(VERSIONS)".split())' 2>/dev/null && \
  echo "$$python" && break; done

.DEFAULT_GOAL := help
.PHONY: help venv figures demo test test-long test-sample test-peers test-system bench bench-cells baseline lint docs format watch verify redraw track constraints clean-figures clean-results clean-venv

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 24
	@echo; echo "  SCALE=$(SCALE) (of: $(SCALES))"

# Fail early and list the known scales if the scale file does not exist.
workflow/config/%.yaml:
	@echo "error: there is no scale '$*'; known: $(SCALES)" >&2; exit 2

venv: $(READY) ## install everything into .venv

$(VENV)/.ready: pyproject.toml constraints.txt
	@python=$$($(FIND_PYTHON)); \
	if [ -z "$$python" ]; then \
	  echo "error: no Python of version $(VERSIONS) was found (tried $(PYTHONS))" >&2; exit 2; fi; \
	"$$python" -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,docs,slurm]'
	@touch $@

figures: $(READY) $(CONFIG) ## train the missing runs of SCALE and draw it; without SCALE, draw the shipped runs
	snakemake --keep-going --cores $(CORES) $(addprefix --configfile ,$(GIVEN)) -- figures

demo: ## train the demo and draw its figures
	@$(MAKE) --no-print-directory figures SCALE=demo

watch: $(READY) $(CONFIG) ## show the progress of the runs of SCALE, from another terminal
	roma watch $(CONFIG)

verify: $(READY) $(CONFIG) ## compare shipped runs of SCALE (default: study) with their checksums, and repeat a sample; SEED and RUNS choose it
	roma verify $(GIVEN) $(addprefix --seed ,$(SEED)) $(if $(RUNS),--runs $(RUNS))

# Compiled once and by all cores, rather than by each test process for itself.
test: $(READY) ## run the tests
	$(PAUSING) roma compile
	$(PAUSING) pytest --numprocesses=auto --maxprocesses=8 --dist=worksteal

test-long: $(READY) test-peers ## run the tests that take many minutes: killed campaigns, workflows and runs, variants of all algorithms, array bounds and branches of the engine, 10 000 episodes per map, PEERS
	pytest --numprocesses=auto --maxprocesses=8 --dist=worksteal tests/long
	pytest --numprocesses=auto --maxprocesses=8 --dist=worksteal tests/envs/test_kernel.py \
	  -k test_random_play_ends_well --random-episodes=10000
	pytest tests/envs/test_starcraft2.py -k test_killing_workers --game-kills=100

test-sample: $(READY) ## run a fixed small part of test-long, in two minutes
	pytest --numprocesses=auto --maxprocesses=8 --dist=worksteal --walk-every=37 --kills=8 \
	  $(addprefix tests/long/,test_walk.py test_kills.py test_fingerprints.py test_stopped_workflows.py)

# A folder beside the environment, so that only these tests import the peers, and only the project's torch is used.
.peers/.ready: tests/peers/requirements.txt | $(READY)
	rm -rf .peers
	python -m pip install --quiet --disable-pip-version-check --no-deps --target .peers -r $<
	@touch $@

test-peers: .peers/.ready ## run the tests with TorchRL, BenchMARL and SuperSuit; PEERS chooses some of them
	PYTHONPATH=.peers$(PYTHONPATH:%=:%) pytest $(PEERS)

test-system: $(READY) ## run the tests that need Debian packages, which are installed first if they are missing
	sh tests/system/packages.sh
	pytest tests/system

bench: $(READY) ## measure speeds and compare them with BASELINE
	$(PAUSING) pytest tests/benchmarks $(addprefix --benchmark-compare=,$(wildcard $(BASELINE)))

bench-cells: $(READY) ## measure environment steps per second of processor time for CELLS; default: the paper's, under both protocols
	$(PAUSING) python -m tests.benchmarks.cells $(CELLS)

baseline: $(READY) ## measure speeds and save them as BASELINE; needs a machine without other work
	$(PAUSING) pytest tests/benchmarks --benchmark-json=$(BASELINE)

lint: $(READY) ## check style and types
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow/rules
	snakemake --lint --configfile $(CONFIG)
	mypy

docs: $(READY) ## build the documentation site in site/, from docs/ and docstrings
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict

format: $(READY) ## format the code
	ruff check --fix-only .
	ruff format .
	snakefmt Snakefile workflow/rules

redraw: $(READY) $(CONFIG) ## draw figures and report of SCALE from its tracked summary, without training
	roma redraw $(CONFIG)

track: $(READY) $(CONFIG) ## commit the finished results of SCALE to DVC and git
	roma track $(CONFIG)

constraints: $(READY) ## update the locked versions, for all platforms; needs uv and git
	@env -u UV_FIND_LINKS -u PIP_FIND_LINKS uv pip compile --quiet --universal --upgrade --python-version 3.11 \
	  --all-extras --no-annotate --no-header pyproject.toml > constraints.new
	@{ sed -n '/^#/p' constraints.txt; sed '/ @ /d' constraints.new; } > constraints.both
	@rm constraints.new; mv constraints.both constraints.txt

clean-figures: ## remove the figures of SCALE
	rm -rf figures/*/$(SCALE)

clean-results: clean-figures ## remove all results of SCALE, including trained runs
	rm -rf data/*/$(SCALE)

clean-venv: ## remove .venv and the peers' packages
	rm -rf .venv .peers
