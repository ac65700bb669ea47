"""The ids of a file for images of any size."""

import numpy as np
import pytest
import scipy.special
from ai_edge_litert.interpreter import Interpreter
from lite_files import SIZE, draw
from PIL import Image

import kseg
from kseg.lite import LiteRTModel, predict, read_sidecar
from kseg.lite.one_image import finite, probabilities_of

SIZES = [SIZE, (20, 28), (90, 131), (1, 1), (200, 7)]
FILES = [
    ("float32", "logits", "whole"),
    ("float32", "logits", "one_logit"),
    ("float32", "probabilities", "middle"),
    ("float32", "class_map", "whole"),
    ("int8", "logits", "middle"),
    ("int8", "probabilities", "whole"),
    ("int8", "class_map", "middle"),
]


def resized(array, size, method):
    return np.asarray(Image.fromarray(array).resize(size[::-1], method))


def by_hand(path, image):
    """The ids of an image, step by step, in one function of its own."""
    interpreter = Interpreter(str(path), num_threads=2)
    interpreter.allocate_tensors()
    (source,), (result,) = (
        interpreter.get_input_details(),
        interpreter.get_output_details(),
    )
    given = tuple(result["shape"][1:3])
    seen = resized(image, given, Image.Resampling.BILINEAR)
    border = (source["shape"][1] - given[0]) // 2, (source["shape"][2] - given[1]) // 2
    seen = np.pad(seen, [(border[0],) * 2, (border[1],) * 2, (0, 0)], "reflect")
    interpreter.set_tensor(source["index"], seen[np.newaxis].astype(source["dtype"]))
    interpreter.invoke()
    values = interpreter.get_tensor(result["index"])[0]
    kind = read_sidecar(path)["output"]["kind"]
    if kind == "class_map":
        return resized(values, image.shape[:2], Image.Resampling.NEAREST)
    scale, zero_point = result["quantization"]
    if scale:
        values = np.float32(scale) * (values.astype(np.float32) - zero_point)
    channels = np.moveaxis(values, -1, 0)
    sized = [resized(x, image.shape[:2], Image.Resampling.BILINEAR) for x in channels]
    scores = np.stack(sized, -1)
    if scores.shape[-1] == 1:
        scores = np.concatenate([np.zeros_like(scores), scores], -1)
    return scores.argmax(-1)


@pytest.mark.parametrize(("precision", "output", "kind"), FILES)
def test_ids_are_those_of_the_steps_and_of_the_full_package(
    litert_file, precision, output, kind
):
    path = litert_file(precision, output, kind)
    model = LiteRTModel(path)
    assert (model.output_size < SIZE) == (kind == "middle")
    for number, size in enumerate(SIZES):
        image = draw(size, number)
        ids = predict(model, image)
        assert ids.dtype == np.uint8 and ids.shape == size
        np.testing.assert_array_equal(ids, by_hand(path, image))
        np.testing.assert_array_equal(ids, kseg.predict(model, image))
    assert len(np.unique(predict(model, draw((90, 131), 2)))) > 1


@pytest.mark.parametrize("classes", [2, 11, 150])
def test_probabilities_are_those_of_scipy_to_the_bit(classes):
    rng = np.random.default_rng(classes)
    logits = rng.normal(0, 8, (37, 41, classes)).astype(np.float32)
    kept = logits.copy()
    expected = scipy.special.softmax(logits, axis=-1)
    np.testing.assert_array_equal(probabilities_of(logits), expected)
    np.testing.assert_array_equal(logits, kept)
    one = logits[..., :1]
    two = scipy.special.softmax(np.concatenate([0 * one, one], -1), axis=-1)
    np.testing.assert_array_equal(probabilities_of(one), two)


def test_what_is_no_image_is_refused(litert_file):
    model = LiteRTModel(litert_file())
    with pytest.raises(ValueError, match=r"uint8 array \(height, width, 3\)"):
        predict(model, draw(SIZE).astype("float32"))
    model.image_shape = (*SIZE, 1)
    with pytest.raises(ValueError, match=r"take RGB images. Received: .*\(36, 52, 1\)"):
        predict(model, draw(SIZE))


def test_scores_that_are_none_are_refused():
    scores = np.zeros((4, 5, 3), np.float32)
    assert finite(scores) is scores
    scores[1, 2] = np.nan
    with pytest.raises(ValueError, match="1 of 20 pixels are NaN"):
        finite(scores)
