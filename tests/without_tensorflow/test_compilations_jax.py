"""How often JAX compiles: for every size of images once, and once for their tiles.

`make test-jax` runs this file; elsewhere it is skipped.
"""

import importlib.util
import os

import numpy as np
import pytest

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is not None
    or os.environ.get("KERAS_BACKEND") != "jax",
    reason="wants KERAS_BACKEND=jax and an environment without TensorFlow",
)


@pytest.fixture
def traces(monkeypatch):
    """A list that gets an entry whenever a network is compiled."""
    import keras

    found = []
    step = keras.Model.predict_step

    def traced(self, state, data):
        found.append([x.shape for x in data])
        return step(self, state, data)

    monkeypatch.setattr(keras.Model, "predict_step", traced)
    return found


def draw(*size):
    return np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)


def test_a_size_is_compiled_for_once(traces):
    import kseg

    model = kseg.build("unet", num_classes=3, filters=2, depth=2)
    for size in ((33, 47), (64, 64), (33, 47), (64, 64)):
        kseg.predict(model, draw(*size))
    assert traces == [[(1, 33, 47, 3)], [(1, 64, 64, 3)]]


def test_tiles_are_compiled_for_once(traces):
    import kseg
    from kseg.inference import predict_probabilities

    model = kseg.build("unet", num_classes=3, filters=2, depth=2)
    photo = draw(256, 320)
    # 12 tiles in batches of 8.
    found = predict_probabilities(model, photo, (128, 128), 64)
    assert traces == [[(8, 128, 128, 3)]]
    whole = predict_probabilities(model, photo)
    np.testing.assert_allclose(found, whole, atol=1e-5)
