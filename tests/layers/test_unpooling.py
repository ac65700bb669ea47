import keras
import numpy as np
import pytest
import tensorflow as tf

from kseg.export import LiteRTModel, export_litert, operators
from kseg.layers import MaxPoolingWithIndices, MaxUnpooling

SIZES = [(1, 1), (1, 6), (2, 2), (5, 1), (7, 4), (8, 9), (3, 3)]


def values(size, ties=False, seed=0):
    """Two images of three channels; with ties, of few different values."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(2, *size, 3))
    return (np.round(x) if ties else x).astype("float32")


def windows(size):
    """Yields each window's place and the places of its pixels, in raster order."""
    for top in range(0, size[0], 2):
        for left in range(0, size[1], 2):
            inside = [
                (top + i, left + j)
                for i in (0, 1)
                for j in (0, 1)
                if top + i < size[0] and left + j < size[1]
            ]
            yield (top // 2, left // 2), inside


def first_maxima(x):
    """Returns pooled values and the pixel they came from, one window at a time."""
    batch, *size, channels = x.shape
    half = [-(-side // 2) for side in size]
    pooled = np.zeros((batch, *half, channels), x.dtype)
    place = np.zeros((batch, *half, channels, 2), int)
    for (i, j), inside in windows(size):
        taps = np.stack([x[:, a, b] for a, b in inside])
        pooled[:, i, j] = taps.max(0)
        place[:, i, j] = np.array(inside)[taps.argmax(0)]  # numpy takes the first
    return pooled, place


def scattered(pooled, place, size):
    """Writes every pooled value to its pixel of an empty image."""
    result = np.zeros((pooled.shape[0], *size, pooled.shape[-1]), pooled.dtype)
    for n, i, j, c in np.ndindex(pooled.shape):
        result[n, *place[n, i, j, c], c] = pooled[n, i, j, c]
    return result


def gathered(x, place):
    """Reads from every remembered pixel."""
    return np.array([
        x[n, *place[n, i, j, c], c] for n, i, j, c in np.ndindex(place.shape[:-1])
    ]).reshape(place.shape[:-1])  # fmt: skip


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_the_first_maximum_is_taken_and_put_back(size, ties):
    x = values(size, ties)
    pooled, indices = MaxPoolingWithIndices()(x)
    expected, place = first_maxima(x)
    np.testing.assert_array_equal(pooled, expected)
    corner = 2 * np.indices(expected.shape[1:3])[:, np.newaxis, :, :, np.newaxis]
    down, right = np.moveaxis(place, -1, 0) - corner
    np.testing.assert_array_equal(indices, 2 * down + right)
    assert indices.dtype == "uint8"

    other = values(expected.shape[1:3], seed=1)
    unpooled = MaxUnpooling()(other, indices, x)
    np.testing.assert_array_equal(unpooled, scattered(other, place, size))


def test_all_equal_pixels_go_to_the_top_left():
    x = np.full((1, 5, 5, 1), -2.0, "float32")
    _, indices = MaxPoolingWithIndices()(x)
    assert not np.any(indices)


def test_indices_of_all_four_pixels_occur():
    _, indices = MaxPoolingWithIndices()(values((8, 9)))
    assert set(np.unique(indices)) == {0, 1, 2, 3}


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_gradients_follow_the_indices(size, ties):
    """That of pooling scatters and that of unpooling gathers, at the same places."""
    x = tf.constant(values(size, ties))
    pooled, place = first_maxima(x.numpy())
    into_pooled = values(pooled.shape[1:3], seed=1)
    into_unpooled = values(size, seed=2)
    other = tf.constant(values(pooled.shape[1:3], seed=3))
    with tf.GradientTape() as tape:
        tape.watch([x, other])
        pooled, indices = MaxPoolingWithIndices()(x)
        unpooled = MaxUnpooling()(other, indices, x)
        loss = tf.reduce_sum(pooled * into_pooled)
        loss += tf.reduce_sum(unpooled * into_unpooled)
    to_x, to_other = tape.gradient(loss, [x, other])
    np.testing.assert_array_equal(to_x, scattered(into_pooled, place, size))
    np.testing.assert_array_equal(to_other, gathered(into_unpooled, place))


def test_the_gradient_is_that_of_finite_differences():
    def loss(x):
        pooled, indices = MaxPoolingWithIndices(dtype="float64")(x)
        unpooled = MaxUnpooling(dtype="float64")(pooled**2, indices, x)
        return tf.reduce_sum(unpooled * np.arange(75.0).reshape(1, 5, 5, 3))

    x = tf.constant(np.random.default_rng(0).permutation(75).reshape(1, 5, 5, 3) / 75)
    theory, numeric = tf.test.compute_gradient(loss, [x])
    np.testing.assert_allclose(theory[0], numeric[0], atol=1e-6)
    assert np.ptp(theory[0]) > 1


def autoencoder(scale=1.0):
    """Two levels of pooling and back."""
    image = keras.Input((None, None, 3))
    x = keras.layers.Rescaling(scale)(image)
    once, first = MaxPoolingWithIndices(name="pool1")(x)
    twice, second = MaxPoolingWithIndices(name="pool2")(once)
    y = MaxUnpooling(name="unpool2")(twice, second, once)
    return keras.Model(image, MaxUnpooling(name="unpool1")(y, first, x))


def test_one_graph_takes_any_size():
    model = autoencoder()
    assert model.output_shape == (None, None, None, 3)
    run = tf.function(
        lambda x: model(x), input_signature=[tf.TensorSpec((None, None, None, 3))]
    )
    for size in SIZES:
        x = values(size)
        once, first = first_maxima(x)
        twice, second = first_maxima(once)
        expected = scattered(scattered(twice, second, once.shape[1:3]), first, size)
        np.testing.assert_array_equal(run(x), expected)
        np.testing.assert_array_equal(model.predict_on_batch(x), expected)


def test_symbolic_outputs_have_the_shapes_and_types_of_the_real_ones():
    pooled, indices = MaxPoolingWithIndices()(keras.Input((33, None, 5)))
    assert pooled.shape == indices.shape == (None, 17, None, 5)
    assert (pooled.dtype, indices.dtype) == ("float32", "uint8")
    reference = keras.Input((33, None, 7))
    assert MaxUnpooling()(pooled, indices, reference).shape == (None, 33, None, 5)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_takes_the_same_places(policy):
    x = values((7, 10), ties=True)
    pooled, indices = MaxPoolingWithIndices(dtype=policy)(x)
    expected, place = first_maxima(x)
    assert pooled.dtype == policy.removeprefix("mixed_")
    np.testing.assert_array_equal(indices, MaxPoolingWithIndices()(x)[1])
    unpooled = MaxUnpooling(dtype=policy)(pooled, indices, x)
    assert unpooled.dtype == pooled.dtype
    np.testing.assert_array_equal(
        tf.cast(unpooled, "float32"), scattered(expected, place, (7, 10))
    )


def test_a_saved_model_needs_no_custom_objects(tmp_path):
    autoencoder().save(tmp_path / "model.keras")
    restored = keras.saving.load_model(tmp_path / "model.keras")
    x = values((7, 10))
    np.testing.assert_array_equal(restored(x), autoencoder()(x))


@pytest.mark.parametrize("scale", [1 / 128, 1 / 2])
@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_litert_places_every_byte_where_keras_does(precision, scale, tmp_path):
    size = (9, 14)
    rng = np.random.default_rng(0)
    image, *rest = rng.integers(0, 256, (4, *size, 3), dtype="uint8")
    calibration = [image, *rest] if precision == "int8" else None
    model = autoencoder(scale)
    path = export_litert(
        model, tmp_path / "a.tflite", size, precision, calibration=calibration
    )
    expected = model(image[np.newaxis].astype("float32"))[0]
    actual = LiteRTModel(path).predict(image)
    # A step of a byte is one of every map's scale: nothing is rounded.
    np.testing.assert_allclose(actual, expected, atol=scale / 100)
    assert np.ptp(expected) > 200 * scale
    assert operators(path)["MAX_POOL_2D"] == 2


@pytest.mark.parametrize("scale", [1, 20])
def test_bytes_that_litert_cannot_compare_are_refused(scale, tmp_path):
    images = list(np.random.default_rng(0).integers(0, 256, (2, 4, 6, 3), "uint8"))
    arguments = autoencoder(scale), tmp_path / "a.tflite", (4, 6), "int8"
    with pytest.raises(RuntimeError, match=f"-128 and 127.*scale {scale}"):
        export_litert(*arguments, calibration=images)
    assert list(tmp_path.iterdir()) == []
