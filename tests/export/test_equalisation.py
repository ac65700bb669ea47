import keras
import numpy as np
import pytest
from keras import layers

from kseg.export.bias_correction import correct_biases, mean_error
from kseg.export.convolutions import find_convolutions
from kseg.export.equalisation import equalise
from kseg.layers.folding import folded


def network(ceiling=None):
    """Chains of every kind, batch norms at work, channels of very different ranges."""
    keras.utils.set_random_seed(0)
    image = keras.Input((16, 20, 3))
    x = layers.Rescaling(1 / 32)(image)
    x = layers.Conv2D(8, 3, padding="same", use_bias=False, name="expand")(x)
    x = layers.BatchNormalization(name="expand_bn")(x)
    x = layers.ReLU(ceiling, name="expand_relu")(x)
    x = layers.ZeroPadding2D(1)(x)
    x = layers.DepthwiseConv2D(3, use_bias=False, name="depthwise")(x)
    x = layers.BatchNormalization(name="depthwise_bn")(x)
    x = layers.ReLU(ceiling, name="depthwise_relu")(x)
    x = layers.Conv2D(6, 1, name="project")(x)
    branch = layers.Conv2D(6, 3, padding="same", activation="relu", name="branch")(x)
    x = layers.Add()([x, branch])
    x = layers.Conv2DTranspose(5, 2, strides=2, activation="relu", name="up")(x)
    x = layers.MaxPooling2D(2)(x)
    model = keras.Model(image, layers.Dense(3, name="classifier")(x))
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if "bn" in weight.path:
            weight.assign(10 ** rng.uniform(-1, 0.5, weight.shape))
    return model


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (6, 16, 20, 3), np.uint8)


def outputs(model, images, layer=None):
    if layer:
        model = keras.Model(model.inputs[0], model.get_layer(layer).output)
    return np.asarray(model(images.astype("float32"), training=False))


@pytest.mark.parametrize("ceiling", [None, 6.0])
def test_the_function_is_kept_and_ranges_meet(images, ceiling):
    model = network(ceiling)
    before = [np.array(w) for w in model.weights]
    result = equalise(model, images)
    expected = outputs(model, images)
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(outputs(result, images), expected, atol=1e-4, rtol=1e-4)
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight, value)

    def spread(net):  # of the largest weights of the channels ahead of a depthwise one
        layer, norm = net.get_layer("expand"), net.get_layer("expand_bn")
        ahead = np.abs(folded(layer, norm)[0]).max(axis=(0, 1, 2))
        behind = net.get_layer("depthwise"), net.get_layer("depthwise_bn")
        return ahead / np.abs(folded(*behind)[0]).max(axis=(0, 1, 3))

    if ceiling is None:
        assert np.ptp(np.log(spread(model))) > 1
        np.testing.assert_allclose(spread(result), 1, rtol=0.05)
        other = np.random.default_rng(1).integers(0, 256, images.shape, np.uint8)
        kept = outputs(model, other)
        np.testing.assert_allclose(outputs(result, other), kept, atol=1e-4, rtol=1e-4)


def test_a_channel_that_relu6_clips_is_left_alone(images):
    model = network(6.0)
    top = outputs(model, images, "expand_relu").max(axis=(0, 1, 2))
    clipped = top == 6
    assert clipped.any() and not clipped.all()
    result = outputs(equalise(model, images), images, "expand_relu")
    result = result.max(axis=(0, 1, 2))
    np.testing.assert_array_equal(result[clipped], 6)
    assert (result <= 6).all()
    assert (np.abs(result - top)[~clipped] > 0.01).any()


def test_what_two_layers_read_is_not_touched(images):
    model = network()
    result = equalise(model, images)
    for name in ("project", "up"):
        before, after = (outputs(net, images, name) for net in (model, result))
        same = np.allclose(before, after, atol=1e-4)
        assert same == (name == "project")  # a branch and an addition read it


def test_operators_are_found():
    found = {x.layer.name: x for x in find_convolutions(network(6.0))}
    assert list(found) == [
        "expand", "depthwise", "project", "branch", "up", "classifier"
    ]  # fmt: skip
    assert found["expand"].norm.name == "expand_bn"
    assert found["expand"].activation.name == "expand_relu"
    assert found["project"][1:] == found["branch"][1:] == (None, None)


def test_a_corrected_bias_takes_the_mean_error_off(images):
    model = network()
    layer = find_convolutions(model)[1]
    x = outputs(model, images, "expand_relu")
    mean = x.mean(axis=(0, 1, 2), dtype="float64")
    kernel, _ = (np.asarray(t) for t in folded(*layer[:2]))
    scale = np.abs(kernel).max(axis=(0, 1, 3), keepdims=True) / 127
    error = np.round(kernel / scale) * scale - kernel
    expected = error.sum(axis=(0, 1))[:, 0] * mean
    np.testing.assert_allclose(mean_error(layer, mean), expected, rtol=1e-3, atol=1e-7)
    before = np.array(model.get_layer("classifier").bias)
    corrected = correct_biases(model, images)
    after = np.array(corrected.get_layer("classifier").bias)
    assert (before == 0).all() and 0 < np.abs(after).max() < 0.1
    np.testing.assert_array_equal(
        corrected.get_layer("expand").kernel, model.get_layer("expand").kernel
    )


def test_layers_that_stay_float_keep_their_biases(images):
    model = network()
    corrected = correct_biases(model, images, leave=["classifier"])
    for name, same in (("classifier", True), ("branch", False)):
        biases = [np.array(net.get_layer(name).bias) for net in (model, corrected)]
        assert np.array_equal(*biases) == same


def test_images_must_be_there():
    for function in (equalise, correct_biases):
        with pytest.raises(ValueError, match="at least one image"):
            function(network(), [])
