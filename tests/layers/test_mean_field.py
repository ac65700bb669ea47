import keras
import numpy as np
import pytest

from kseg.inference import dense_crf
from kseg.layers import MeanField
from kseg.layers.mean_field import NORMALIZATIONS

KERNELS = dict(w1=5.0, s_alpha=6.0, s_beta=30.0, w2=3.0, s_gamma=2.0)


def scene(height, width, num_classes, seed=0):
    """Returns an image of smooth colours, and noisy logits."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    image = np.stack([np.sin(x / 4), np.cos(y / 5), np.sin((x + y) / 6)], axis=-1)
    image = (127 + 100 * image + rng.normal(0, 5, image.shape)).clip(0, 255)
    logits = rng.normal(0, 1, (height, width, num_classes))
    return image.astype("float32"), logits.astype("float32")


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_at_first_it_is_the_dense_crf(normalization):
    image, logits = scene(9, 12, 4)
    kernels = KERNELS
    if normalization == "none":
        kernels = KERNELS | dict(w1=0.05, w2=0.3)
    layer = MeanField(1, 3, **kernels, normalization=normalization)
    refined = layer(image[np.newaxis], logits[np.newaxis])
    expected = dense_crf(
        image,
        logits,
        "logits",
        **kernels,
        iterations=3,
        normalization=normalization,
        exact=True,
    )
    actual = keras.ops.softmax(refined)[0]
    np.testing.assert_allclose(actual, expected, atol=1e-4)
    start = keras.ops.softmax(logits)
    assert np.abs(actual - start).max() > 0.1


def test_cells_have_the_mean_colour_and_their_distance_in_pixels():
    """On a map the kernels are those of the image made smaller."""
    image, logits = scene(5, 6, 3)
    large = np.kron(image, np.ones((4, 4, 1)))[np.newaxis]
    on_map = MeanField(4, 2, **KERNELS)(large, logits[np.newaxis])[0]
    narrow = KERNELS | dict(s_alpha=6.0 / 4, s_gamma=2.0 / 4)
    expected = MeanField(1, 2, **narrow)(image[np.newaxis], logits[np.newaxis])[0]
    np.testing.assert_allclose(on_map, expected, atol=1e-4)


def test_a_compatibility_that_was_learned_is_that_of_the_function():
    image, logits = scene(7, 8, 3)
    layer = MeanField(1, 2, **KERNELS)
    layer.build((1, 7, 8, 3), (1, 7, 8, 3))
    mu = np.random.default_rng(1).uniform(-1, 1, (3, 3)).astype("float32")
    layer.compatibility.assign(mu)
    actual = keras.ops.softmax(layer(image[np.newaxis], logits[np.newaxis]))[0]
    expected = dense_crf(
        image, logits, "logits", **KERNELS, iterations=2, compatibility=mu, exact=True
    )
    np.testing.assert_allclose(actual, expected, atol=1e-4)


def network(size=(None, None)):
    """A network whose logits at stride 4 are refined."""
    image = keras.Input((*size, 3), name="image")
    x = keras.layers.Rescaling(1 / 127.5, -1)(image)
    x = keras.layers.Conv2D(3, 3, strides=4, padding="same", name="scores")(x)
    x = MeanField(4, 3, **KERNELS, name="crf")(image, x)
    return keras.Model(image, x)


def test_one_graph_takes_any_size():
    tf = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("graphs of unknown sizes are TensorFlow's")
    model = network()
    assert model.output_shape == (None, None, None, 3)
    run = tf.function(model, reduce_retracing=True)
    for batch, height, width in ((2, 16, 20), (1, 13, 17), (3, 1, 1)):
        image = np.stack([scene(height, width, 2, seed)[0] for seed in range(batch)])
        result = run(image)
        assert result.shape == (batch, -(-height // 4), -(-width // 4), 3)
        np.testing.assert_allclose(result, model(image), atol=1e-5)


def test_fit_trains_its_weights_and_those_before_it():
    keras.utils.set_random_seed(0)
    model = network()
    images = np.stack([scene(16, 20, 2, seed)[0] for seed in range(8)])
    masks = (images[:, ::4, ::4, 0] > 127).astype("int32")
    layer = model.get_layer("crf")
    names = [v.name for v in layer.trainable_variables]
    assert names == ["bilateral_weight", "gaussian_weight", "compatibility"]
    before = [np.array(v) for v in layer.trainable_variables]
    scores = np.array(model.get_layer("scores").kernel)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss)
    history = model.fit(images, masks, epochs=8, verbose=0).history["loss"]
    assert history[-1] < history[0]
    for old, variable in zip(before, layer.trainable_variables, strict=True):
        assert np.abs(old - np.array(variable)).max() > 1e-3, variable.name
    assert np.abs(scores - np.array(model.get_layer("scores").kernel)).max() > 1e-3


def test_half_precision_computes_in_float32():
    image, logits = scene(9, 12, 4)
    expected = MeanField(1, 3, **KERNELS)(image[np.newaxis], logits[np.newaxis])
    half = MeanField(1, 3, **KERNELS, dtype="mixed_bfloat16")
    actual = half(image[np.newaxis], logits[np.newaxis])
    assert actual.dtype == "float32"
    np.testing.assert_allclose(actual, expected, atol=1e-4)


def test_a_saved_network_is_the_same(tmp_path):
    model = network((16, 20))
    model.get_layer("crf").compatibility.assign(np.full((3, 3), 0.3, "float32"))
    model.save(tmp_path / "model.keras")
    restored = keras.saving.load_model(tmp_path / "model.keras")
    image = scene(16, 20, 2)[0][np.newaxis]
    np.testing.assert_allclose(restored(image), model(image), atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(stride=0), "stride=0"),
        (dict(iterations=0), "iterations=0"),
        (dict(w1=-1), "w1=-1"),
        (dict(s_gamma=0), "s_gamma=0"),
        (dict(normalization="sum"), "'symmetric'.*'sum'"),
    ],
)
def test_wrong_arguments_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        MeanField(**options)


def test_a_map_of_another_stride_is_refused():
    image, x = keras.Input((64, 60, 3)), keras.Input((16, 15, 5))
    with pytest.raises(ValueError, match="over `stride`.*stride=8.*16, 15"):
        MeanField(8)(image, x)
    assert MeanField(4)(image, x).shape == (None, 16, 15, 5)
