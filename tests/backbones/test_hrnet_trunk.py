"""HRNet against NumPy, and against the names and widths of the authors' code."""

import keras
import numpy as np
import pytest
from trunks import images, randomise, run, trunk, write_h5

from kseg import backbones
from kseg.layers import ResizeLike

SMALL = "hrnet_w18_small_v1"
# Convolutions of the authors' state dictionary of HRNet-W18, as shapes of PyTorch.
KERNELS = {
    "conv1": (64, 3, 3, 3),
    "conv2": (64, 64, 3, 3),
    "layer1.0.conv1": (64, 64, 1, 1),
    "layer1.0.downsample.0": (256, 64, 1, 1),
    "layer1.3.conv3": (256, 64, 1, 1),
    "transition1.0.0": (18, 256, 3, 3),
    "transition1.1.0.0": (36, 256, 3, 3),
    "stage2.0.branches.1.3.conv2": (36, 36, 3, 3),
    "stage2.0.fuse_layers.0.1.0": (18, 36, 1, 1),
    "stage2.0.fuse_layers.1.0.0.0": (36, 18, 3, 3),
    "transition2.2.0.0": (72, 36, 3, 3),
    "stage3.3.branches.2.0.conv1": (72, 72, 3, 3),
    "stage3.3.fuse_layers.2.0.0.0": (18, 18, 3, 3),
    "stage3.3.fuse_layers.2.0.1.0": (72, 18, 3, 3),
    "transition3.3.0.0": (144, 72, 3, 3),
    "stage4.2.branches.3.3.conv2": (144, 144, 3, 3),
    "stage4.2.fuse_layers.0.3.0": (18, 144, 1, 1),
    "stage4.2.fuse_layers.3.0.1.0": (18, 18, 3, 3),
    "stage4.2.fuse_layers.3.0.2.0": (144, 18, 3, 3),
}


@pytest.fixture(scope="module")
def model():
    return randomise(trunk(SMALL))


def numpy_conv(x, model, name, stride):
    """Convolves with `kernel // 2` zeros at every side, as PyTorch does."""
    kernel = np.asarray(model.get_layer(name).kernel, "float64")
    side = kernel.shape[0]
    x = np.pad(x, ((0, 0), *2 * [(side // 2,) * 2], (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(x, (side, side), (1, 2))
    return np.einsum("bhwcij,ijcf->bhwf", windows[:, ::stride, ::stride], kernel)


def numpy_norm(x, model, name):
    gamma, beta, mean, variance = (
        np.asarray(v, "float64") for v in model.get_layer(name).weights
    )
    return (x - mean) / np.sqrt(variance + 1e-5) * gamma + beta


def numpy_resize(x, size, align_corners):
    """Interpolates linearly along height, then along width."""
    for axis, new in enumerate(size, start=1):
        old = x.shape[axis]
        places = (
            np.linspace(0, old - 1, new)
            if align_corners
            else (np.arange(new) + 0.5) * old / new - 0.5
        )
        rows = [np.interp(places, np.arange(old), row) for row in np.eye(old)]
        x = np.moveaxis(np.tensordot(x, np.array(rows), (axis, 0)), -1, axis)
    return x


def numpy_exchange(model, maps, module, to, align_corners):
    """Sums all branches at the size of one (figure 3)."""
    total = maps[to]
    for source, x in enumerate(maps):
        name = f"{module}_fuse_layers_{to}_{source}"
        if source > to:
            x = numpy_norm(numpy_conv(x, model, f"{name}_0", 1), model, f"{name}_1")
            total = total + numpy_resize(x, maps[to].shape[1:3], align_corners)
        elif source < to:
            for step in range(to - source):
                x = np.maximum(x, 0) if step else x
                x = numpy_conv(x, model, f"{name}_{step}_0", 2)
                x = numpy_norm(x, model, f"{name}_{step}_1")
            total = total + x
    return np.maximum(total, 0)


@pytest.mark.parametrize("align_corners", [False, True])
def test_the_branches_exchange_as_in_figure_3(model, align_corners):
    """Those of the last module, at sizes of which some halve to odd ones."""
    network = trunk(SMALL, align_corners=align_corners)
    network.set_weights(model.get_weights())
    resizes = [x for x in network.layers if isinstance(x, ResizeLike)]
    assert len(resizes) == 1 + 3 + 6 + 3  # stages 2 to 4, representation
    assert {x.align_corners for x in resizes} == {align_corners}

    ends = [f"stage4_0_branches_{number}_1_relu" for number in range(4)]
    inside = [network.get_layer(name).output for name in ends]
    everything = keras.Model(network.input, [*inside, network.output])
    *before, after = everything(images(76, 136), training=False)
    before = [np.asarray(x, "float64") for x in before]
    assert [x.shape[1:3] for x in before] == [(19, 34), (10, 17), (5, 9), (3, 5)]
    branches = [np.asarray(after[f"c{number}"]) for number in range(2, 6)]
    for to, actual in enumerate(branches):
        expected = numpy_exchange(network, before, "stage4_0", to, align_corners)
        atol = 1e-5 * expected.max()
        np.testing.assert_allclose(actual, expected, atol=atol, err_msg=f"to {to}")
        assert np.any(actual == 0) and np.any(actual > 0)
    resized = [numpy_resize(x, (19, 34), align_corners) for x in branches]
    expected = np.concatenate(resized, axis=-1)
    np.testing.assert_allclose(
        after["representation"], expected, atol=1e-5 * expected.max()
    )


def test_the_stem_sees_a_standardised_image_with_symmetric_zeros(model):
    pixels = images(12, 9)
    mean, deviation = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    x = (pixels.astype("float64") / 255 - mean) / deviation
    x = np.maximum(numpy_norm(numpy_conv(x, model, "conv1", 2), model, "bn1"), 0)
    np.testing.assert_allclose(run(model, pixels)["c1"], x, atol=1e-5 * x.max())


@pytest.mark.parametrize("size", [(1, 1), (33, 47), (64, 96)])
def test_branches_have_their_strides_and_widths(model, size):
    maps = run(model, images(*size))
    assert list(maps) == ["c1", "c2", "c3", "c4", "c5", "representation"]
    channels = [64, 16, 32, 64, 128, 240]
    for number, x, filters in zip(
        [1, 2, 3, 4, 5, 2], maps.values(), channels, strict=True
    ):
        expected = tuple(-(-side // 2**number) for side in size)
        assert x.shape == (2, *expected, filters)
        assert x.std() > 0


def test_layers_have_the_names_of_the_authors_state_dictionary():
    model = trunk("hrnet_w18")
    for name, shape in KERNELS.items():
        kernel = model.get_layer(name.replace(".", "_")).kernel
        assert tuple(kernel.shape) == tuple(np.take(shape, [2, 3, 1, 0])), name
    norms = [x for x in model.layers if hasattr(x, "moving_mean")]
    convolutions = [x for x in model.layers if hasattr(x, "kernel")]
    # 2 of the stem, 13 of stage 1, 4 that begin branches; by module 16, 24 and 32 of
    # units and 2, 7 and 16 of exchanges.
    assert len(convolutions) == 2 + 13 + 4 + 1 * 18 + 4 * 31 + 3 * 48
    assert len(norms) == len(convolutions)
    assert {norm.epsilon for norm in norms} == {1e-5}


def test_a_file_of_the_backbone_fills_every_branch(model, tmp_path):
    path = write_h5(tmp_path / "weights.h5", model)
    other = randomise(trunk(SMALL), seed=1)
    backbones.load_weights(other, path, SMALL, other.output["representation"])
    for variable, expected in zip(other.variables, model.variables, strict=True):
        np.testing.assert_array_equal(variable, expected)


@pytest.mark.parametrize("output_stride", [8, 16])
def test_a_denser_hrnet_does_not_exist(output_stride):
    message = f"must be 32. Received: {output_stride}.*`c2` is at stride 4"
    with pytest.raises(ValueError, match=message):
        backbones.build(SMALL, keras.Input((None, None, 3)), output_stride)
