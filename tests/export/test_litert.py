import json
import math
import os

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from small_network import LABELS, SIZE, build, draw

from kseg.export import (
    LiteRTModel,
    calibration,
    check_litert,
    export_litert,
    litert,
    operators,
    read_sidecar,
)
from kseg.export.bias_correction import correct_biases
from kseg.export.calibration import calibrate, checked_images, quantise
from kseg.export.converter import open_converter
from kseg.export.flatbuffer import with_ranges

PRECISIONS = ["float32", "float16", "int8"]
OUTPUTS = ["logits", "probabilities", "class_map"]


def logits_of(model, image):
    return np.asarray(model(image[np.newaxis].astype("float32"), training=False))[0]


def interpreter(path):
    """The file as a program without kseg runs it."""
    loaded = Interpreter(str(path), num_threads=1)
    loaded.allocate_tensors()
    return loaded


@pytest.mark.parametrize(("precision", "atol"), [("float32", 1e-3), ("float16", 5e-2)])
def test_float_logits_are_the_models(model, exported, examples, precision, atol):
    run = interpreter(exported(precision)).get_signature_runner("serving_default")
    for image, _ in examples:
        expected = logits_of(model, image)
        assert np.ptp(expected) > 5
        actual = run(image=image[np.newaxis].astype("float32"))["logits"][0]
        assert actual.dtype == np.float32
        np.testing.assert_allclose(actual, expected, atol=atol)
        wrapped = LiteRTModel(exported(precision)).predict(image)
        np.testing.assert_array_equal(wrapped, actual)


def test_float16_stores_every_weight_in_two_bytes(model, exported):
    def elements(path, dtype):
        details = interpreter(path).get_tensor_details()
        shapes = [t["shape"] for t in details if t["dtype"] == dtype]
        return sum(int(np.prod(shape)) for shape in shapes)

    kernels = sum(math.prod(w.shape) for w in model.weights if len(w.shape) == 4)
    assert elements(exported("float32"), np.float16) == 0
    assert elements(exported("float16"), np.float16) > kernels


def test_int8_classes_are_nearly_the_models(model, exported, examples):
    file = LiteRTModel(exported("int8"))
    same, right = [], []
    for image, mask in examples:
        expected = logits_of(model, image)
        np.testing.assert_allclose(
            file.predict(image), expected, atol=0.05 * np.ptp(expected)
        )
        ids = file.predict_ids(image)
        same.append(ids == expected.argmax(-1))
        right.append((ids == mask)[mask != 255])
    assert np.mean(same) > 0.99
    assert np.concatenate(right).mean() > 0.95


def test_int8_is_integer_from_bytes_to_bytes(exported):
    for output in OUTPUTS:
        run = interpreter(exported("int8", output))
        assert run.get_input_details()[0]["dtype"] == np.uint8
        assert run.get_output_details()[0]["dtype"] == np.uint8
        kinds = {np.dtype(t["dtype"]).kind for t in run.get_tensor_details()}
        assert kinds == {"i", "u"}


def test_int8_takes_bytes_as_they_are_whatever_it_was_calibrated_on(model, tmp_path):
    images = [image.clip(60, 170) for image in draw(4)[0]]
    before = [image.copy() for image in images]
    path = export_litert(
        model, tmp_path / "a.tflite", SIZE, "int8", calibration=iter(images)
    )
    details = interpreter(path).get_input_details()[0]
    assert details["quantization"] == (1.0, 0)
    np.testing.assert_array_equal(images, before)


def test_biases_of_int8_are_corrected(model, examples, tmp_path):
    images = list(draw(8, seed=3)[0])
    path = tmp_path / "a.tflite"
    export_litert(model, path, SIZE, "int8", calibration=images)
    images = checked_images(images, (*SIZE, 3))  # as the export pins their range
    corrected = correct_biases(model, images)
    other = Interpreter(model_content=quantise(calibrate(corrected, SIZE, images)))
    other.allocate_tensors()
    run = interpreter(path)
    for image, _ in examples:
        results = []
        for each in (run, other):
            each.set_tensor(each.get_input_details()[0]["index"], image[np.newaxis])
            each.invoke()
            results.append(each.get_tensor(each.get_output_details()[0]["index"]))
        np.testing.assert_array_equal(*results)


def test_a_sequential_model_becomes_int8(tmp_path):
    keras.utils.set_random_seed(0)
    layers = [keras.Input((*SIZE, 3)), keras.layers.Conv2D(3, 3, padding="same")]
    sequence = keras.Sequential(layers, name="sequence")
    path = tmp_path / "a.tflite"
    export_litert(sequence, path, SIZE, "int8", calibration=draw(4)[0])
    (picture,), _ = draw(1)
    expected = logits_of(sequence, picture)
    actual = LiteRTModel(path).predict(picture)
    np.testing.assert_allclose(actual, expected, atol=0.05 * np.ptp(expected))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_probabilities_are_the_softmax_of_the_logits(exported, examples, precision):
    image, _ = examples[0]
    logits = LiteRTModel(exported(precision)).predict(image)
    actual = LiteRTModel(exported(precision, "probabilities")).predict(image)
    expected = np.exp(logits - logits.max(-1, keepdims=True))
    expected /= expected.sum(-1, keepdims=True)
    np.testing.assert_allclose(
        actual, expected, atol=1 / 200 if precision == "int8" else 1e-6
    )
    assert np.ptp(actual) > 0.9


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_class_map_is_the_argmax_of_the_logits(exported, examples, precision):
    run = interpreter(exported(precision, "class_map"))
    details = run.get_input_details()[0], run.get_output_details()[0]
    for image, _ in examples:
        logits = LiteRTModel(exported(precision)).predict(image)
        file = LiteRTModel(exported(precision, "class_map"))
        run.set_tensor(
            details[0]["index"], image[np.newaxis].astype(details[0]["dtype"])
        )
        run.invoke()
        ids = run.get_tensor(details[1]["index"])
        assert ids.dtype == np.uint8
        assert set(np.unique(ids)) == {0, 1, 2}
        np.testing.assert_array_equal(ids[0], logits.argmax(-1))
        np.testing.assert_array_equal(file.predict(image), ids[0])
        np.testing.assert_array_equal(file.predict_ids(image), ids[0])


@pytest.mark.parametrize("size", [(45, 61), (64, 32)])
def test_other_sizes(model, size, tmp_path):
    path = export_litert(model, tmp_path / "a.tflite", size)
    (image,), _ = draw(1, size)
    actual = LiteRTModel(path).predict(image)
    np.testing.assert_allclose(actual, logits_of(model, image), atol=1e-3)


def test_half_precision_layers_are_converted_as_float32(model, examples, tmp_path):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        mixed = build()
    finally:
        keras.config.set_dtype_policy(policy)
    mixed.set_weights(model.get_weights())
    assert {layer.compute_dtype for layer in mixed.layers} == {"float16", "float32"}
    path = export_litert(mixed, tmp_path / "a.tflite", SIZE)
    image, _ = examples[0]
    actual = LiteRTModel(path).predict(image)
    np.testing.assert_allclose(actual, logits_of(model, image), atol=1e-3)


def test_operators_are_those_of_the_network(exported):
    counts = operators(exported())
    assert counts["CONV_2D"] == 3
    assert counts["DEPTHWISE_CONV_2D"] == counts["TRANSPOSE_CONV"] == 1
    assert counts["RESIZE_BILINEAR"] == 1
    assert list(counts.values()) == sorted(counts.values(), reverse=True)
    details = interpreter(exported())._get_ops_details()
    names = [d["op_name"] for d in details if d["op_name"] != "DELEGATE"]
    assert {name: names.count(name) for name in names} == counts


class Wrapper(tf.Module):
    """The plain way to convert, which leaves the weights behind."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    @tf.function(input_signature=[tf.TensorSpec((1, *SIZE, 3), tf.float32)])
    def serve(self, image):
        return self.network(image, training=False)


def test_a_file_that_lost_its_weights_is_refused(model, tmp_path):
    wrapper = Wrapper(model)
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [wrapper.serve.get_concrete_function()], wrapper
    )
    path = tmp_path / "lost.tflite"
    path.write_bytes(converter.convert())
    with pytest.raises(RuntimeError, match=r"\['READ_VARIABLE', 'VAR_HANDLE'\]"):
        check_litert(path, "float32")


def test_a_file_with_floats_is_not_int8(exported):
    check_litert(exported("float32"), "float32")
    with pytest.raises(RuntimeError, match="integers throughout.*CONV_2D"):
        check_litert(exported("float32"), "int8")
    with pytest.raises(RuntimeError, match="integers throughout.*DEQUANTIZE"):
        check_litert(exported("float16"), "int8")


def test_an_int8_file_with_an_input_scale_is_refused(model, tmp_path, monkeypatch):
    def narrow(content, ranges):
        narrowed = {i: (60, 170) for i, r in ranges.items() if r == (0, 255)}
        assert narrowed
        return with_ranges(content, ranges | narrowed)

    monkeypatch.setattr(calibration, "with_ranges", narrow)
    path = tmp_path / "a.tflite"
    with pytest.raises(RuntimeError, match="bytes of an image as they are"):
        export_litert(model, path, SIZE, "int8", calibration=draw(4)[0])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("output", OUTPUTS)
def test_a_file_of_another_network_is_refused(model, output, tmp_path, monkeypatch):
    other = build()

    def open_other(_, *arguments, **options):
        return open_converter(other, *arguments, **options)

    monkeypatch.setattr(litert, "open_converter", open_other)
    with pytest.raises(RuntimeError, match=f"must give the model's {output}"):
        export_litert(model, tmp_path / "a.tflite", SIZE, output=output)
    assert not list(tmp_path.iterdir())


def test_a_failure_leaves_nothing_and_keeps_what_was_there(
    model, tmp_path, monkeypatch
):
    path = tmp_path / "a.tflite"
    path.write_bytes(b"old")

    def fail(source, target):
        raise PermissionError(target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail)
        with pytest.raises(PermissionError):
            export_litert(model, path, SIZE)
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.tflite"]
    with pytest.raises(OSError):
        export_litert(model, path / "b.tflite", SIZE)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.tflite"]
    export_litert(model, path, SIZE)
    assert sorted(e.name for e in tmp_path.iterdir()) == ["a.json", "a.tflite"]
    assert LiteRTModel(path).input_size == SIZE


@pytest.mark.parametrize("images", [None, [], np.zeros((0, *SIZE, 3), "uint8")])
def test_int8_needs_calibration(model, images, tmp_path):
    with pytest.raises(ValueError, match="needs `calibration`.*Received"):
        export_litert(model, tmp_path / "a.tflite", SIZE, "int8", calibration=images)


def test_calibration_images_must_fit(model, tmp_path):
    images, _ = draw(2, (40, 46))
    for wrong in (images, draw(2)[0].astype("float32")):
        with pytest.raises(ValueError, match=r"uint8 of shape \(33, 46, 3\)"):
            export_litert(model, tmp_path / "a.tflite", SIZE, "int8", calibration=wrong)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"precision": "int9"}, "precision must be one of.*Did you mean 'int8'"),
        ({"output": "mask"}, "output must be one of.*'class_map'.*Received: 'mask'"),
        ({"path": "model.bin"}, r"must be a file \*\.tflite"),
        ({"input_size": (0, 46)}, r"height and a width.*Received: \(0, 46\)"),
        ({"input_size": (33, 46, 3)}, "height and a width"),
        ({"labels": LABELS.numbered(4)}, "Received: 4 labels for 3 classes"),
    ],
)
def test_arguments_are_checked(model, arguments, message, tmp_path):
    arguments = {"path": "a.tflite", "input_size": SIZE, **arguments}
    with pytest.raises(ValueError, match=message):
        export_litert(model, tmp_path / arguments.pop("path"), **arguments)
    assert not list(tmp_path.iterdir())


def test_the_size_of_a_fixed_model_is_kept(tmp_path):
    fixed = build((32, 48, 3))
    with pytest.raises(ValueError, match=r"\(32, 48\).*Received: \(48, 32\)"):
        export_litert(fixed, tmp_path / "a.tflite", (48, 32))
    export_litert(fixed, tmp_path / "a.tflite", (32, 48))


def test_an_image_must_fit_the_file(exported):
    for precision in PRECISIONS:
        file = LiteRTModel(exported(precision))
        (image,), _ = draw(1, (46, 33))
        with pytest.raises(ValueError, match=r"\(33, 46, 3\).*uint8.*\(46, 33, 3\)"):
            file.predict_ids(image)
        (image,), _ = draw(1)
        with pytest.raises(ValueError, match="must be uint8.*float32"):
            file.predict(image.astype("float32"))


def test_the_sidecar_says_what_the_file_is(exported):
    path = exported("int8")
    sidecar = read_sidecar(path)
    assert sidecar == json.loads(path.with_suffix(".json").read_text("utf-8"))
    run = interpreter(path)
    scale, zero_point = run.get_output_details()[0]["quantization"]
    assert sidecar["input"] == {
        "name": "image",
        "shape": [1, *SIZE, 3],
        "dtype": "uint8",
        "range": [0, 255],
        "scale": 1.0,
        "zero_point": 0,
    }
    assert sidecar["output"] == {
        "name": "logits",
        "kind": "logits",
        "shape": [1, *SIZE, 3],
        "dtype": "uint8",
        "scale": scale,
        "zero_point": zero_point,
    }
    assert sidecar["labels"] == LABELS.to_dict()
    assert (sidecar["model"], sidecar["precision"]) == ("tiny", "int8")
    file = LiteRTModel(exported("float16", "class_map"))
    assert (file.input_size, file.precision) == (SIZE, "float16")
    assert (file.output, file.labels) == ("class_map", LABELS)


def test_a_file_and_its_sidecar_belong_together(exported, tmp_path):
    path = tmp_path / "a.tflite"
    with pytest.raises(ValueError, match="must exist.*a.tflite"):
        LiteRTModel(path)
    path.write_bytes(exported().read_bytes())
    sidecar = exported().with_suffix(".json").read_text("utf-8")
    path.with_suffix(".json").write_text(sidecar, "utf-8")
    LiteRTModel(path)
    path.write_bytes(exported("float16").read_bytes())
    with pytest.raises(ValueError, match="the one that its sidecar describes"):
        LiteRTModel(path)


def test_the_converter_is_silent_and_standard_error_comes_back(model, tmp_path, capfd):
    export_litert(model, tmp_path / "a.tflite", SIZE, "int8", "class_map", draw(2)[0])
    assert capfd.readouterr() == ("", "")
    os.write(2, b"heard")
    assert capfd.readouterr().err == "heard"


def test_ids_of_many_classes_do_not_wrap(exported, examples, monkeypatch):
    file = LiteRTModel(exported())
    monkeypatch.setattr(file, "_run", lambda image: np.eye(300)[[[299, 3]]])
    ids = file.predict_ids(examples[0][0])
    assert ids.dtype == np.uint16 and ids.tolist() == [[299, 3]]
