import h5py
import keras
import numpy as np
import pytest
from trunks import images, randomise, run, trunk, write_h5

from kseg import backbones

TRAINABLE = {"large": 2_971_952, "small": 927_008}
BUILDERS = {
    "large": keras.applications.MobileNetV3Large,
    "small": keras.applications.MobileNetV3Small,
}
CHANNELS = {"large": (16, 24, 40, 112, 960), "small": (16, 16, 24, 48, 576)}
# The units of keras.applications at which our taps lie; the last is its output.
UNITS = {
    "large": {"c1": 0, "c2": 2, "c3_first": 3, "c3": 5, "c4": 11, "c5_first": 12},
    "small": {"c2": 0, "c3_first": 1, "c3": 2, "c4_first": 3, "c4": 7, "c5_first": 8},
}


def theirs(size, image_size=(None, None)):
    """The network of keras.applications, with random weights, and its maps."""
    model = BUILDERS[size](
        include_top=False, weights=None, input_shape=(*image_size, 3)
    )
    names = {layer.name for layer in model.layers}
    outputs = {"c5": model.output}
    for tap, number in UNITS[size].items():
        prefix = f"expanded_conv_{number}_" if number else "expanded_conv_"
        last = f"{prefix}add" if f"{prefix}add" in names else f"{prefix}project_bn"
        outputs[tap] = model.get_layer(last).output
    return keras.Model(model.input, outputs)


def depthwise(model):
    """The depthwise convolutions, in their order."""
    kind = keras.layers.DepthwiseConv2D
    return [layer for layer in model.layers if isinstance(layer, kind)]


@pytest.mark.parametrize("form", ["", "_torch"])
@pytest.mark.parametrize("size", BUILDERS)
def test_the_parameters_are_those_of_torchvision(size, form):
    """`numel` of torchvision's `mobilenet_v3_large().features`, and `small`."""
    model = trunk(f"mobilenet_v3_{size}{form}")
    assert sum(np.prod(v.shape) for v in model.trainable_variables) == TRAINABLE[size]
    channels = [model.output[f"c{number}"].shape[-1] for number in (1, 2, 3, 4, 5)]
    assert channels == list(CHANNELS[size])
    first = [model.output[f"c{number}_first"].shape[-1] for number in (2, 3)]
    assert first == list(CHANNELS[size][1:3])


@pytest.mark.parametrize("size", BUILDERS)
def test_published_weights_give_the_published_features(size, tmp_path):
    published = randomise(theirs(size))
    path = write_h5(tmp_path / "weights.h5", published)
    ours = trunk(f"mobilenet_v3_{size}")
    backbones.load_weights(ours, path, ours.name, ours.output["c5"])
    for image_size in ((96, 64), (65, 98)):
        expected = theirs(size, image_size)
        expected.set_weights(published.get_weights())
        pixels = images(*image_size)
        expected, actual = run(expected, pixels), run(ours, pixels)
        for tap, values in expected.items():
            atol = 1e-4 * np.abs(values).max()
            np.testing.assert_allclose(actual[tap], values, atol=atol, err_msg=tap)


def test_files_with_the_names_of_keras_2_are_read(tmp_path):
    """Its layers had slashes in their names, which Keras 3 does not allow."""
    published = randomise(theirs("small"))
    path = write_h5(tmp_path / "weights.h5", published)
    with h5py.File(path, "r+") as file:
        old = [str(name) for name in file.attrs["layer_names"]]
        new = [with_slashes(name) for name in old]
        assert "expanded_conv_3/squeeze_excite/Conv_1" in new
        assert {"Conv/BatchNorm", "Conv_1", "expanded_conv/project/BatchNorm"} < {*new}
        for name, other in zip(old, new, strict=True):
            file.move(name, f"moved/{other}")
        for group in list(file["moved"]):
            file.move(f"moved/{group}", group)
        del file["moved"]
        file.attrs["layer_names"] = [name.encode() for name in new]
    ours = randomise(trunk("mobilenet_v3_small"), seed=1)
    backbones.load_weights(ours, path, ours.name, ours.output["c5"])
    for actual, expected in zip(
        ours.get_weights(), published.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(actual, expected)


def with_slashes(name):
    """What Keras 2 called a layer."""
    if name.startswith("conv"):
        return name.replace("conv", "Conv").replace("_bn", "/BatchNorm")
    name = name.replace("_bn", "/BatchNorm")
    for part in ("expand", "depthwise", "squeeze_excite", "project"):
        name = name.replace(f"_{part}", f"/{part}") if f"{part}ed" not in name else name
    name = name.replace("excite_conv_1", "excite/Conv_1")
    return name.replace("excite_conv", "excite/Conv")


@pytest.mark.parametrize("size", BUILDERS)
def test_the_forms_are_one_where_padding_is_symmetric(size):
    """With odd sides at every stride, and an image that is normalised the same."""
    ours = randomise(trunk(f"mobilenet_v3_{size}"))
    other = trunk(f"mobilenet_v3_{size}_torch")
    other.set_weights(ours.get_weights())
    mean, deviation = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]
    for image_size, equal in (((97, 65), True), ((96, 64), False)):
        pixels = images(*image_size)
        same = ((pixels / 127.5 - 1) * deviation + mean).astype("float32")
        expected, actual = run(ours, pixels), run(other, same)
        for tap in expected:
            close = np.allclose(
                actual[tap], expected[tap], atol=1e-4 * np.abs(expected[tap]).max()
            )
            assert close == equal, tap


@pytest.mark.parametrize(
    ("form", "at_16", "at_8"),
    [
        ("", [1, 2, 2], [1, 2, 2, 2, 2, 2, 2, 4, 4]),
        ("_torch", [2, 2, 2], [2, 2, 2, 2, 2, 2, 4, 4, 4]),
    ],
)
def test_dilations_are_those_of_deeplab_or_torchvision(form, at_16, at_8):
    """torchvision's `dilated=True` has 2 in all units of the last stage."""
    for output_stride, expected in ((32, []), (16, at_16), (8, at_8)):
        found = depthwise(trunk(f"mobilenet_v3_large{form}", output_stride))
        rates = [layer.dilation_rate[0] for layer in found]
        assert rates == [1] * (15 - len(expected)) + expected
        strides = [layer.strides[0] for layer in found]
        assert np.prod(strides) * 2 == output_stride


@pytest.mark.parametrize("size", BUILDERS)
def test_squeeze_and_excite_weighs_channels_by_their_means(size):
    """A gate sees the whole map, gives 0 to 1, and a shut one stops a channel."""
    model = randomise(trunk(f"mobilenet_v3_{size}"))
    prefix = "expanded_conv_5_squeeze_excite"
    gated = keras.Model(
        model.input,
        [model.get_layer(f"{prefix}_{end}").output for end in ("conv_1", "mul")],
    )
    last = model.get_layer(f"{prefix}_conv_1")
    kernel, bias = last.get_weights()
    bias[:4] = -3 - np.abs(kernel).sum() * 1e3, 1e4, 0, 0
    last.set_weights([kernel, bias])
    gate, out = (keras.ops.convert_to_numpy(x) for x in gated(images(64, 64)))
    assert gate.shape[1:3] == (1, 1)
    assert gate.min() == 0 and gate.max() == 1
    assert np.all(gate[..., 0] == 0) and np.all(gate[..., 1] == 1)
    assert np.all(out[..., 0] == 0) and np.ptp(out[..., 1]) > 0
