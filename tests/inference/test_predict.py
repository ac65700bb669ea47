"""Predictions at the image's own size, whatever the model's."""

import functools

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image

import kseg
from kseg.inference import (
    CRF_PARAMETERS,
    dense_crf,
    predict,
    predict_file,
    predict_logits,
    predict_probabilities,
)


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    return kseg.build("unet", num_classes=3, filters=4, depth=3)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (33, 47), (64, 64)])
def test_any_size_comes_back_at_its_size(network, size):
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    ids = predict(network, image)
    assert ids.shape == size and ids.dtype == np.uint8
    logits = network(image[np.newaxis].astype("float32"), training=False)
    np.testing.assert_array_equal(ids, np.asarray(logits)[0].argmax(-1))


def test_probabilities_sum_to_one_and_agree_with_the_ids(network):
    image = np.random.default_rng(1).integers(0, 256, (20, 31, 3), np.uint8)
    probabilities = predict_probabilities(network, image)
    np.testing.assert_allclose(probabilities.sum(-1), 1, rtol=1e-5)
    np.testing.assert_array_equal(probabilities.argmax(-1), predict(network, image))


def test_a_model_of_a_fixed_size_sees_the_image_resized():
    image = keras.Input((16, 16, 3))
    left_or_right = layers.Conv2D(2, 1, use_bias=False)
    model = keras.Model(image, left_or_right(image))
    left_or_right.set_weights([np.array([[[[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]]])])
    picture = np.zeros((30, 50, 3), np.uint8)
    picture[:, :25, 0] = picture[:, 25:, 1] = 255
    ids = predict(model, picture)
    assert (ids[:, :23] == 0).all() and (ids[:, 27:] == 1).all()


def test_a_fixed_valid_network_gives_what_the_open_one_does():
    options = {"num_classes": 2, "filters": 2, "depth": 2, "padding": "valid"}
    network = kseg.build("unet", **options)
    fixed = kseg.build("unet", input_shape=(44, 44, 3), **options)
    fixed.set_weights(network.get_weights())
    image = np.random.default_rng(3).integers(0, 256, (28, 28, 3), np.uint8)
    np.testing.assert_array_equal(predict(fixed, image), predict(network, image))


def test_one_logit_is_that_of_class_1_against_0():
    image = keras.Input((None, None, 3))
    red = layers.Conv2D(1, 1, bias_initializer=keras.initializers.Constant(-100.0))
    model = keras.Model(image, red(image))
    red.kernel.assign([[[[1.0], [0.0], [0.0]]]])
    picture = np.random.default_rng(4).integers(95, 106, (9, 12, 3), np.uint8)
    logits = predict_logits(model, picture)
    np.testing.assert_array_equal(logits[..., 0], picture[..., 0] - 100.0)
    ids = predict(model, picture)
    assert ids.dtype == np.uint8
    np.testing.assert_array_equal(ids, picture[..., 0] > 100)
    probabilities = predict_probabilities(model, picture)
    expected = 1 / (1 + np.exp(-logits[..., 0]))
    assert probabilities.shape == (9, 12, 2) and probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities[..., 1], expected, rtol=1e-5)
    np.testing.assert_allclose(probabilities.sum(-1), 1, rtol=1e-6)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4), np.uint8),
        np.zeros((1, 4, 4, 3), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        "photo.jpg",
    ],
)
def test_anything_but_an_image_is_refused(network, image):
    with pytest.raises(ValueError, match=r"uint8 array \(height, width, 3\)"):
        predict(network, image)


# Options


def noise(height, width):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def test_the_crf_comes_after_the_mean_and_before_the_ids(network):
    image = noise(30, 41)
    options = dict(scales=(1, 1.5), flip=True)
    crf = dict(s_alpha=9, s_beta=40, w1=5)
    expected = dense_crf(image, predict_probabilities(network, image, **options), **crf)
    actual = predict_probabilities(network, image, crf=crf, **options)
    np.testing.assert_allclose(actual, expected, atol=1e-6)
    ids = predict(network, image, crf=crf, **options)
    np.testing.assert_array_equal(ids, expected.argmax(-1))
    assert (ids != predict(network, image, **options)).any()
    named = predict_probabilities(network, image, crf="kraehenbuehl")
    given = predict_probabilities(network, image, crf=CRF_PARAMETERS["kraehenbuehl"])
    np.testing.assert_array_equal(named, given)


def test_all_options_together_are_a_prediction(network):
    ids = predict(
        network,
        noise(150, 90),
        tile=(128, 128),
        overlap=64,
        blend="linear",
        scales=(0.5, 1, 1.5),
        flip=True,
        turns=True,
        crf="deeplab",
    )
    assert ids.shape == (150, 90) and ids.dtype == np.uint8


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (dict(scales=()), r"`scales`.*Received: \(\)"),
        (dict(scales=(1, 0)), r"`scales`.*Received: \(1, 0\)"),
        (dict(scales=(float("nan"),)), "`scales`"),
        (dict(blend="linear"), "Only tiles are blended.*'linear'"),
        (dict(scales=1.0), "`scales` must hold.*Received: 1.0"),
        (dict(scales="12"), "`scales`.*Received: 12"),
        (dict(scales=(1, None)), "`scales`"),
        (dict(tile=64), "`tile` must be a height and a width.*Received: 64"),
        (dict(tile=(64, 64, 3)), r"`tile`.*Received: \(64, 64, 3\)"),
        (dict(tile=(64.0, 64.0)), r"`tile`.*integers.*Received: \(64.0, 64.0\)"),
        (dict(tile=(-5, 64)), r"`tile`.*Received: \(-5, 64\)"),
        (dict(tile=()), "`tile`"),
        (dict(tile=(128, 128), overlap=64.0), "`overlap`.*integer.*overlap=64.0"),
        (dict(tile=(90, 90), overlap=64), "63 pixels"),
        (dict(crf="deeplabv9"), "must be one of.*'deeplabv2'"),
        (dict(crf={"w3": 1}), "'w3'"),
    ],
)
def test_options_are_checked_before_the_model_runs(options, words, monkeypatch):
    model = kseg.build("unet", num_classes=2, filters=2, depth=2)
    monkeypatch.setattr(type(model), "predict_on_batch", None)
    for function in (predict, predict_probabilities):
        with pytest.raises(ValueError, match=words):
            function(model, noise(9, 9), **options)


def test_a_fixed_model_has_scales_only_with_tiles():
    options = dict(num_classes=2, filters=2, depth=2)
    fixed = kseg.build("unet", input_shape=(96, 96, 3), **options)
    with pytest.raises(ValueError, match=r"one scale.*tile=\(96, 96\)"):
        predict(fixed, noise(50, 50), scales=(0.5, 1))
    ids = predict(fixed, noise(50, 50), (96, 96), 32, scales=(0.5, 1))
    assert ids.shape == (50, 50)


@pytest.fixture(scope="module")
def litert(tmp_path_factory):
    """A function that exports a network for 96x96 and loads it, with the network."""
    pytest.importorskip("ai_edge_litert")
    from kseg.export import LiteRTModel, export_litert

    keras.utils.set_random_seed(0)  # some see one class everywhere
    network = kseg.build("unet", num_classes=3, filters=3, depth=2)

    @functools.cache
    def load(output):
        path = tmp_path_factory.mktemp("litert") / "net.tflite"
        export_litert(network, path, (96, 96), output=output)
        return LiteRTModel(path)

    return network, load


@pytest.mark.parametrize("output", ["logits", "probabilities"])
def test_a_litert_file_takes_all_options(litert, output):
    network, load = litert
    fixed = kseg.build(
        "unet", num_classes=3, filters=3, depth=2, input_shape=(96, 96, 3)
    )
    fixed.set_weights(network.get_weights())
    options = dict(
        tile=(96, 96), overlap=34, blend="linear", scales=(0.8, 1), flip=True
    )
    image = noise(130, 100)
    np.testing.assert_allclose(
        predict_probabilities(load(output), image, **options),
        predict_probabilities(fixed, image, **options),
        atol=1e-3,
    )


def test_a_class_map_takes_tiles_and_refuses_the_rest(litert):
    network, load = litert
    model, image = load("class_map"), noise(160, 192)
    tiled = predict(model, image, (96, 96), 64)
    assert tiled.dtype == np.uint8
    assert (tiled == predict(network, image)).mean() > 0.999
    # Without options it sees the image resized, and its ids are enlarged.
    assert (predict(model, image) != tiled).mean() > 0.01
    for options in (
        dict(flip=True),
        dict(turns=True),
        dict(crf="deeplab"),
        dict(tile=(96, 96), overlap=64, blend="linear"),
        dict(tile=(96, 96), overlap=64, scales=(0.5,)),
    ):
        with pytest.raises(ValueError, match="need.*probabilities.*class map"):
            predict(model, image, **options)
    with pytest.raises(ValueError, match="class map"):
        predict_probabilities(model, image, (96, 96), 64)


@pytest.mark.parametrize("output", ["logits", "probabilities"])
def test_ids_of_a_litert_file_are_its_probabilities_highest(output, tmp_path):
    pytest.importorskip("ai_edge_litert")
    from kseg.export import LiteRTModel, export_litert

    network = maps((None, None, 3), 3)  # the class is the brightest channel
    network.layers[-1].kernel.assign(np.eye(3)[None, None] / 50)
    export_litert(network, tmp_path / "net.tflite", (96, 96), output=output)
    model, image = LiteRTModel(tmp_path / "net.tflite"), noise(192, 96)
    ids, scores = predict(model, image), predict_probabilities(model, image)
    np.testing.assert_array_equal(ids, scores.argmax(-1))
    seen = Image.fromarray(image).resize((96, 96), Image.Resampling.BILINEAR)
    nearest = model.predict_ids(np.asarray(seen)).repeat(2, axis=0)
    assert 0 < (ids != nearest).mean() < 0.3


# Models


def maps(shape, *filters):
    image = keras.Input(shape)
    outputs = [layers.Conv2D(n, 1)(image) for n in filters]
    return keras.Model(image, outputs if len(outputs) > 1 else outputs[0])


def two_inputs():
    images = [keras.Input((None, None, 3)), keras.Input((None, None, 3))]
    return keras.Model(images, layers.Conv2D(2, 1)(layers.Add()(images)))


def classifier():
    image = keras.Input((None, None, 3))
    return keras.Model(image, layers.GlobalAveragePooling2D()(image))


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (maps((None, None, 3), 2, 2), "one map.*keras.Model"),
        (two_inputs(), "one map"),
        (classifier(), "one map"),
        (maps((None, None, 1), 2), "RGB images.*, 1\\)"),
        (maps((None, 64, 3), 2), "any size, or of one.*one side is fixed"),
        (maps((64, None, 3), 2), "one side is fixed"),
    ],
)
def test_models_that_cannot_serve_are_refused(model, words, tmp_path, monkeypatch):
    monkeypatch.setattr(type(model), "predict_on_batch", None)
    for function in (predict, predict_probabilities, predict_logits):
        with pytest.raises(ValueError, match=words):
            function(model, noise(9, 9))
    with pytest.raises(ValueError, match=words):
        predict_file(model, tmp_path / "none.npy", tmp_path / "o.npy")


def test_a_litert_file_for_grey_images_is_refused(litert, monkeypatch):
    _, load = litert
    monkeypatch.setattr(load("logits"), "image_shape", (96, 96, 1))
    with pytest.raises(ValueError, match="RGB images"):
        predict(load("logits"), noise(9, 9))
