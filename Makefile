# One command each; `make` alone lists them. Works with GNU make 3.81 (macOS) and later.

PYTHON ?= python3
BROWSER ?= yes
NOTEBOOK := notebooks/01_draw.ipynb
VENV := .venv
# Tools run as `python -m`: their scripts would break if the folder is moved.
PY := $(VENV)/bin/python
# One environment in layers (the extras of pyproject.toml). A target waits for the stamp of the
# layer that it needs.
LAB := $(VENV)/.lab
TRAIN := $(VENV)/.train
DEV := $(VENV)/.dev
# import-linter cannot be run as `python -m`.
LINT_IMPORTS := "from importlinter.cli import lint_imports_command as lint; lint()"

# Jupyter, IPython and matplotlib keep their files inside .venv: nothing is written to the
# home folder, and settings lying there (an open address, no token) are not picked up.
export JUPYTER_CONFIG_DIR := $(CURDIR)/$(VENV)/home/jupyter-config
export JUPYTER_DATA_DIR := $(CURDIR)/$(VENV)/home/jupyter-data
export IPYTHONDIR := $(CURDIR)/$(VENV)/home/ipython
export MPLCONFIGDIR := $(CURDIR)/$(VENV)/home/matplotlib

# BROWSER also names a program to programs: they must not try to start "no" or "yes".
ifneq ($(filter yes no,$(BROWSER)),)
unexport BROWSER
endif
# Set-up leaves compiling to the first import (below), which keeps what it compiled.
unexport PYTHONDONTWRITEBYTECODE
NO_BROWSER := $(if $(filter no,$(BROWSER)),--no-browser)
# JupyterLab refuses to run as root (containers) unless told.
ALLOW_ROOT := $(shell [ "$$(id -u)" = 0 ] && echo --allow-root)

# One worker per core; a worker that finishes early takes over tests from the others.
PARALLEL := --numprocesses=logical --maxprocesses=8 --dist=worksteal

.DEFAULT_GOAL := help
.NOTPARALLEL:  # two set-ups must not install into one environment
.PHONY: help app lab train reports weights sweep test test-all stress check audit format clean force

help: ## List these commands
	@echo "make …"
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | \
		awk -F ':.*## ' '{ printf "  %-9s %s\n", $$1, $$2 }'

# Needs only Python's standard library, or a browser alone.
app: ## Open the drawing pad, one file, in your browser (BROWSER=no only says where it is)
	@echo "The pad is one file, which any browser opens: $(CURDIR)/reports/pad.html"
	$(if $(filter no,$(BROWSER)),,@"$(PYTHON)" -c 'import pathlib, webbrowser; webbrowser.open(pathlib.Path("reports/pad.html").resolve().as_uri())')

# default_url: the address that Jupyter prints, with its token, leads to the notebook.
# autodetect: looking for language servers would start every tool chain of the machine.
# extra_labextensions_path: a small extension runs the pad when the notebook opens.
lab: PORT ?= 8888
lab: $(LAB) ## Open JupyterLab at the drawing pad (PORT=8888 BROWSER=no)
	exec $(PY) -m jupyterlab --ServerApp.root_dir=. --LabApp.default_url=/lab/tree/$(NOTEBOOK) \
		--ServerApp.ip=127.0.0.1 --ServerApp.port=$(PORT) \
		--LanguageServerManager.autodetect=False \
		--LabApp.extra_labextensions_path=digitlib/widgets/lab $(NO_BROWSER) $(ALLOW_ROOT)

train: $(TRAIN) ## Add PyTorch and what the other notebooks need

# FAST=1 uses little data and writes to reports/fast/. ONLY="05 06" runs these two notebooks.
reports: $(TRAIN) ## Run the notebooks, keep their outputs, fill in the tables (ONLY="05 06" FAST=1)
	$(PY) -m digitlib reports $(if $(filter-out 0 no,$(FAST)),--fast) $(if $(ONLY),--only "$(ONLY)") $(ARGS)

# Outputs go to build/weights. Run again, the command continues where it stopped.
weights: $(TRAIN) ## Make the bundled weights, in two hours (ARGS="--list" shows what is current)
	$(PY) -m digitlib weights $(ARGS)

# Results go to reports/sweep.jsonl. Run again, the command adds the missing runs.
sweep: $(TRAIN) ## Train several seeds side by side (ARGS="quick --seeds 0-4")
	$(PY) -m digitlib sweep $(ARGS)

# One thread each: workers that share the cores with threads of their own are slower.
test: export OMP_NUM_THREADS := 1
test: $(DEV) ## Run the quick tests, in parallel (ARGS="-k strokes" goes to pytest)
	$(PY) -m pytest $(PARALLEL) -m "not notebook and not browser and not slow and not stress" $(ARGS)

# Each worker of the browser tests starts its own JupyterLab, once.
test-all: export OMP_NUM_THREADS := 1
test-all: $(DEV) ## Run all tests: notebooks and browser, too
	$(PY) -m pytest $(PARALLEL) -m "not browser and not stress" $(ARGS)
	$(PY) -m pytest --numprocesses=2 --dist=loadfile -m "browser and not stress" tests/browser $(ARGS)

# Tests that take long or measure speed, and the long form of the tests of faults. Browser tests run
# one by one because they measure times.
stress: export OMP_NUM_THREADS := 1
stress: export DIGITLIB_WRITE_REPORTS := 1
stress: $(DEV) ## Run long tests and tests of speed, and keep their figures
	$(PY) -m pytest $(PARALLEL) -m "stress and not browser" $(ARGS)
	$(PY) -m pytest $(PARALLEL) -m "not stress" tests/faults $(ARGS)
	$(PY) -m pytest -m "stress and browser" tests/browser $(ARGS)
	$(PY) tests/reliability.py

check: $(DEV) ## Check format, lint, types, imports, language, and generated pages
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(PY) -c $(LINT_IMPORTS) --no-logo --no-cache
	$(PY) -m digitlib readme --check
	$(PY) -m digitlib page --check
	$(PY) tests/prose.py
	$(PY) -m codespell_lib

# In an environment of its own, because it brings other packages. Needs a network.
audit: ## Look up the pinned packages in the list of known vulnerabilities
	"$(PYTHON)" -m venv --clear build/audit
	build/audit/bin/python -m pip install --quiet pip-audit
	build/audit/bin/python -m pip_audit --strict --disable-pip --no-deps -r constraints.txt

format: $(DEV) ## Format the code and apply ruff's fixes
	$(PY) -m ruff check --fix --exit-zero .
	$(PY) -m ruff format .

clean: ## Remove caches and build leftovers (the environment and data stay)
	rm -rf build/lib build/bdist.* dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name $(VENV) -prune -o \
		\( -name __pycache__ -o -name .ipynb_checkpoints \) -type d -exec rm -rf {} +

# A stamp holds the folder it was made for: digitlib is installed by path, so a moved or copied
# folder is set up again. Otherwise set-up is repeated only when a file below changes, and pip
# leaves alone what is there already. Modules are compiled when first imported: most never are.
STALE := $(shell for stamp in $(LAB) $(TRAIN) $(DEV); do \
	[ "$$(cat $$stamp 2>/dev/null)" = "$(CURDIR)" ] || echo $$stamp; done)
ifneq ($(STALE),)
$(STALE): force
endif
$(LAB): LAYERS := lab
$(TRAIN): LAYERS := lab train
$(DEV): LAYERS := lab train dev
$(LAB) $(TRAIN) $(DEV): pyproject.toml constraints.txt
	@command -v "$(PYTHON)" >/dev/null || \
		{ echo "digitlib needs Python 3.11 or newer, and there is no $(PYTHON) here: try make PYTHON=/path/to/python3.11." >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "digitlib needs Python 3.11 or newer, and $(PYTHON) is $$("$(PYTHON)" -V 2>&1 | head -1): try make PYTHON=python3.11." >&2; exit 1; }
	@echo "Setting up $(VENV) for $(LAYERS), only this once: about a minute."
	$(if $(filter train,$(LAYERS)),@echo "PyTorch takes some minutes and 7 GB (on Linux; reports/install.md shows a smaller one).")
	@rm -f $@
	@$(PY) -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		"$(PYTHON)" -m venv --clear $(VENV) || \
		{ echo "Python could not make $(VENV) (on Debian and Ubuntu: apt install python3-venv)." >&2; exit 1; }
	$(PY) -m pip install --disable-pip-version-check --no-compile -c constraints.txt \
		-e '.[$(subst $() ,$(COMMA),$(LAYERS))]'
	@$(WITHOUT) >/dev/null 2>&1 || true
	@mkdir -p $(VENV)/home
	@for layer in $(LAYERS); do printf '%s' "$(CURDIR)" > $(VENV)/.$$layer; done
	@echo "$(VENV) is ready."
# JupyterLab would ask, over the pad, whether to fetch news.
WITHOUT := $(PY) -m jupyter labextension disable --level=sys_prefix \
	"@jupyterlab/apputils-extension:announcements"
COMMA := ,
