import dataclasses
import hashlib
import inspect
import logging

import keras
import numpy as np
import pytest
from keras import layers, ops
from keras.src.applications import vgg16 as keras_vgg16
from trunks import randomise, write_h5

from kseg import backbones
from kseg.backbones import decimate, dense_to_convolution
from kseg.backbones.dense_kernels import convolutional_classifier
from kseg.backbones.weights import IMAGENET, IMAGENET_WITH_CLASSIFIER


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


@pytest.mark.parametrize("size", [1, 6, 7])
def test_a_convolution_is_the_dense_layer_on_every_window(size):
    dense = layers.Dense(9)
    window = keras.Sequential([layers.Flatten(), dense])
    window.build((None, size, size, 5))
    dense.set_weights([noise(size * size * 5, 9), noise(9)])
    kernel = dense_to_convolution(dense.get_weights()[0], size)
    assert kernel.shape == (size, size, 5, 9)

    x = noise(2, size + 3, size + 4, 5, seed=1)
    result = np.asarray(ops.conv(x, kernel) + dense.bias)
    assert result.shape == (2, 4, 5, 9)
    for row in range(4):
        for column in range(5):
            expected = window(x[:, row : row + size, column : column + size])
            np.testing.assert_allclose(result[:, row, column], expected, atol=1e-4)


def test_a_dense_kernel_of_another_map_is_refused():
    with pytest.raises(ValueError, match=r"7x7 cells.*49 times.*Received.*\(48, 3\)"):
        dense_to_convolution(np.zeros((48, 3)), 7)
    with pytest.raises(ValueError, match=r"Received: shape \(7, 7, 1, 3\)"):
        dense_to_convolution(np.zeros((7, 7, 1, 3)), 7)


@pytest.mark.parametrize(("taps", "apart"), [(3, 3), (4, 2), (7, 1)])
def test_a_decimated_kernel_dilated_is_the_kernel_without_the_other_taps(taps, apart):
    kernel, x = noise(7, 7, 5, 8), noise(1, 10, 11, 5, seed=1)
    small = decimate(kernel, (taps, taps, 5, 2))
    sparse = np.zeros((7, 7, 5, 2), "float32")
    for row in range(0, 7, apart):
        for column in range(0, 7, apart):
            sparse[row, column] = kernel[row, column, :, [0, 4]].T
    np.testing.assert_allclose(
        ops.conv(x, small, dilation_rate=apart), ops.conv(x, sparse), atol=1e-5
    )


def test_channels_of_fc7_follow_those_of_fc6():
    """The channels that `fc6` keeps are those that `fc7` looks at."""
    arrays = {
        "fc1": {"kernel": noise(7 * 7 * 5, 16), "bias": noise(16)},
        "fc2": {"kernel": noise(16, 16, seed=1), "bias": noise(16, seed=1)},
    }
    shapes = {"fc6": (3, 3, 5, 4), "fc7": (1, 1, 4, 4)}
    converted = convolutional_classifier(arrays, shapes)
    kernel, bias = converted["fc7"]["kernel"], converted["fc7"]["bias"]
    every_fourth = [0, 4, 8, 12]
    np.testing.assert_array_equal(
        kernel[0, 0], arrays["fc2"]["kernel"][every_fourth][:, every_fourth]
    )
    np.testing.assert_array_equal(bias, arrays["fc2"]["bias"][every_fourth])
    fc6 = converted["fc6"]
    np.testing.assert_array_equal(fc6["bias"], arrays["fc1"]["bias"][every_fourth])
    # Row 3, column 6, channel 2 of the map.
    row = arrays["fc1"]["kernel"][(3 * 7 + 6) * 5 + 2]
    np.testing.assert_array_equal(fc6["kernel"][1, 2, 2], row[every_fourth])


def test_every_branch_gets_the_same_kernels():
    arrays = {
        "fc1": {"kernel": noise(7 * 7 * 5, 16), "bias": noise(16)},
        "fc2": {"kernel": noise(16, 16, seed=1), "bias": noise(16, seed=1)},
    }
    shapes = {"fc6": (3, 3, 5, 4), "fc7": (1, 1, 4, 4)}
    alone = convolutional_classifier(arrays, shapes)
    branches = {f"{n}_rate{r}": s for r in (6, 12) for n, s in shapes.items()}
    together = convolutional_classifier(arrays, branches)
    assert together.keys() == branches.keys()
    for name, found in together.items():
        for key, value in alone[name.partition("_")[0]].items():
            np.testing.assert_array_equal(found[key], value)


@pytest.mark.parametrize(
    "shape",
    [
        (5, 5, 2, 8),  # of 7 taps every second is four
        (2, 2, 2, 8),  # taps 0 and 4: not in the middle
        (7, 7, 2, 5),  # of 8 channels every second is four
        (7, 7, 2, 16),
    ],
)
def test_a_shape_that_no_decimation_gives_is_refused(shape):
    with pytest.raises(ValueError, match="Every m-th.*to become") as error:
        decimate(np.zeros((7, 7, 2, 8)), shape)
    assert str(shape) in str(error.value)


# Keras's VGG16 files.


def keras_network(units):
    """A VGG16 of Keras with narrow dense layers; its map and its two outputs."""
    trunk = keras.applications.VGG16(
        include_top=False, weights=None, input_shape=(None, None, 3)
    )
    x = keras.Input((7, 7, 512))
    fc1 = layers.Dense(units, "relu", name="fc1")
    fc2 = layers.Dense(units, "relu", name="fc2")
    head = keras.Model(x, fc2(fc1(layers.Flatten(name="flatten")(x))))
    return randomise(trunk), randomise(head, 1)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A file with dense layers, one without them, and the dense layers."""
    folder = tmp_path_factory.mktemp("published")
    trunk, head = keras_network(16)
    both = keras.Model([trunk.input, head.input], [trunk.output, head.output])
    return (
        write_h5(folder / "vgg16.h5", both),
        write_h5(folder / "vgg16_notop.h5", trunk),
        head,
    )


def vgg16(fc_filters=16):
    image = keras.Input((None, None, 3))
    maps = backbones.vgg16(image, classifier=True, fc_filters=fc_filters)
    return keras.Model(image, maps)


def head_of(model):
    return keras.Model(model.output["c5"], model.output["fc7"])


def test_a_file_with_dense_layers_fills_fc6_and_fc7(published, caplog):
    path, _, head = published
    model = vgg16()
    backbones.load_weights(model, path, "vgg16", model.output["fc7"])
    x = np.maximum(noise(2, 9, 8, 512), 0)
    result = np.asarray(head_of(model)(x))
    assert result.shape == (2, 3, 2, 16) and result.std() > 0.1
    for row in range(3):
        for column in range(2):
            expected = head(x[:, row : row + 7, column : column + 7])
            np.testing.assert_allclose(result[:, row, column], expected, atol=1e-4)
    assert caplog.records == []


def test_a_file_without_them_fills_the_convolutions_and_says_so(published, caplog):
    _, path, _ = published
    model = vgg16()
    before = model.get_layer("fc6").get_weights()[0]
    with caplog.at_level(logging.WARNING, "kseg"):
        backbones.load_weights(model, path, "vgg16", model.output["fc7"])
    (message,) = [record.getMessage() for record in caplog.records]
    assert f"{path} has no dense layers: fc6 and fc7 start from random" in message
    np.testing.assert_array_equal(model.get_layer("fc6").get_weights()[0], before)
    he = (2 / (7 * 7 * 512)) ** 0.5
    np.testing.assert_allclose(before.std(), he, rtol=0.02)
    trunk, _ = keras_network(16)
    for name in ("block1_conv2", "block5_conv3"):
        for a, b in zip(
            model.get_layer(name).get_weights(),
            trunk.get_layer(name).get_weights(),
            strict=True,
        ):
            np.testing.assert_array_equal(a, b)


def test_dense_layers_do_not_bother_a_network_without_them(published, caplog):
    path, notop, _ = published
    image = keras.Input((None, None, 3))
    models = []
    for file in (path, notop):
        model = keras.Model(image, backbones.vgg16(image)["c5"])
        backbones.load_weights(model, file, "vgg16", model.output)
        models.append(model)
    for a, b in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_array_equal(a, b)
    assert caplog.records == []


def test_narrower_layers_are_decimated(published):
    path, _, head = published
    model = vgg16(fc_filters=4)
    backbones.load_weights(model, path, "vgg16", model.output["fc7"])
    bias = head.get_layer("fc1").get_weights()[1]
    np.testing.assert_array_equal(model.get_layer("fc6").get_weights()[1], bias[::4])
    other = vgg16(fc_filters=5)
    with pytest.raises(ValueError, match=r"\(7, 7, 512, 16\), to become.*512, 5\)"):
        backbones.load_weights(other, path, "vgg16", other.output["fc7"])


def test_imagenet_is_the_file_that_has_what_the_network_needs(
    published, tmp_path, monkeypatch
):
    whole, notop, head = published
    for records, path in ((IMAGENET, notop), (IMAGENET_WITH_CLASSIFIER, whole)):
        digest = f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
        record = dataclasses.replace(records["vgg16"], url=path.as_uri(), digest=digest)
        monkeypatch.setitem(records, "vgg16", record)
    monkeypatch.setenv("KSEG_HOME", str(tmp_path))
    image = keras.Input((None, None, 3))
    trunk = keras.Model(image, backbones.vgg16(image)["c5"])
    backbones.load_weights(trunk, "imagenet", "vgg16", trunk.output)
    assert [path.name for path in tmp_path.glob("weights/*")] == ["vgg16_notop.h5"]

    model = vgg16()
    backbones.load_weights(model, "imagenet", "vgg16", model.output["fc7"])
    assert (tmp_path / "weights" / "vgg16.h5").is_file()
    bias = head.get_layer("fc2").get_weights()[1]
    np.testing.assert_array_equal(model.get_layer("fc7").get_weights()[1], bias)


@pytest.mark.parametrize("records", [IMAGENET, IMAGENET_WITH_CLASSIFIER])
def test_the_records_are_those_of_keras(records):
    source = "".join(inspect.getsource(keras_vgg16).split()).replace('""', "")
    record = records["vgg16"]
    assert f'"{record.url}"' in source
    assert record.digest.removeprefix("md5:") in source
