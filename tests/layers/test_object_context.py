import keras
import numpy as np
import pytest
import tensorflow as tf

from kseg.export import LiteRTModel, export_litert, operators
from kseg.layers import ObjectAttention, ObjectRegions


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


@pytest.fixture
def maps():
    """Features of 6 channels and logits of 4 classes, of two images of 5 x 3."""
    return noise(2, 5, 3, 6), 3 * noise(2, 5, 3, 4, seed=1)


def test_a_region_is_the_mean_of_the_features_weighted_over_space(maps):
    features, logits = (x.astype("float64") for x in maps)
    expected = np.empty((2, 4, 1, 6))
    for image in range(2):
        for k in range(4):
            weight = np.exp(logits[image, :, :, k])
            weight /= weight.sum()
            for channel in range(6):
                total = (weight * features[image, :, :, channel]).sum()
                expected[image, k, 0, channel] = total
    np.testing.assert_allclose(ObjectRegions()(*maps), expected, atol=1e-5)


def test_a_region_that_is_sure_has_the_mean_of_its_pixels(maps):
    """However large the logits are, and whatever all pixels have in common."""
    features, _ = maps
    logits = np.full((2, 5, 3, 2), -2000, "float32")
    logits[:, 1:3, :2, 0] = 1000
    logits[..., 1] = 3000
    regions = np.asarray(ObjectRegions()(features, logits))
    np.testing.assert_allclose(
        regions[:, 0, 0], features[:, 1:3, :2].mean((1, 2)), atol=1e-6
    )
    np.testing.assert_allclose(regions[:, 1, 0], features.mean((1, 2)), atol=1e-6)


def test_attention_is_the_mean_of_the_values_weighted_over_classes():
    query, key, value = noise(2, 5, 3, 8), noise(2, 4, 1, 8, seed=1), noise(2, 4, 1, 6)
    expected = np.empty((2, 5, 3, 6))
    for place in np.ndindex(2, 5, 3):
        image = place[0]
        scores = [query[place] @ key[image, k, 0] / np.sqrt(8) for k in range(4)]
        weight = np.exp(scores) / np.exp(scores).sum()
        expected[place] = sum(weight[k] * value[image, k, 0] for k in range(4))
    actual = ObjectAttention()(query, key, value)
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def context(size=(None, None)):
    """A model from an image to the context that its own colours give it."""
    image = keras.Input((*size, 3))
    x = keras.layers.Rescaling(1 / 64, -2)(image)
    logits = keras.layers.Conv2D(4, 5, padding="same", name="logits")(x)
    features = keras.layers.Conv2D(6, 1, name="features")(x)
    regions = ObjectRegions(name="regions")(features, logits)
    attended = ObjectAttention(name="attention")(features, regions, regions)
    model = keras.Model(image, attended)
    for seed, layer in enumerate(
        (model.get_layer("logits"), model.get_layer("features"))
    ):
        scale = 0.3 if layer.name == "logits" else 1.5
        layer.kernel.assign(scale * noise(*layer.kernel.shape, seed=seed))
    return model


def scene(size, seed):
    """Returns an image of patches of colour, uint8."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (size[0] // 8, size[1] // 8, 3))
    return np.kron(coarse, np.ones((8, 8, 1))).astype("uint8")


def test_one_graph_takes_any_size():
    model = context()
    assert model.output_shape == (None, None, None, 6)
    assert model.get_layer("regions").output.shape == (None, 4, 1, 6)
    run = tf.function(model, reduce_retracing=True)
    for batch, *size in ((2, 9, 4), (1, 5, 6), (3, 1, 1)):
        image = 50 * noise(batch, *size, 3) + 128
        np.testing.assert_allclose(run(image), model(image), atol=1e-5)


@pytest.mark.parametrize(
    ("precision", "correlation"), [("float32", 0.999999), ("int8", 0.99)]
)
def test_litert_sees_regions_of_thousands_of_pixels(precision, correlation, tmp_path):
    """The share of a pixel is far below 1/256, the step of LiteRT's int8 softmax."""
    size, path = (96, 96), tmp_path / "context.tflite"
    model = context()
    calibration = [scene(size, seed) for seed in range(1, 9)]
    export_litert(
        model,
        path,
        size,
        precision,
        calibration=calibration if precision == "int8" else None,
    )
    assert operators(path)["BATCH_MATMUL"] == 3
    image = scene(size, 0)
    expected = np.asarray(model(image[np.newaxis].astype("float32")))[0]
    actual = LiteRTModel(path).predict(image)
    for channel in range(6):
        pair = actual[..., channel].ravel(), expected[..., channel].ravel()
        assert np.corrcoef(*pair)[0, 1] > correlation


@pytest.mark.parametrize("layer", [ObjectRegions, ObjectAttention])
def test_a_saved_layer_is_the_same_layer(layer):
    restored = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(layer(name="objects", dtype="float64"))
    )
    assert type(restored) is layer
    assert (restored.name, restored.compute_dtype) == ("objects", "float64")
