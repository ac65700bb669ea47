# Set-up, demo, tests. Everything goes into .venv; nothing outside is touched.
PYTHON ?= python3
VENV := .venv
JAX_VENV := .venv-jax
BEAM_VENV := .venv-beam
MEDIAPIPE_VENV := .venv-mediapipe

.PHONY: demo bench test test-slow test-jax test-peers test-beam test-mediapipe lint types docs browser install install-jax clean

demo: $(VENV)/installed
	$(VENV)/bin/python training/run.py demo --resume

test: $(VENV)/installed
	$(VENV)/bin/python -m pytest -m "not slow" -n 2 --dist loadgroup --durations 20

test-slow: $(VENV)/installed
	$(VENV)/bin/python -m pytest -m slow

# Every benchmark, beside the peers, and docs/benchmarks.md.
bench: $(VENV)/peers $(JAX_VENV)/installed
	$(VENV)/bin/python benchmarks/bench.py

# The same training without TensorFlow, on JAX.
test-jax: $(JAX_VENV)/installed
	KERAS_BACKEND=jax $(JAX_VENV)/bin/python -m pytest -m "not slow" \
		tests/without_tensorflow tests/data/test_feed.py tests/data/test_augment_layer.py \
		tests/layers/test_mean_field.py tests/training/test_compiled_steps.py \
		tests/training/test_recompute.py tests/test_taps.py

# Converted networks beside the originals in PyTorch, the dense CRF beside pydensecrf.
test-peers: $(VENV)/peers
	$(VENV)/bin/python -m pytest -m "not slow" tests/convert tests/state_dict \
		tests/inference/test_dense_crf.py

# Data sets converted and images segmented by Apache Beam, which wants other versions of
# what TensorFlow uses.
test-beam: $(BEAM_VENV)/installed
	$(BEAM_VENV)/bin/python -m pytest -m "not slow" \
		-W "ignore:label() is deprecated:DeprecationWarning" \
		tests/data/test_prepare_builder.py tests/commands/test_prepare_command.py \
		tests/batch tests/commands/test_batch_command.py

# LiteRT files opened by MediaPipe, whose OpenCV is another package than that of kseg.
test-mediapipe: $(VENV)/installed $(MEDIAPIPE_VENV)/installed
	$(VENV)/bin/python -m pytest tests/export/test_mediapipe.py

lint: $(VENV)/installed
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

types: $(VENV)/installed
	$(VENV)/bin/pyright

docs: $(VENV)/installed
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --quiet --strict --site-dir build/docs

# What the pages that kseg writes are tried in; without it those tests are skipped.
browser: build/browser/node_modules
	command -v chromium || (apt-get update -qq && \
		apt-get install -y -qq --no-install-recommends chromium)

# The runtime of `kseg demo`, in the version that its page names.
build/browser/node_modules:
	npm install --silent --no-save --no-package-lock --prefix build/browser \
		@litertjs/core@2.5.3 @litertjs/wasm-utils@2.5.3

install: $(VENV)/installed

install-jax: $(JAX_VENV)/installed

$(VENV)/installed: requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --require-hashes -r requirements.txt
	$(VENV)/bin/python -m pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

$(VENV)/peers: $(VENV)/installed requirements-peers.txt
	$(VENV)/bin/python -m pip install --quiet --no-deps -r requirements-peers.txt
	touch $@

$(JAX_VENV)/installed: requirements-jax.txt pyproject.toml
	$(PYTHON) -m venv $(JAX_VENV)
	$(JAX_VENV)/bin/python -m pip install --quiet --require-hashes -r requirements-jax.txt
	$(JAX_VENV)/bin/python -m pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

$(BEAM_VENV)/installed: requirements-beam.txt pyproject.toml
	$(PYTHON) -m venv $(BEAM_VENV)
	$(BEAM_VENV)/bin/python -m pip install --quiet --require-hashes -r requirements-beam.txt
	$(BEAM_VENV)/bin/python -m pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

$(MEDIAPIPE_VENV)/installed: requirements-mediapipe.txt
	$(PYTHON) -m venv $(MEDIAPIPE_VENV)
	$(MEDIAPIPE_VENV)/bin/python -m pip install --quiet --require-hashes -r requirements-mediapipe.txt
	touch $@

clean:
	rm -rf $(VENV) $(JAX_VENV) $(BEAM_VENV) $(MEDIAPIPE_VENV) build dist *.egg-info
