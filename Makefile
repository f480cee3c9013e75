# Each goal makes the environment it needs; only python3 with venv must be there (uv is used
# where it is installed, because it is faster).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EXTRAS := test,figures,lint

# The matrices are small: threads of BLAS would wait for each other more than they work.
export OPENBLAS_NUM_THREADS ?= 1
export OMP_NUM_THREADS ?= 1

.PHONY: help env test figures lint docs clean

help:
	@echo "make test     install what is needed and run the whole test suite"
	@echo "make figures  install what is needed and draw every quick figure into figures/gallery"
	@echo "make lint     check the style"
	@echo "make docs     build the guides and the reference as HTML in docs/_build"
	@echo "make env      make the virtual environment $(VENV) only"
	@echo "make clean    remove the virtual environment and the cached records"

env: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml
	@if command -v uv >/dev/null 2>&1; then \
	  uv venv --seed --allow-existing --python $(PYTHON) $(VENV) && \
	  uv pip install --python $(BIN)/python --editable ".[$(EXTRAS)]"; \
	else \
	  $(PYTHON) -m venv $(VENV) && \
	  $(BIN)/python -m pip install --quiet --editable ".[$(EXTRAS)]"; \
	fi
	@touch $@

test: env
	$(BIN)/python -m pytest -n 2 --dist loadfile

figures: env
	$(BIN)/python -m paper_repro run all --quick

lint: env
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .

docs: env
	$(BIN)/python -m pip install --quiet --editable ".[docs]"
	$(BIN)/python -m sphinx -W docs docs/_build

clean:
	rm -rf $(VENV) .records
