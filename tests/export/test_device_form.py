"""The same function in operators that devices take."""

import keras
import numpy as np
import pytest
from every_network import build, images, logits_of
from keras import layers

from kseg.export import export_litert, operators, placement
from kseg.export.device_form import (
    IntegerHardSwish,
    in_device_form,
    repeat_pixels,
)

SIZE = (48, 64)


def test_hard_swish_is_the_same_function():
    x = np.linspace(-9, 9, 1001, dtype="float32")
    expected = x * np.clip(x / 6 + 0.5, 0, 1)
    np.testing.assert_allclose(IntegerHardSwish()(x), expected, atol=1e-6)
    np.testing.assert_allclose(keras.activations.hard_silu(x), expected, atol=1e-6)


@pytest.mark.parametrize("factors", [(1, 1), (2, 2), (4, 4), (3, 2)])
def test_pixels_are_repeated(factors):
    x = np.random.default_rng(0).normal(0, 1, (2, 5, 7, 3)).astype("float32")
    expected = x.repeat(factors[0], axis=1).repeat(factors[1], axis=2)
    np.testing.assert_array_equal(repeat_pixels(keras.ops.array(x), factors), expected)


@pytest.mark.parametrize("name", ["lraspp", "smp_unet"])
def test_a_network_in_device_form_gives_its_logits(name):
    model = build(name)
    formed = in_device_form(model, SIZE, integer=True)
    assert formed is not model and formed.name == model.name
    pixels = images(SIZE, 1)
    expected = logits_of(model, pixels)
    np.testing.assert_allclose(
        logits_of(formed, pixels), expected, atol=1e-4 * np.abs(expected).max()
    )


def test_a_network_that_gains_nothing_stays_itself():
    image = keras.Input((None, None, 3))
    x = layers.Conv2D(4, 3, padding="same")(image)
    model = keras.Model(image, layers.Activation("hard_silu")(x))
    assert in_device_form(model, SIZE, integer=False) is model
    assert in_device_form(model, SIZE, integer=True) is not model


def test_integer_hard_swish_leaves_nothing_to_slow_kernels(tmp_path):
    path = tmp_path / "a.tflite"
    calibration = list(images(SIZE, 4, 1))
    export_litert(build("lraspp"), path, SIZE, "int8", calibration=calibration)
    assert "HARD_SWISH" not in operators(path)
    found = placement(path)
    assert [row["operator"] for row in found["xnnpack"]["falls_back"]] == ["QUANTIZE"]
    assert found["xnnpack"]["partitions"] == 1
    assert not found["edge_tpu"]["falls_back"]
