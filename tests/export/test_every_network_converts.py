"""Every network becomes LiteRT files that do what it does."""

import numpy as np
import pytest
from every_network import build, images, logits_of

import kseg
from kseg.export import (
    LiteRTModel,
    export_litert,
    export_onnx,
    open_onnx,
    operators,
)

SIZE = (48, 64)
# With the weights of chance the largest of four pooled values is often a close call,
# which rounding decides; then values go to other places. In 8 bits these are tested
# with calibrated statistics, in the networks' own tests.
BY_PLACES = ("deconvnet", "segnet", "segnet_basic")


@pytest.fixture(scope="module", params=kseg.names())
def model(request):
    return build(request.param)


@pytest.mark.parametrize(
    ("precision", "correlation"),
    [
        ("float32", 0.999999),
        ("float16", 0.9999),
        ("dynamic_range", 0.98),
        ("int8", 0.96),
    ],
)
def test_a_file_gives_the_logits_of_the_network(
    model, precision, correlation, tmp_path
):
    """No operator is left to TensorFlow, or the file would not have been written."""
    if model.name in BY_PLACES and precision != "float32":
        pytest.skip("tested with calibrated statistics in the network's own tests")
    calibration = list(images(SIZE, batch=8, seed=1)) if precision == "int8" else None
    path = tmp_path / f"{model.name}.tflite"
    export_litert(model, path, SIZE, precision, calibration=calibration)
    # Dilation is the convolutions' own.
    assert not {"SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND"} & set(operators(path))
    pixels = images(SIZE, batch=1)
    expected, actual = logits_of(model, pixels)[0], LiteRTModel(path).predict(pixels[0])
    assert actual.shape == expected.shape
    assert actual.std() > 0
    if model.name in BY_PLACES:
        correlation = 0.99
    for channel in range(expected.shape[-1]):
        pair = actual[..., channel].ravel(), expected[..., channel].ravel()
        assert np.corrcoef(*pair)[0, 1] > correlation


def test_an_onnx_file_gives_the_logits_of_the_network_at_any_size(model, tmp_path):
    path = export_onnx(model, tmp_path / f"{model.name}.onnx")
    opened = open_onnx(path)
    for size in (SIZE, (65, 47)):
        pixels = images(size, batch=1)
        expected, actual = logits_of(model, pixels)[0], opened.run(pixels[0])
        assert actual.shape == expected.shape
        near = np.abs(actual - expected) <= 1e-3 * np.abs(expected).max()
        assert near.all() if model.name not in BY_PLACES else near.mean() > 0.95
