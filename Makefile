# Thin over the `fakeface` command; `make help` lists the targets.
SHELL := bash
PYTHON ?= python3
BIN = .venv/bin
STAMP = .venv/installed
TOOLS = .venv/tools
# Passed through the environment, so that spaces, quotes and semicolons arrive unchanged.
VALUES = PROFILE DATA RUN SEEDS SET ONLY OTHER SEED ANSWERS ARGS TO WHEELS
$(foreach name,$(VALUES),$(eval override $(name) := $$(value $(name))))  # a $ in one is a $
export $(VALUES)
unexport PYTHONDONTWRITEBYTECODE  # the set-up compiles nothing: what is imported compiles once, by itself
STUDY = --profile "$$PROFILE" --data "$$DATA" --run "$$RUN" --seeds "$$SEEDS" --set "$$SET"
PIP = PYTHONUNBUFFERED=1 $(BIN)/pip --disable-pip-version-check install --no-compile
# uv, where it is installed, does the same in less time; `make report UV=` takes pip all the same.
UV ?= $(shell command -v uv)
INSTALL = $(if $(UV),$(UV) pip install --python $(BIN)/python,$(PIP)) --no-deps --require-hashes
# With WHEELS=FOLDER, left by `make wheelhouse`, the set-up needs no network.
OFFLINE = $(if $(WHEELS),--no-index --find-links "$$WHEELS")
.DEFAULT_GOAL := help

.PHONY: help report beyond quiz photo lab site doors wheelhouse test test-slow bench

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' Makefile | sed 's/:.*## /\t/' | expand -t 14

report: $(STAMP)  ## run the study: PROFILE=demo, laptop or paper; RUN=name SEEDS=5 DATA=PATH SET='epochs=2'
	@$(BIN)/fakeface report $(STUDY)

beyond: $(STAMP)  ## measure what the paper doesn't: ONLY='robustness insight' OTHER=FOLDER, and as report
	@$(BIN)/fakeface beyond --only "$$ONLY" --other "$$OTHER" $(STUDY)

quiz: $(STAMP)  ## a page that asks people, real or fake? RUN=name; ANSWERS=FOLDER adds up what they saved
	@$(BIN)/fakeface quiz --run "$${RUN:-demo}" --seed "$${SEED:-0}" $(if $(ANSWERS),--answers "$$ANSWERS")

photo: $(STAMP)  ## a page to try a picture of your own, which stays on your device: RUN=name
	@$(BIN)/fakeface photo --run "$${RUN:-demo}"

lab: $(STAMP)  ## open JupyterLab on your own copies of notebooks and exercises, in work/
	@case "$$(id -u) $$ARGS" in "0 "*--allow-root*) ;; "0 "*) \
	  echo "JupyterLab does not start as root: run make lab ARGS=--allow-root"; exit 1;; esac
	@$(BIN)/python -m ipykernel install --sys-prefix --name fakeface --display-name "Real and fake faces" > /dev/null
	@mkdir -p work/beyond; for original in notebooks/*.ipynb classroom/exercises/*.ipynb beyond/*/notebook.ipynb; do [ -e $$original ] || continue; \
	  case $$original in beyond/*) copy=work/$${original%/*}.ipynb;; *) copy=work/$${original##*/};; esac; \
	  if [ ! -e $$copy ]; then cp $$original $$copy; \
	  elif [ $$original -nt $$copy ]; then echo "$$original is newer than $$copy: delete that for a fresh copy"; fi; done
	@PATH="$$PWD/$(BIN):$$PATH" $(BIN)/jupyter lab --LanguageServerManager.autodetect=False --ServerApp.root_dir=. \
	  --LabApp.default_url=/lab/tree/work $$ARGS

site: $(STAMP)  ## a finished run on drawn images, the notebooks and the pages as a website, in site/
	@$(BIN)/python -m docs.site "$${RUN:-demo}"

doors: $(STAMP)  ## links to Colab at the top of each notebook, once the repository has an address
	@$(BIN)/python -m docs.doors

wheelhouse: $(STAMP)  ## fill TO=FOLDER for machines without a network; there: make report WHEELS=FOLDER
	@test -n "$$TO" || { echo "name the folder: make wheelhouse TO=FOLDER"; exit 1; }
	@mkdir -p "$$TO"
	@$(BIN)/pip --disable-pip-version-check download --quiet --no-deps --require-hashes -r requirements.lock -d "$$TO"
	@$(BIN)/python -c 'from fakeface_utils.networks.weights import imagenet_weights as fetch; fetch()'
	@cp "$${FAKEFACE_CACHE:-.cache}/vgg16_imagenet.npz" "$$TO"
	@git archive --prefix=fakeface/ --output "$$TO/fakeface.zip" HEAD
	@du -sh "$$TO"

test: $(TOOLS)  ## check style and types, and run every test but the slow ones
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/pytest -m 'not slow' -n 2 --dist loadfile --no-loadscope-reorder -rs

test-slow: $(TOOLS)  ## run the tests that take minutes or need the network
	@$(PIP) --quiet --no-build-isolation -e '.[cluster,jax,export]' onnxruntime
	@$(BIN)/pytest -m slow -rs

bench: $(STAMP)  ## measure this machine; GPU=1 measures the paper's profile on a GPU
	@$(BIN)/python -m benchmarks $(if $(GPU),--gpu)

# Where the NVIDIA driver answers, TensorFlow's CUDA libraries are added.
$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else "Python 3.11 to 3.13 is needed and this is %d.%d: name another, as make report PYTHON=python3.12" % v)'
	@echo "setting up .venv, once: about a minute, 2 GB of disk"
	@$(PYTHON) -m venv --clear .venv
	@if [ "$(UV)" ]; then $(INSTALL) $(OFFLINE) -r requirements.lock; else set -o pipefail; total=$$(grep -c '^[a-z].*==' requirements.lock); \
	  $(INSTALL) $(OFFLINE) --progress-bar off -r requirements.lock | awk -v total=$$total \
	  '/^(Collecting|Processing)/ {sub(/ \(from.*/, ""); sub(".*[ /]", ""); printf "%sfetching %d of %d: %s", (++n > 1 ? "\r\033[K" : ""), n, total, $$0; fflush()} \
	  /^Installing/ {printf "\r\033[Kinstalling what was fetched\n"; fflush()}'; fi
	@$(PIP) --quiet --no-deps --no-build-isolation -e .
	@if [ -n "$$WHEELS" ]; then mkdir -p "$${FAKEFACE_CACHE:-.cache}" && cp "$$WHEELS/vgg16_imagenet.npz" "$${FAKEFACE_CACHE:-.cache}"; \
	elif nvidia-smi > /dev/null 2>&1; then echo "an NVIDIA driver answers: fetching TensorFlow's CUDA libraries"; \
	  $(BIN)/pip --disable-pip-version-check uninstall --quiet --yes tensorflow-cpu; $(PIP) --quiet -e '.[gpu]'; fi
	@mkdir -p .venv/share/jupyter/lab/settings  # so that JupyterLab doesn't ask whether to fetch its news
	@echo '{"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": false}}' > .venv/share/jupyter/lab/settings/overrides.json
	@touch $@

$(TOOLS): requirements-dev.lock $(STAMP)
	@echo "adding the test tools, once"
	@$(INSTALL) --quiet -r $<
	@touch $@
