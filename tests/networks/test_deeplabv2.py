import logging

import h5py
import keras
import numpy as np
import pytest
from every_network import images, logits_of
from interpolation import cells_enlarged, resized

import kseg
from kseg.losses import CrossEntropy
from kseg.networks.deeplabv2 import LEARNING_RATE_MULTIPLIERS
from kseg.optimizers import SGD
from kseg.training import parts

SCALES = (1.0, 0.75, 0.5)
RATES = (6, 12, 18, 24)


def build(backbone="vgg16", **options):
    keras.utils.set_random_seed(0)
    small = dict(num_classes=3, fc_filters=8)
    return kseg.build("deeplabv2", backbone=backbone, **(small | options))


def count(variables):
    return sum(int(np.prod(v.shape)) for v in variables)


def outputs_of(model, names, x):
    outputs = [model.get_layer(name).output for name in names]
    found = keras.Model(model.input, outputs)(x.astype("float32"), training=False)
    return [keras.ops.convert_to_numpy(each) for each in found]


def randomise(model):
    """Gives the scores larger values, so that they are far from zero."""
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        if variable.path.startswith("score"):
            deviation = np.prod(variable.shape[:-1]) ** -0.5
            value = rng.normal(0, deviation, variable.shape)
            # Maps behind a ReLU are positive; scores shall have either sign.
            variable.assign(value - value.mean(axis=-1, keepdims=True))
    return model


@pytest.fixture(scope="module")
def single():
    return randomise(build())


@pytest.fixture(scope="module")
def multi(single):
    model = build(scales=SCALES)
    model.set_weights(single.get_weights())
    return model


@pytest.fixture(scope="module")
def resnet():
    return randomise(build("resnet50"))


# Parameters.


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (dict(backbone="vgg16"), {21: 37_877_652, 11: 37_836_652}),
        (dict(backbone="vgg16", rates=(12,)), {21: 20_505_429}),  # LargeFOV
        (dict(backbone="resnet101", scales=SCALES), {21: 44_048_532, 11: 43_311_212}),
        (dict(backbone="resnet101", rates=(12,)), {21: 42_887_253}),
    ],
)
def test_the_parameters_are_those_of_the_authors(options, expected):
    for num_classes, total in expected.items():
        model = kseg.build("deeplabv2", num_classes=num_classes, **options)
        assert count(model.trainable_variables) == total


def test_scales_share_all_weights(single, multi):
    assert [v.path for v in multi.variables if v.dtype == "float32"] == [
        v.path for v in single.variables if v.dtype == "float32"
    ]


def test_frozen_batch_norms_stay_as_they_are(resnet):
    frozen = build("resnet50", freeze_batch_norm=True)
    norms = [
        layer
        for layer in frozen.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    # One behind each of 53 convolutions; two trainable parameters for each channel.
    channels = sum(layer.gamma.shape[0] for layer in norms)
    assert (len(norms), channels) == (53, 26_560)
    missing = count(resnet.trainable_variables) - count(frozen.trainable_variables)
    assert missing == 2 * channels
    frozen.set_weights(resnet.get_weights())
    pixels = images((17, 25))
    trained = frozen(pixels, training=True)  # without dropout on a ResNet
    np.testing.assert_allclose(trained, logits_of(resnet, pixels), atol=1e-5)
    assert np.ptp(trained) > 0.1


# Maps.


@pytest.mark.parametrize("name", ["single", "resnet"])
def test_the_branches_are_summed_without_a_relu(name, request):
    model = request.getfixturevalue(name)
    branches = [f"score_rate{rate}" for rate in RATES]
    size = (50, 67)
    *parts_, scores, logits = outputs_of(
        model, [*branches, "scores", "logits"], images(size)
    )
    for part in parts_:
        assert part.shape == (2, 7, 9, 3)
        assert part.std() > 0.01 * scores.std()
    scale = np.abs(scores).max()
    np.testing.assert_allclose(np.sum(parts_, axis=0), scores, atol=1e-5 * scale)
    rectified = sum(np.maximum(part, 0) for part in parts_)
    assert np.abs(rectified - scores).max() > 0.1 * scale
    expected = cells_enlarged(scores, 8, size)
    np.testing.assert_allclose(logits, expected, atol=1e-4 * scale)


@pytest.mark.parametrize("rates", [RATES, (2, 4, 8, 12), (12,)])
def test_every_branch_has_its_rate(rates):
    model = build(rates=rates)
    dilated = "fc6_rate{}", "fc7_rate{}", "score_rate{}"
    for rate in rates:
        found = [model.get_layer(name.format(rate)).dilation_rate for name in dilated]
        assert found == [(rate, rate), (1, 1), (1, 1)]
    assert len([x for x in model.layers if x.name.startswith("score_")]) == len(rates)


def test_the_branches_look_at_the_map_itself():
    """Version 1 has an average pooling ahead of them; both are in the files."""
    model = build()
    for rate in RATES:
        assert model.get_layer(f"fc6_rate{rate}").input is (
            model.get_layer("block5_pool").output
        )


def test_the_last_stages_of_the_resnet_are_dilated(resnet):
    """Strides in the first 1x1, and rates of 2 and 4 from the first 3x3 on."""
    for stage, units, stride, rate in ((3, 4, 2, 1), (4, 6, 1, 2), (5, 3, 1, 4)):
        for unit in range(1, units + 1):
            name = f"conv{stage}_block{unit}"
            first = resnet.get_layer(f"{name}_1_conv")
            middle = resnet.get_layer(f"{name}_2_conv")
            assert first.strides == ((stride if unit == 1 else 1),) * 2
            assert middle.dilation_rate == (rate, rate) and middle.strides == (1, 1)
    for name, rate in ((f"score_rate{rate}", rate) for rate in RATES):
        layer = resnet.get_layer(name)
        assert layer.dilation_rate == (rate, rate)
        assert layer.kernel.shape == (3, 3, 2048, 3)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("backbone", ["vgg16", "resnet50"])
def test_a_mirrored_network_sees_mirrored_images(backbone, axis):
    """So all is centred, at sizes of 8 k + 1 that three quarters of are such, too."""
    model = randomise(build(backbone, scales=(1.0, 0.75)))
    pixels = images((33, 65))
    plain = logits_of(model, pixels)
    for layer in model.layers:
        if type(layer) is keras.layers.Conv2D:
            layer.kernel.assign(np.flip(layer.kernel, axis))
    expected = np.flip(plain, axis + 1)
    actual = logits_of(model, np.flip(pixels, axis + 1))
    assert np.abs(plain - expected).max() > 0.1 * expected.std()
    np.testing.assert_allclose(actual, expected, atol=1e-4 * np.abs(expected).max())


# Scales.


@pytest.mark.parametrize("size", [(40, 64), (33, 47)])
def test_the_largest_logits_of_all_scales_win(single, multi, size):
    pixels = images(size)
    expected = []
    for scale in SCALES:
        small = resized(pixels, [int(np.ceil(scale * side)) for side in size])
        expected.append(resized(logits_of(single, small), size))
    names = ["scale100", "scale75", "scale50", "logits"]
    *each, fused = outputs_of(multi, names, pixels)
    tolerance = 1e-4 * np.abs(expected).max()
    for actual, wanted in zip(each, expected, strict=True):
        assert actual.dtype == np.float32
        np.testing.assert_allclose(actual, wanted, atol=tolerance)
    np.testing.assert_allclose(fused, np.max(expected, axis=0), atol=tolerance)
    winners = np.bincount(np.argmax(expected, axis=0).ravel(), minlength=3)
    assert winners.min() > 0


def test_every_scale_has_a_loss():
    model = build(scales=SCALES, input_shape=(33, 41, 3))
    scales = ["scale100", "scale75", "scale50"]
    both, factors = parts.add_heads(model, outputs=scales, weight=1.0)
    assert factors == dict.fromkeys(["logits", *scales], 1.0)
    pixels = images((33, 41))
    masks = np.random.default_rng(0).integers(0, 3, (2, 33, 41))
    logits = both(pixels.astype("float32"), training=False)
    losses = {name: float(CrossEntropy()(masks, x)) for name, x in logits.items()}
    assert len({round(value, 7) for value in losses.values()}) == 4
    both.compile(
        loss=dict.fromkeys(logits, CrossEntropy()), loss_weights=factors, metrics=None
    )
    total = both.evaluate(
        pixels, dict.fromkeys(logits, masks), verbose=0, return_dict=True
    )
    assert total["loss"] == pytest.approx(sum(losses.values()), rel=1e-4)


@pytest.mark.parametrize(("have", "want"), [((1.0,), SCALES), (SCALES, (1.0,))])
def test_a_checkpoint_is_right_for_other_scales(have, want, tmp_path, caplog):
    source = randomise(build(scales=have))
    source.save(tmp_path / "deeplabv2.keras")
    model = build(scales=want, weights=str(tmp_path / "deeplabv2.keras"))
    assert caplog.records == []
    for a, b in zip(model.get_weights(), source.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_checkpoint_of_another_class_count_keeps_the_rest(tmp_path, caplog):
    source = randomise(build(scales=SCALES))
    source.save(tmp_path / "deeplabv2.keras")
    with caplog.at_level(logging.WARNING, "kseg"):
        model = build(
            scales=SCALES, num_classes=4, weights=str(tmp_path / "deeplabv2.keras")
        )
    (message,) = [record.getMessage() for record in caplog.records]
    for name in ("score_rate6", "score_rate24"):
        assert f"{name}: " in message
    for name in ("block5_conv3", "fc7_rate18"):
        np.testing.assert_array_equal(
            model.get_layer(name).kernel, source.get_layer(name).kernel
        )


# Weights.


@pytest.mark.parametrize("backbone", ["vgg16", "resnet101"])
def test_the_multipliers_are_those_of_the_authors(backbone):
    model = build("resnet50" if backbone == "resnet101" else backbone)
    optimizer = SGD(1.0, multipliers=LEARNING_RATE_MULTIPLIERS[backbone])
    optimizer.build(model.trainable_variables)
    paths = [v.path for v in model.trainable_variables]
    found = dict(zip(paths, optimizer._factors, strict=True))
    for rate in RATES:
        assert found.pop(f"score_rate{rate}/kernel") == 10
        assert found.pop(f"score_rate{rate}/bias") == 20
    if backbone == "vgg16":
        biases = [factor for path, factor in found.items() if path.endswith("bias")]
        assert biases == [2.0] * (13 + 2 * 4)
    others = {factor for path, factor in found.items() if not path.endswith("bias")}
    assert others == {1.0}


def test_all_branches_start_from_the_dense_layers_of_a_file(tmp_path):
    rng = np.random.default_rng(0)
    source = build()
    arrays = {
        layer.name: [np.asarray(w) for w in layer.weights]
        for layer in source.layers
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

    model = build(weights=str(tmp_path / "vgg16.h5"))
    whole = arrays["fc1"][0].reshape(7, 7, 512, 16)
    for rate in RATES:
        kernel, bias = model.get_layer(f"fc6_rate{rate}").get_weights()
        np.testing.assert_allclose(kernel, whole[::3, ::3, :, ::2], rtol=1e-6)
        np.testing.assert_allclose(bias, arrays["fc1"][1][::2], rtol=1e-6)
        kernel = model.get_layer(f"fc7_rate{rate}").get_weights()[0]
        np.testing.assert_allclose(kernel[0, 0], arrays["fc2"][0][::2, ::2], rtol=1e-6)


def test_the_published_vgg16_is_the_trunk(reference, caplog):
    path = reference / "weights" / "vgg16_imagenet_notop_float16.h5"
    if not path.is_file():
        pytest.skip("the ImageNet weights of VGG16 are not there")
    with caplog.at_level(logging.WARNING, "kseg"):
        model = build(weights=str(path), scales=SCALES)
    (message,) = [record.getMessage() for record in caplog.records]
    assert "fc6_rate6" in message and "start from random weights" in message
    theirs = keras.applications.VGG16(include_top=False, weights=str(path))
    kernel = theirs.get_layer("block5_conv3").kernel
    np.testing.assert_array_equal(model.get_layer("block5_conv3").kernel, kernel)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (dict(backbone="mobilenet_v2"), r"'vgg16'\]. Received: 'mobilenet_v2'"),
        (dict(backbone="resnet10"), "mean 'resnet101'"),
        (dict(rates=()), r"`rates` must be .* Received: \(\)"),
        (dict(rates=(6, 6)), r"Received: \(6, 6\)"),
        (dict(rates=(0, 6)), r"Received: \(0, 6\)"),
        (dict(scales=()), r"`scales` must start with 1 .* Received: \(\)"),
        (dict(scales=(0.5,)), r"Received: \(0.5,\)"),
        (dict(scales=(1, 0.5, 0.75)), r"Received: \(1, 0.5, 0.75\)"),
        (dict(scales=(1, 0)), r"Received: \(1, 0\)"),
        (dict(num_classes=1), "2 or more. Received: 1"),
    ],
)
def test_wrong_arguments_are_refused(argument, message):
    with pytest.raises(ValueError, match=message):
        kseg.build("deeplabv2", **argument)
