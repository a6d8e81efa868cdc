# The Page ResNet course. `make help` lists what there is to make.
# Needs python3 (3.11 or newer) with venv, and make; everything else goes into .venv, from requirements.lock.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PY     := $(BIN)/python
UV     := $(BIN)/uv
READY  := $(VENV)/.ready
NEWEST := .venv-newest
LOCK   := $(UV) pip compile pyproject.toml --extra dev --universal --generate-hashes --no-emit-index-url \
          --no-annotate --fork-strategy fewest --python-version 3.11

PROFILE ?= full
PORT    ?= 7860
EXTRAS  ?= log,app,export,book
LESSONS := $(wildcard lessons/[0-9]*.py)

# What another environment, or a shell's start-up file, may have left behind must not reach ours.
unexport VIRTUAL_ENV CONDA_PREFIX PYTHONPATH PYTHONHOME PYTHONSTARTUP PYTHONWARNINGS PYTHONOPTIMIZE MPLBACKEND
# Without bytecode on disk, every test worker, kernel and child process compiles torch and Lightning anew: 19 s, not 7.
unexport PYTHONDONTWRITEBYTECODE
unexport PIP_REQUIRE_VIRTUALENV PIP_USER PIP_TARGET PIP_PREFIX
unexport UV_PYTHON UV_SYSTEM_PYTHON UV_PROJECT_ENVIRONMENT UV_TARGET UV_PREFIX UV_CONFIG_FILE
export PYTHONNOUSERSITE := 1
export PYTHONUTF8 := 1

# One torch thread a test worker; more of them would only wait for each other. A worker needs a core and up to 3 GB.
WORKERS    ?= 2
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
PYTEST     := $(ONE_THREAD) MPLBACKEND=agg S12_PROFILE=smoke $(PY) -m pytest -n $(WORKERS) --dist loadgroup
NBVAL      := --nbval-lax --nbval-current-env --nbval-cell-timeout 1800 --nbval-kernel-startup-timeout 1800 \
              $(wildcard lessons/[0-9]*.ipynb)

# For `if`: is CIFAR-10 here, or fetched now? A damaged file, or an interrupted download, ends the recipe instead.
HAS_CIFAR10 := { $(BIN)/s12 data; status=$$?; [ $$status = 0 ] || \
	{ [ $$status = 2 ] && [ ! -e "$${S12_DATA_DIR:-data}/cifar10.npz" ]; } || exit $$status; [ $$status = 0 ]; }

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup book pdf test test-lessons test-slow coverage train app app-files lab lessons bench measure site links lock newest address clean FORCE

help: ## list the targets
	@echo "make TARGET, where TARGET is one of"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s%s\n", $$1, $$2}' Makefile

# ---- set-up ----------------------------------------------------------------------------------------------------------
# $(READY) is written last and holds the folder's path: an interrupted set-up, or a moved folder, starts afresh.

ifneq ($(shell cat $(READY) 2>/dev/null),$(CURDIR))
$(READY): FORCE
endif

$(READY): requirements.lock pyproject.toml
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || { echo 'This needs Python 3.11 or newer: install it and say which one, as in "make $(MAKECMDGOALS) PYTHON=python3.12".' >&2; exit 2; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo 'Python has no venv module: install it first (on Debian and Ubuntu, "sudo apt-get install python3-venv").' >&2; exit 2; }
	@[ "$$(cat $(READY) 2>/dev/null)" = "$(CURDIR)" ] || "$(PYTHON)" -m venv --clear $(VENV)
	@rm -f $(READY)
	@echo "Setting up $(VENV) from requirements.lock (a few minutes the first time)"
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.lock > $(VENV)/uv.txt
	@$(UV) --version >/dev/null 2>&1 || $(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r $(VENV)/uv.txt
	@$(UV) pip sync --quiet --python $(PY) --require-hashes requirements.lock
	@$(UV) pip install --quiet --python $(PY) --no-deps --no-build-isolation --editable .
	@printf '%s\n' "$(CURDIR)" > $(READY)

setup: $(READY) ## set up .venv; every other target does this by itself

# ---- the book --------------------------------------------------------------------------------------------------------

book: $(READY) ## build the book to _build/html/index.html
	@rm -rf _build/html
	@$(BIN)/jupyter-book build . --all -n -W --keep-going -q
	@test -s _build/html/index.html
	@$(PY) book/browser_files.py --if-at-hand _build/html/_static
	@echo "The book is in $(CURDIR)/_build/html/index.html"

site: book ## build everything that is published
	@touch _build/html/.nojekyll
	@$(PY) book/browser_files.py _build/html/_static
	@echo "To see it: python3 -m http.server --directory _build/html, then http://127.0.0.1:8000"

pdf: book ## print the whole book to _build/page-resnet-course.pdf (needs Chromium)
	@$(PY) book/print_pdf.py _build/html _build/page-resnet-course.pdf

links: $(READY) ## ask every link of the book whether it still leads somewhere
	@$(BIN)/jupyter-book build . --builder linkcheck -q

# ---- checks ----------------------------------------------------------------------------------------------------------

# One pool of workers has it all: a lesson, the book's pages, a type check or a test is whatever a worker does next.
# The last line says what was checked, what was not, and how to get it. Without CIFAR-10 there is one worker more, since
# they wait for the lessons' kernels then.

test: $(READY) ## run every check that does not take minutes (at most 9 on two cores)
	@if $(HAS_CIFAR10); then lessons="$(NBVAL)"; else lessons="-n $$(($(WORKERS) + 1))"; fi; $(PYTEST) tests $$lessons

test-lessons: $(READY) ## re-execute every lesson and compare what it prints
	@if $(HAS_CIFAR10); then lessons="$(NBVAL)"; else lessons=; fi; $(PYTEST) tests/test_lessons_on_shapes.py $$lessons

test-slow: $(READY) ## run the checks that take minutes each
	$(PYTEST) -m slow --timeout 7200 --durations 12

coverage: $(READY) ## the same as `make test`, and which lines no test runs; slower
	@$(MAKE) --no-print-directory test PYTEST='$(PYTEST) --cov=s12lib --cov-report=term'

bench: $(READY) ## measure how fast things are, on this machine
	$(PY) -m s12lib.bench --out book/benchmarks.md

MINUTES ?= 10

measure: $(READY) ## make the book's numbers anew, by worth, in MINUTES=10; says what it would cost without a GPU
	@$(BIN)/s12 measure --all --minutes $(MINUTES)
	@if $(PY) -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then \
	  $(MAKE) --no-print-directory bench && $(PY) lessons/minutes.py --minutes $(MINUTES) && $(PY) book/front.py; \
	fi

# ---- using it --------------------------------------------------------------------------------------------------------

train: $(READY) ## train the recipe `fast` on CIFAR-10, or `shapes` where it is unavailable; again goes on
	@if $(HAS_CIFAR10); then \
	  $(BIN)/s12 fit --config recipes/fast.yaml --ckpt_path last; \
	else \
	  echo "CIFAR-10 is unavailable here: training on Shapes, drawn images, instead. The accuracy will not be CIFAR-10's."; \
	  $(BIN)/s12 fit --config recipes/shapes.yaml --ckpt_path last; \
	fi

app: $(READY) ## open the app on http://127.0.0.1:7860 (PORT=... for another port)
	$(BIN)/s12 app --port $(PORT)

lab: $(READY) ## open the lessons in JupyterLab
	$(PY) -m jupyter lab --notebook-dir .

app-files: $(READY) ## measure the app's threshold, examples and mistakes anew, for new weights
	$(BIN)/s12 familiarity
	$(BIN)/s12 examples

lessons: $(READY) ## make lessons/*.ipynb, with its outputs, from lessons/*.py (PROFILE=smoke for a quick try)
	S12_PROFILE=$(PROFILE) $(PY) lessons/build.py $(LESSONS)
	@$(PY) book/front.py

# ---- keeping it ------------------------------------------------------------------------------------------------------

lock: $(READY) ## pin every version anew within pyproject.toml's ranges (UPGRADE=1 for the newest)
	@$(LOCK) $(if $(UPGRADE),--upgrade) --quiet -o requirements.lock
	@{ sed '/^      - /d' environment.yml; \
	   sed -nE 's/^([a-z0-9][a-z0-9._-]*==[^\]*[^ \]) *\\?$$/      - "\1"/p' requirements.lock; } > environment.yml.part
	@mv environment.yml.part environment.yml

# FREEZE=FILE, the output of `pip freeze` elsewhere, as Colab publishes it: pins what is in it, as far as an index has it.
newest: $(READY) ## run the lessons with the newest versions that the ranges allow, in an environment of their own
	@$(UV) venv --quiet --clear --seed --python $(PY) $(NEWEST)
	@sed -nE 's/^([A-Za-z0-9._-]+==[0-9][^+ ]*)(\+.*)?$$/\1/p' /dev/null $(FREEZE) > $(NEWEST)/constraints.txt
	@$(UV) pip install --quiet --upgrade --python $(NEWEST)/bin/python --constraint $(NEWEST)/constraints.txt \
	  --editable '.$(if $(EXTRAS),[$(EXTRAS)])' ipykernel nbclient nbformat
	@$(NEWEST)/bin/python lessons/newest.py $(LESSONS:.py=.ipynb)

address: ## set the project's address everywhere: make address REPO=owner/name
	@"$(PYTHON)" book/address.py "$(REPO)"

clean: ## remove what was built; .venv, data and runs stay
	rm -rf _build .pytest_cache .mypy_cache .ruff_cache .coverage .coverage.* build dist
