import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from small_network import LABELS, SIZE, draw

from kseg.export import LiteRTModel, check_litert, export_litert, operators
from kseg.export.calibration import calibrate, convert_int16, instrument, quantise
from kseg.export.diagnosis import (
    ROUNDING,
    diagnose,
    diagnosis_table,
    wide_channels,
)
from kseg.export.layer_names import layers_of
from kseg.export.litert import write_litert


@pytest.fixture(scope="module")
def images():
    return list(draw(8, seed=3)[0])


@pytest.fixture(scope="module")
def calibrated(model, images):
    return calibrate(model, SIZE, images)


@pytest.fixture(scope="module")
def rows(model, calibrated, images):
    return diagnose(model, calibrated, images[:3])


def predictions(content, images, folder, precision):
    path = write_litert(content, folder / "a.tflite", "a", precision, "logits", LABELS)
    file = LiteRTModel(path)
    return np.stack([file.predict(image) for image in images]), path


def test_every_tensor_has_a_row_with_the_layer_it_comes_from(model, rows):
    found = {(row["layer"], row["operator"]) for row in rows}
    kinds = {layer: type(layer).__name__ for layer in model.layers}
    by_kind = {kinds[model.get_layer(layer)]: operator for layer, operator in found}
    assert by_kind["DepthwiseConv2D"] == "DEPTHWISE_CONV_2D"
    assert by_kind["Resize"] == "RESIZE_BILINEAR"
    convs = [x.name for x in model.layers if type(x) is layers.Conv2D]
    assert len(convs) == 3
    assert {(name, "CONV_2D") for name in convs} <= found
    joined = next(row for row in rows if row["layer"] == convs[0])
    assert {type(model.get_layer(x)).__name__ for x in joined["layers"]} >= {
        "Conv2D",
        "ReLU",
    }


@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated")
def test_errors_are_those_of_tensorflows_debugger(calibrated, images, rows):
    options = tf.lite.experimental.QuantizationDebugOptions()
    debugger = tf.lite.experimental.QuantizationDebugger(
        quant_debug_model_content=instrument(calibrated),
        debug_dataset=lambda: ([x[np.newaxis].astype("float32")] for x in images[:3]),
        debug_options=options,
    )
    debugger.run()
    assert len(debugger.layer_statistics) == len(rows)
    statistics = debugger.layer_statistics.values()
    squares = sorted(x["mean_squared_error"] for x in statistics)
    ours = sorted((row["error"] * row["scale"]) ** 2 for row in rows)
    np.testing.assert_allclose(ours, squares, rtol=1e-3, atol=1e-12)


def one_wide_channel(images):
    """A convolution of which a channel is 40 times as wide, calibrated."""
    keras.utils.set_random_seed(0)
    image = keras.Input((*SIZE, 3))
    model = keras.Model(image, layers.Conv2D(3, 1, use_bias=False, name="only")(image))
    kernel = np.array(model.weights[0])
    kernel[..., 2] *= 40
    model.weights[0].assign(kernel)
    return model, calibrate(model, SIZE, images)


def test_a_layers_own_error_is_that_of_arithmetic_by_hand(images):
    model, calibrated = one_wide_channel(images)
    (row,) = diagnose(model, calibrated, images[:2])

    kernel = np.array(model.weights[0], "float64")[0, 0]
    x = np.stack(images).astype("float64")
    x[0, 0, 0], x[0, -1, -1] = 0, 255  # as calibration pins the input
    low, high = (x @ kernel).min(), (x @ kernel).max()
    scale = (high - low) / 255
    kernel_scale = np.abs(kernel).max(axis=0) / 127
    rounded = np.round(kernel / kernel_scale) * kernel_scale
    seen = np.stack(images[:2]).astype("float64")
    exact = seen @ kernel
    stored = np.round((seen @ rounded) / scale) * scale
    error = np.sqrt(np.square(stored - exact).mean())
    assert row["scale"] == pytest.approx(scale, rel=1e-5)
    assert row["error"] == pytest.approx(error / scale, rel=0.01)
    noise = 20 * np.log10(np.sqrt(np.square(exact).mean()) / error)
    assert row["decibels"] == pytest.approx(noise, abs=0.1)
    assert row["accumulated_decibels"] == pytest.approx(noise, abs=0.1)
    assert row["range"] == pytest.approx([exact.min(), exact.max()], rel=1e-5)
    ranges = np.ptp(exact.reshape(-1, 3), axis=0)
    assert row["wide_channels"] == pytest.approx({2: ranges[2] / np.median(ranges)})
    wide = kernel_scale[2] / np.median(kernel_scale)
    assert row["kernel_wide_channels"] == pytest.approx({2: wide})
    assert (row["layer"], row["operator"]) == ("only", "CONV_2D")


def test_errors_add_up_and_none_is_below_rounding(rows):
    errors = [row["error"] for row in rows]
    assert errors == sorted(errors, reverse=True)
    assert max(errors) > ROUNDING / 2
    last = next(row for row in rows if row["operator"] == "RESIZE_BILINEAR")
    assert last["accumulated_decibels"] < last["decibels"]


def test_the_quantised_file_is_nearly_that_of_export(
    calibrated, model, images, tmp_path
):
    path = tmp_path / "export.tflite"
    export_litert(model, path, SIZE, "int8", "logits", images, LABELS)
    expected = np.stack([LiteRTModel(path).predict(image) for image in images])
    ours, _ = predictions(quantise(calibrated), images, tmp_path, "int8")
    assert np.abs(ours - expected).mean() < np.ptp(expected) / 255
    assert operators(tmp_path / "a.tflite") == operators(path)


def test_the_quantised_file_has_the_form_for_devices(images, tmp_path):
    image = keras.Input((*SIZE, 3))
    x = layers.Activation("hard_silu")(layers.Conv2D(4, 3, padding="same")(image))
    model = keras.Model(image, layers.Conv2D(3, 1)(x))
    path = tmp_path / "export.tflite"
    export_litert(model, path, SIZE, "int8", "logits", images, LABELS)
    predictions(quantise(calibrate(model, SIZE, images)), images, tmp_path, "int8")
    assert operators(tmp_path / "a.tflite") == operators(path)
    assert "HARD_SWISH" not in operators(path)


def test_ranges_are_those_of_the_layers(images):
    """Also where an addition is computed in place, whose range the converter takes."""
    keras.utils.set_random_seed(0)
    image = keras.Input((*SIZE, 3))
    x = layers.Conv2D(4, 3, padding="same", activation="relu")(image)
    y = layers.Conv2D(4, 1, name="branch")(x)
    model = keras.Model(image, layers.Add(name="sum")([x, y]))
    rows = diagnose(model, calibrate(model, SIZE, images), images)
    probe = keras.Model(image, [model.get_layer(n).output for n in ("branch", "sum")])
    pinned = np.stack(images).astype("float32")
    pinned[0, 0, 0], pinned[0, -1, -1] = 0, 255
    for name, values in zip(("branch", "sum"), probe(pinned), strict=True):
        row = next(row for row in rows if row["layer"] == name)
        width = max(np.max(values), 0) - min(np.min(values), 0)
        assert row["scale"] == pytest.approx(width / 255, rel=1e-3)


def test_a_kept_layer_is_float_and_its_error_gone(
    calibrated, model, images, rows, tmp_path
):
    worst = [row["tensor"] for row in rows[:3]]
    kept, path = predictions(quantise(calibrated, worst), images, tmp_path, "mixed")
    with pytest.raises(RuntimeError, match="integers throughout"):
        check_litert(path, "int8")
    assert {"QUANTIZE", "DEQUANTIZE"} <= set(operators(path))
    plain, _ = predictions(quantise(calibrated), images, tmp_path, "int8")
    expected = np.asarray(model(np.stack(images).astype("float32"), training=False))
    error, before = (np.square(x - expected).mean() for x in (kept, plain))
    assert error < before


def test_one_scale_for_a_kernel_is_worse(images, tmp_path):
    model, calibrated = one_wide_channel(images)
    expected = np.asarray(model(np.stack(images).astype("float32"), training=False))
    errors = []
    for per_channel in (True, False):
        content = quantise(calibrated, per_channel=per_channel)
        found, _ = predictions(content, images, tmp_path, "int8")
        errors.append(np.square(found - expected)[..., :2].mean())
    assert errors[0] < errors[1]


def test_activations_of_16_bits(model, images, tmp_path):
    content = convert_int16(model, SIZE, images)
    found, _ = predictions(content, images, tmp_path, "int16")
    expected = np.asarray(model(np.stack(images).astype("float32"), training=False))
    np.testing.assert_allclose(found, expected, atol=0.03 * np.ptp(expected))


def test_wide_channels_are_compared_with_the_median():
    assert wide_channels(np.array([1, 1, 8, 7.9, 1])) == {2: 8.0}
    assert wide_channels(np.array([0, 0, 0, 5.0])) == {}
    assert list(wide_channels(np.array([1, 1, 1, 9, 20]))) == [4, 3]


def test_layers_of_scopes_that_tensorflow_numbers():
    names = ["conv", "conv_1", "relu", "relu_1"]
    assert layers_of("n_1/conv_1/Conv", names) == ["conv"]
    assert layers_of("n_1/relu_1_2/R;n_1/conv_1_2/C", names) == ["relu_1", "conv_1"]
    assert layers_of("StatefulPartitionedCall:0", names) == []


def test_the_table_shows_the_worst_first(rows):
    lines = diagnosis_table(rows, most=4).splitlines()
    assert len(lines) == 6
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert [line[0] for line in cells[2:]] == [row["layer"] for row in rows[:4]]
    assert float(cells[2][2]) == pytest.approx(rows[0]["error"], abs=0.006)


def test_images_must_be_there(model, calibrated):
    with pytest.raises(ValueError, match="at least one image"):
        diagnose(model, calibrated, [])
