import logging

import h5py
import keras
import numpy as np
import pytest
from every_network import images, logits_of
from interpolation import cells_enlarged

import kseg
from kseg.networks.deeplabv1 import (
    LEARNING_RATE_MULTIPLIERS,
    MSC_LEARNING_RATE_MULTIPLIERS,
)
from kseg.optimizers import SGD

NAMES = ["deeplabv1", "deeplabv1_msc"]
BRANCHES = ["image", "pool1", "pool2", "pool3", "pool4"]
# Table 2 of the paper, and its parameters at 21 classes.
VARIANTS = {(7, 4): 134_346_581, (4, 4): 65_140_565, (4, 8): 65_140_565}


def build(name="deeplabv1", **options):
    keras.utils.set_random_seed(0)
    small = dict(num_classes=3, fc_filters=8)
    small |= dict(filters=8) if name == "deeplabv1_msc" else {}
    return kseg.build(name, **(small | options))


def trainable(model):
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


def outputs_of(model, names, x):
    outputs = [model.get_layer(name).output for name in names]
    found = keras.Model(model.input, outputs)(x.astype("float32"), training=False)
    return [keras.ops.convert_to_numpy(each) for each in found]


def randomise(model):
    """Gives the scores and all that is close to zero at first larger values."""
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        if variable.name == "bias":
            variable.assign(rng.normal(0, 0.1, variable.shape))
        elif not variable.path.startswith(("block", "fc6", "fc7")):
            fan_in = np.prod(variable.shape[:3])
            variable.assign(rng.normal(0, (2 / fan_in) ** 0.5, variable.shape))
    return model


@pytest.fixture(scope="module", params=NAMES)
def model(request):
    return randomise(build(request.param))


# Parameters.


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("deeplabv1", {21: 20_505_429, 11: 20_495_179}),
        ("deeplabv1_msc", {21: 21_711_550, 11: 21_694_850}),
    ],
)
def test_the_parameters_are_those_of_the_authors(name, expected):
    for num_classes, count in expected.items():
        model = kseg.build(name, num_classes=num_classes)
        assert trainable(model) == count
        assert model.output_shape == (None, None, None, num_classes)
    fixed = [v for v in model.non_trainable_variables if v.dtype == "float32"]
    assert [tuple(v.shape) for v in fixed] == [(15, 15, num_classes, num_classes)]


def parameters(kernel_size, filters, num_classes):
    """Adds up VGG16, its two dense layers and the scores."""
    fc6 = (kernel_size**2 * 512 + 1) * filters
    return 14_714_688 + fc6 + (filters + 1) * (filters + num_classes)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_kernels_of_table_2_have_its_parameters(variant):
    """Of narrow dense layers; all of them are built in the slow test below."""
    kernel_size, rate = variant
    assert parameters(kernel_size, 4096, 21) == VARIANTS[variant]
    model = build(kernel_size=kernel_size, dilation_rate=rate, num_classes=11)
    assert trainable(model) == parameters(kernel_size, 8, 11)


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_the_whole_networks_of_table_2_have_its_parameters(variant):
    kernel_size, rate = variant
    model = kseg.build(
        "deeplabv1", kernel_size=kernel_size, dilation_rate=rate, fc_filters=4096
    )
    assert trainable(model) == VARIANTS[variant]


# Maps.


@pytest.mark.parametrize(
    ("kernel_size", "rate", "taps"),
    [
        (3, 12, [-12, 0, 12]),
        (7, 4, [-12, -8, -4, 0, 4, 8, 12]),
        (4, 8, [-12, -4, 4, 12]),
        (4, 4, [-6, -2, 2, 6]),
    ],
)
def test_fc6_looks_as_far_as_a_kernel_of_7_of_every_fourth_cell(
    kernel_size, rate, taps
):
    """The field of view is 224 pixels in three of the four networks of table 2."""
    model = build(kernel_size=kernel_size, dilation_rate=rate)
    fc6 = model.get_layer("fc6")
    fc6.kernel.assign(np.ones(fc6.kernel.shape))
    x = np.zeros((1, 41, 41, 512), "float32")
    x[0, 20, 20, 0] = 1
    seen = keras.ops.convert_to_numpy(fc6(x))[0, ..., 0]
    for axis in (0, 1):
        rows = np.flatnonzero(seen.any(axis=1 - axis))
        assert (rows - 20).tolist() == taps


@pytest.mark.parametrize("name", NAMES)
def test_321_pixels_are_41_cells(name):
    model = build(name, input_shape=(321, 321, 3))
    sides = dict(zip(range(1, 6), (161, 81, 41, 41, 41), strict=True))
    for stage, side in sides.items():
        assert model.get_layer(f"block{stage}_pool").output.shape[1:3] == (side, side)
    scores = [f"{tap}_ms" for tap in BRANCHES] if name == "deeplabv1_msc" else []
    for layer in ("pool5a", "fc6", "fc8", *scores):
        assert model.get_layer(layer).output.shape[1:3] == (41, 41)
    assert model.output_shape == (None, 321, 321, 3)


def test_the_average_ahead_of_fc6_has_the_zeros_around_the_map():
    model = build()
    pool5, averaged = outputs_of(model, ["block5_pool", "pool5a"], images((33, 50)))
    padded = np.pad(pool5, ((0, 0), (1, 1), (1, 1), (0, 0)))
    height, width = pool5.shape[1:3]
    expected = sum(
        padded[:, i : i + height, j : j + width] / 9 for i in range(3) for j in range(3)
    )
    assert expected.std() > 0
    np.testing.assert_allclose(averaged, expected, atol=1e-4 * expected.max())


def test_the_scores_are_summed_and_enlarged(model):
    """Without a ReLU, of the image and four poolings where they are used."""
    msc = model.name == "deeplabv1_msc"
    names = ["fc8", *(f"{tap}_ms" for tap in BRANCHES if msc)]
    size = (50, 67)
    *scores, logits = outputs_of(model, [*names, "logits"], images(size))
    for each in scores:
        assert each.shape == (2, 7, 9, 3)
        assert each.std() > 1e-3 * np.sum(scores, axis=0).std() and each.min() < 0
    expected = cells_enlarged(np.sum(scores, axis=0), 8, size)
    np.testing.assert_allclose(logits, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("axis", [0, 1])
def test_a_mirrored_network_sees_mirrored_images(model, axis):
    """So all kernels, poolings and cells are centred, at sizes of 8 k + 1."""
    mirrored = keras.models.clone_model(model)
    mirrored.set_weights(model.get_weights())
    for layer in mirrored.layers:
        if type(layer) is keras.layers.Conv2D:
            layer.kernel.assign(np.flip(layer.kernel, axis))
    pixels = images((41, 57))
    expected = np.flip(logits_of(model, pixels), axis + 1)
    actual = logits_of(mirrored, np.flip(pixels, axis + 1))
    assert np.abs(np.flip(expected, axis + 1) - expected).max() > 0.1 * expected.std()
    np.testing.assert_allclose(actual, expected, atol=1e-4 * np.abs(expected).max())


def test_the_branches_see_the_image_at_its_size_less_the_mean():
    model = build("deeplabv1_msc")
    expected = {"image": (8, 3), "pool1": (4, 64), "pool2": (2, 128)}
    expected |= {"pool3": (1, 256), "pool4": (1, 512)}
    for tap, (stride, channels) in expected.items():
        layer = model.get_layer(f"{tap}_conv")
        assert layer.strides == (stride, stride)
        assert layer.kernel.shape == (3, 3, channels, 8)
    grey = np.broadcast_to((123.68, 116.779, 103.939), (1, 33, 33, 3))
    hidden, scores = outputs_of(model, ["image_conv", "image_ms"], grey)
    np.testing.assert_allclose(hidden, 0, atol=1e-6)  # the biases are zero


# Weights.


def test_the_multipliers_are_those_of_the_authors():
    """New scores ten times, biases twice; or the branches alone, behind the rest."""
    for name, multipliers in (
        ("deeplabv1", LEARNING_RATE_MULTIPLIERS),
        ("deeplabv1_msc", MSC_LEARNING_RATE_MULTIPLIERS),
    ):
        model = build(name)
        optimizer = SGD(1.0, multipliers=multipliers)
        optimizer.build(model.trainable_variables)
        found = dict(
            zip(
                (v.path for v in model.trainable_variables),
                optimizer._factors,
                strict=True,
            )
        )
        assert found["block1_conv1/kernel"] == found["fc6/kernel"]
        if name == "deeplabv1":
            assert found["fc8/kernel"] == 10 and found["fc8/bias"] == 20
            assert found["fc6/kernel"] == 1 and found["block5_conv3/bias"] == 2
        else:
            trained = {path.split("/")[0] for path, factor in found.items() if factor}
            layers = ("conv", "fc", "ms")
            assert trained == {f"{tap}_{kind}" for tap in BRANCHES for kind in layers}
            assert found["image_ms/bias"] == 2 and found["pool4_ms/kernel"] == 1


def test_the_authors_train_the_branches_alone():
    """1,206,121 parameters, by the zeros in their file."""
    alone, both = kseg.build("deeplabv1"), kseg.build("deeplabv1_msc")
    assert trainable(both) - trainable(alone) == 1_206_121


def test_the_branches_start_from_a_trained_network(tmp_path, caplog):
    source = randomise(build())
    source.save(tmp_path / "deeplabv1.keras")
    with caplog.at_level(logging.WARNING, "kseg"):
        model = build("deeplabv1_msc", weights=str(tmp_path / "deeplabv1.keras"))
    (message,) = [record.getMessage() for record in caplog.records]
    assert "a 'deeplabv1', so these layers start anew: image_conv, image_fc" in message
    pixels = images((33, 50))
    expected, actual = logits_of(source, pixels), logits_of(model, pixels)
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(actual, expected, atol=0.05 * np.abs(expected).max())
    for tap in BRANCHES:
        scores = model.get_layer(f"{tap}_ms")
        scores.kernel.assign(0 * scores.kernel)
    np.testing.assert_allclose(logits_of(model, pixels), expected, atol=1e-5)


def test_the_dense_layers_of_a_file_are_decimated(tmp_path):
    rng = np.random.default_rng(0)
    model = build()
    arrays = {
        layer.name: [np.asarray(w) for w in layer.weights]
        for layer in model.layers
        if layer.name.startswith("block") and layer.weights
    }
    arrays["fc1"] = [rng.normal(size=(7 * 7 * 512, 16)), rng.normal(size=16)]
    arrays["fc2"] = [rng.normal(size=(16, 16)), rng.normal(size=16)]
    with h5py.File(tmp_path / "vgg16.h5", "w") as file:
        file.attrs["layer_names"] = list(arrays)
        for name, (kernel, bias) in arrays.items():
            group = file.create_group(name)
            group.attrs["weight_names"] = ["kernel:0", "bias:0"]
            group["kernel:0"], group["bias:0"] = kernel, bias

    model = build(fc_filters=4, weights=str(tmp_path / "vgg16.h5"))
    kernel, bias = model.get_layer("fc6").get_weights()
    whole = arrays["fc1"][0].reshape(7, 7, 512, 16)
    np.testing.assert_allclose(kernel, whole[::3, ::3, :, ::4], rtol=1e-6)
    np.testing.assert_allclose(bias, arrays["fc1"][1][::4], rtol=1e-6)
    kernel, bias = model.get_layer("fc7").get_weights()
    np.testing.assert_allclose(kernel[0, 0], arrays["fc2"][0][::4, ::4], rtol=1e-6)
    first = model.get_layer("block1_conv1").get_weights()[0]
    np.testing.assert_array_equal(first, arrays["block1_conv1"][0][:, :, ::-1])


@pytest.mark.parametrize("name", NAMES)
def test_the_published_vgg16_is_the_trunk(reference, caplog, name):
    path = reference / "weights" / "vgg16_imagenet_notop_float16.h5"
    if not path.is_file():
        pytest.skip("the ImageNet weights of VGG16 are not there")
    with caplog.at_level(logging.WARNING, "kseg"):
        model = build(name, weights=str(path))
    (message,) = [record.getMessage() for record in caplog.records]
    assert "fc6 and fc7 start from random weights" in message
    theirs = keras.applications.VGG16(include_top=False, weights=str(path))
    for layer in theirs.layers:
        if layer.name.startswith("block1") or not layer.weights:
            continue
        ours = model.get_layer(layer.name).get_weights()
        for a, b in zip(ours, layer.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
    # Ahead of the first pooling the maps are the same, too.
    pixels, names = images((48, 64)), ["block1_conv1", "block1_conv2"]
    for actual, expected in zip(
        outputs_of(model, names, pixels),
        outputs_of(
            theirs,
            names,
            keras.applications.vgg16.preprocess_input(pixels.astype("float32")),
        ),
        strict=True,
    ):
        np.testing.assert_allclose(actual, expected, atol=1e-4 * expected.max())


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (dict(num_classes=1), "2 or more. Received: 1"),
        (dict(weights="camvid"), "Received: 'camvid'"),
        (dict(weights="none.keras"), "must exist"),
    ],
)
@pytest.mark.parametrize("name", NAMES)
def test_wrong_arguments_are_refused(name, argument, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        kseg.build(name, **argument)
