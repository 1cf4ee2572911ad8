# Needs Python 3.11, 3.12 or 3.13 and make; everything else is installed into .venv.
#   make figures             draw the runs of the study that ship, minutes; before any does, the same as make demo
#   make verify              compare them with their checksums, train and play a sample again, five minutes at most
#   make demo                train and draw the demo, a quarter of an hour on two cores
#   make figures SCALE=lab   train and draw what is missing of a scale of workflow/config
# In an environment of your own (conda, a container) say VENV= and the commands found on PATH are used.

# Without a scale, `figures` and `verify` take what ships.
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
# Pauses a campaign that runs on this machine, for as long as the command takes.
PAUSING := python workflow/pausing.py
# Any of these versions trains the same numbers; `make venv PYTHON=python3.13` takes that one.
VERSIONS := 3.11 3.12 3.13
PYTHONS := $(or $(PYTHON),$(VERSIONS:%=python%) python3 python)
FIND_PYTHON = for python in $(PYTHONS); do \
  "$$python" -c 'import sys; sys.exit("%d.%d" % sys.version_info[:2] not in "$(VERSIONS)".split())' 2>/dev/null && \
  echo "$$python" && break; done

.DEFAULT_GOAL := help
.PHONY: help venv figures demo test test-long test-peers test-system bench bench-cells baseline lint docs format watch verify redraw track constraints clean-figures clean-results clean-venv

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 24
	@echo; echo "  SCALE=$(SCALE) (of: $(SCALES))"

# Made by nobody: that a scale file is missing shall be said before any work, and which there are.
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

figures: $(READY) $(CONFIG) ## draw figures and report: of SCALE, trained as far as it is missing, or else of what ships
	snakemake --keep-going --cores $(CORES) $(addprefix --configfile ,$(GIVEN)) -- figures

demo: ## train the demo and draw its figures
	@$(MAKE) --no-print-directory figures SCALE=demo

watch: $(READY) $(CONFIG) ## see how far the runs of SCALE are, from another terminal
	roma watch $(CONFIG)

verify: $(READY) $(CONFIG) ## compare shipped runs with their checksums, train and play a sample again, drawn by SEED and RUNS: of SCALE, or else of the study
	roma verify $(GIVEN) $(addprefix --seed ,$(SEED)) $(if $(RUNS),--runs $(RUNS))

test: $(READY) ## run the tests
	$(PAUSING) pytest --numprocesses=auto --maxprocesses=8 --dist=worksteal

test-long: $(READY) test-peers ## run the tests that take many minutes: killed campaigns, the engine with bounds checked, its branches, 10 000 episodes a map, PEERS
	pytest --numprocesses=auto --maxprocesses=8 --dist=worksteal tests/long
	pytest --numprocesses=auto --maxprocesses=8 --dist=worksteal tests/envs/test_kernel.py \
	  -k test_random_play_ends_well --random-episodes=10000

# A folder beside the environment, so that nobody else imports the peers and no torch but the project's can come.
.peers/.ready: tests/peers/requirements.txt | $(READY)
	rm -rf .peers
	python -m pip install --quiet --disable-pip-version-check --no-deps --target .peers -r $<
	@touch $@

test-peers: .peers/.ready ## run the tests of PEERS, by default all in which other people's libraries use ours: TorchRL, BenchMARL, SuperSuit
	PYTHONPATH=.peers$(PYTHONPATH:%=:%) pytest $(PEERS)

test-system: $(READY) ## run the tests that need Debian packages, which are installed first if they are missing
	sh tests/system/packages.sh
	pytest tests/system

bench: $(READY) ## measure speeds, beside those of BASELINE
	$(PAUSING) pytest tests/benchmarks $(addprefix --benchmark-compare=,$(wildcard $(BASELINE)))

bench-cells: $(READY) ## measure environment steps per second of processor time of CELLS, by default the paper's under both protocols
	$(PAUSING) python -m tests.benchmarks.cells $(CELLS)

baseline: $(READY) ## measure speeds and keep them as BASELINE; on a machine that does nothing else
	$(PAUSING) pytest tests/benchmarks --benchmark-json=$(BASELINE)

lint: $(READY) ## check style and types
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow/rules
	snakemake --lint --configfile $(CONFIG)
	mypy

docs: $(READY) ## build the documentation site in site/, from docs/ and docstrings
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict

format: $(READY) ## put code into style
	ruff check --fix-only .
	ruff format .
	snakefmt Snakefile workflow/rules

redraw: $(READY) $(CONFIG) ## pull the summary of SCALE, draw its figures and write its report again, without any training
	roma redraw $(CONFIG)

track: $(READY) $(CONFIG) ## commit the finished results of SCALE to DVC and git
	roma track $(CONFIG)

constraints: $(READY) ## choose versions anew, for all platforms; needs uv and git
	@env -u UV_FIND_LINKS -u PIP_FIND_LINKS uv pip compile --quiet --universal --upgrade --python-version 3.11 \
	  --all-extras --no-annotate --no-header pyproject.toml > constraints.new
	@{ sed -n '/^#/p' constraints.txt; sed '/ @ /d' constraints.new; } > constraints.both
	@rm constraints.new; mv constraints.both constraints.txt

clean-figures: ## remove the figures of SCALE
	rm -rf figures/*/$(SCALE)

clean-results: clean-figures ## remove all results of SCALE, trained runs included
	rm -rf data/*/$(SCALE)

clean-venv: ## remove .venv and the peers' packages
	rm -rf .venv .peers
