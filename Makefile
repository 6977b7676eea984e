# make demo   trains on handwritten digits, cuts a trained network, writes a page
# make pages  the tables of docs/ anew from the files in results/
# make test   lint, types and the tests
# make test-commands   whole commands, the wheel, the site, every Python block of every page
# make test-numerics   what compares numbers, with and without oneDNN, on one and two threads
# make test-all   the long checks too: 300 random graphs, JAX without TensorFlow, kills, examples
# make docs   the site, in build/site, to be read without a network (python -m http.server)
# make test-keras   the tests that meet Keras's private parts, on its lowest and newest version
PYTHON ?= python3
BIN = .venv/bin
export TF_CPP_MIN_LOG_LEVEL = 3

.PHONY: demo docs pages test test-commands test-numerics test-all test-keras lint clean

.venv/installed: setup.py tf_hetero/version.py
	$(PYTHON) -c 'import sys; assert (3, 11) <= sys.version_info < (3, 14), \
	  "Python 3.11 to 3.13 is needed, this is " + sys.version.split()[0]'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[train]'
	touch $@

.venv/installed-tests: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	touch $@

demo: .venv/installed
	$(BIN)/python -m tools.train --config=configs/digits_lwdna.py --workdir=runs/digits
	$(BIN)/python -m tools.demo --workdir=runs/digits

# The pages first: the index reads their verdicts.
pages: .venv/installed-tests
	$(BIN)/cog -r -P -I . docs/results/*.md docs/post_training.md
	$(BIN)/cog -r -P -I . docs/results.md

.venv/installed-docs: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[docs]'
	touch $@

docs: .venv/installed-docs
	$(BIN)/mkdocs build --strict

lint: .venv/installed-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# One thread a process: two test processes share two cores.
test: export TF_NUM_INTRAOP_THREADS = 1
test: lint
	$(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder -m "not long and not command"

test-commands: export TF_NUM_INTRAOP_THREADS = 1
test-commands: .venv/installed-tests
	$(BIN)/python -m pytest -q -n 2 --dist load -m "command and not long"

# Both settings choose in which order float32 sums are added up.
NUMERICAL = $(shell grep -lE 'from reference import|assert_allclose' tests/test_*.py tests/*/test_*.py)
test-numerics: .venv/installed-tests
	for onednn in 0 1; do for threads in 1 2; do \
	  TF_ENABLE_ONEDNN_OPTS=$$onednn TF_NUM_INTRAOP_THREADS=$$threads \
	  $(BIN)/python -m pytest -q -m "not long" $(NUMERICAL) || exit 1; done; done

test-all: lint
	HYPOTHESIS_PROFILE=all $(BIN)/python -m pytest -q
	$(BIN)/python -m tools.reliability --results=build/reliability \
	  $(if $(filter 0,$(shell id -u)),,--sizes=0)  # only root fills disks

# Each version lies in a folder of its own, in front of the environment's.
KERAS_VERSIONS = 3.14.0 3.15.1
KERAS_TESTS = tests/graph tests/surgery tests/widths tests/methods tests/test_shrinking.py
test-keras: .venv/installed-tests
	for version in $(KERAS_VERSIONS); do \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade --no-deps \
	    --target build/keras-$$version keras==$$version && \
	  PYTHONPATH=$(CURDIR)/build/keras-$$version $(BIN)/python -c \
	    "import keras; assert keras.__version__ == '$$version'; print('Keras', '$$version')" && \
	  PYTHONPATH=$(CURDIR)/build/keras-$$version $(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder \
	    -m "not long" $(KERAS_TESTS) || exit 1; \
	done

clean:
	rm -rf .venv runs
