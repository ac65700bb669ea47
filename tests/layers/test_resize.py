import keras
import numpy as np
import pytest
import tensorflow as tf

from kseg.layers import ResizeLike


def interpolation(have, want):
    """Matrix `(want, have)` of linear interpolation between half-pixel centres."""
    matrix = np.zeros((want, have))
    for i in range(want):
        position = np.clip((i + 0.5) * have / want - 0.5, 0, have - 1)
        low = int(position)
        matrix[i, low] += 1 - (position - low)
        matrix[i, min(low + 1, have - 1)] += position - low
    return matrix


@pytest.mark.parametrize(
    ("have", "want"),
    [((4, 6), (16, 24)), ((5, 3), (33, 47)), ((1, 1), (7, 5)), ((9, 8), (9, 8))],
)
def test_it_interpolates_between_half_pixel_centres(have, want):
    x = np.random.default_rng(0).normal(size=(2, *have, 3)).astype("float32")
    expected = np.einsum(
        "ih,bhwc,jw->bijc", interpolation(have[0], want[0]), x,
        interpolation(have[1], want[1]),
    )  # fmt: skip
    actual = ResizeLike()(x, np.zeros((2, *want, 1), "float32"))
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def between_corners(have, want):
    """Matrix `(want, have)` of linear interpolation, corner pixel on corner pixel."""
    positions = np.linspace(0, have - 1, want) if want > 1 else [0.0]
    return np.maximum(0, 1 - np.abs(np.subtract.outer(positions, np.arange(have))))


@pytest.mark.parametrize(
    ("have", "want"),
    [((4, 6), (25, 41)), ((5, 3), (33, 47)), ((1, 2), (7, 1)), ((9, 8), (3, 8))],
)
def test_it_interpolates_between_corners(have, want):
    x = np.random.default_rng(0).normal(size=(2, *have, 3)).astype("float32")
    expected = np.einsum(
        "ih,bhwc,jw->bijc", between_corners(have[0], want[0]), x,
        between_corners(have[1], want[1]),
    )  # fmt: skip
    layer, reference = ResizeLike(align_corners=True), np.zeros((2, *want, 1))
    np.testing.assert_allclose(layer(x, reference), expected, atol=1e-5)
    run = tf.function(layer, input_signature=[tf.TensorSpec((None,) * 4)] * 2)
    np.testing.assert_allclose(run(x, reference), expected, atol=1e-5)
    # What other backends do, whose sizes are known.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.backend, "backend", lambda: "another")
        np.testing.assert_allclose(layer(x, reference), expected, atol=1e-5)


def test_it_does_not_smooth_where_it_shrinks():
    x = np.zeros((1, 9, 9, 1), "float32")
    x[0, ::3, ::3] = 1  # between the centres of the smaller image: 1, 4, 7
    assert np.all(ResizeLike()(x, np.zeros((1, 3, 3, 1))) == 0)


def test_one_model_resizes_to_any_size():
    x, reference = keras.Input((None, None, 2)), keras.Input((None, None, 3))
    model = keras.Model([x, reference], ResizeLike()(x, reference))
    assert model.output_shape == (None, None, None, 2)
    run = tf.function(model, reduce_retracing=True)
    for size in ((8, 12), (5, 7), (1, 1)):
        result = run([tf.ones((1, 3, 2, 2)), tf.zeros((1, *size, 3))])
        np.testing.assert_array_equal(result, np.ones((1, *size, 2)))


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "bfloat16"])
def test_the_result_has_the_compute_dtype(policy, align_corners):
    layer = ResizeLike(align_corners, dtype=policy)
    result = layer(np.ones((1, 2, 2, 1)), np.zeros((1, 4, 4, 1)))
    assert keras.backend.standardize_dtype(result.dtype) == layer.compute_dtype


def test_a_saved_layer_is_the_same_layer():
    layer = ResizeLike(align_corners=True, dtype="float32", name="logits")
    restored = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(layer)
    )
    assert isinstance(restored, ResizeLike)
    assert restored.align_corners
    assert restored.get_config() == layer.get_config()
