# Thin over the `fakeface` command; `make help` lists the targets.
PYTHON ?= python3
PROFILE ?= demo
SEEDS ?= 1
BIN = .venv/bin
STAMP = .venv/installed
.DEFAULT_GOAL := help

.PHONY: help report ablations test test-slow lab

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' Makefile | sed 's/:.*## /\t/' | expand -t 14

report: $(STAMP)  ## run the study: PROFILE=demo|paper DATA=demo|kaggle|PATH RUN=name SEEDS=n SET='epochs=2' FORCE=1 SCHEDULER=address
	@$(BIN)/fakeface report --profile '$(PROFILE)' --data '$(DATA)' --run '$(RUN)' --seeds '$(SEEDS)' --set '$(SET)' --scheduler '$(SCHEDULER)' $(if $(FORCE),--force)

ablations: SEEDS = 2
ablations: $(STAMP)  ## how far each open question moves validation accuracy: as report; SEEDS=2 where not given
	@$(BIN)/fakeface ablations --profile '$(PROFILE)' --data '$(DATA)' --run '$(RUN)' --seeds '$(SEEDS)' --set '$(SET)' --scheduler '$(SCHEDULER)' $(if $(FORCE),--force)

test: $(STAMP)  ## run every test but the slow ones, ruff and mypy
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/pytest -m 'not slow' -n 2 --dist loadfile

test-slow: $(STAMP)  ## tests that take minutes or the network
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation -e '.[cluster,jax]'
	@$(BIN)/pytest -m slow

lab: $(STAMP)  ## open JupyterLab on the notebooks
	@$(BIN)/jupyter lab notebooks

# Where the NVIDIA driver answers, TensorFlow's CUDA libraries are added.
$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else "Python 3.11 to 3.13 is needed and this is %d.%d: name another, as make report PYTHON=python3.12" % v)'
	@echo "setting up .venv (a few minutes, once)"
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@if nvidia-smi > /dev/null 2>&1; then $(BIN)/pip install --quiet --disable-pip-version-check -e '.[gpu]'; fi
	@touch $@
