"""Predictions of images of many sizes run one graph on TensorFlow."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import kseg
from kseg.inference import predict_probabilities


@pytest.fixture
def traces(monkeypatch):
    """A list that gets an entry whenever a network becomes a graph."""
    found = []
    step = keras.Model.predict_step

    def traced(self, data):
        found.append(data)
        return step(self, data)

    monkeypatch.setattr(keras.Model, "predict_step", traced)
    return found


def draw(*size):
    return np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)


def unet(**options):
    return kseg.build("unet", num_classes=3, filters=2, depth=2, **options)


def test_images_of_many_sizes_and_their_tiles_are_one_graph(traces):
    model = unet()
    for size in ((33, 47), (64, 64), (1, 1), (40, 90)):
        assert kseg.predict(model, draw(*size)).shape == size
    # Batches of 8 tiles, of which the last has fewer.
    kseg.predict(model, draw(300, 500), (128, 128), 64)
    predict_probabilities(model, draw(99, 80), scales=(0.5, 1.3), flip=True, turns=True)
    assert len(traces) == 1


@pytest.mark.parametrize(
    "options", [dict(input_shape=(48, 64, 3)), dict(padding="valid")]
)
def test_networks_that_take_few_sizes_are_one_graph(traces, options):
    model = unet(**options)
    for size in ((48, 64), (61, 44)):
        assert kseg.predict(model, draw(*size)).shape == size
    tile = model.input_shape[1:3] if "input_shape" in options else (60, 60)
    kseg.predict(model, draw(150, 130), tile)
    assert len(traces) == 1


def test_a_gpu_does_not_compile_for_every_shape(monkeypatch):
    """Where there is one, Keras has XLA compile unless a model says otherwise."""
    compiled = []
    function = tf.function

    def noted(step=None, **options):
        if getattr(step, "__name__", "").startswith("one_step_on_data"):
            compiled.append(options.get("jit_compile", False))
        return function(step, **options)

    monkeypatch.setattr(tf, "function", noted)
    monkeypatch.setattr(keras.Model, "_resolve_auto_jit_compile", lambda self: True)
    model = unet()
    kseg.predict(model, draw(33, 47))
    assert compiled == [False]
    assert model.jit_compile  # for training, that is as it was
