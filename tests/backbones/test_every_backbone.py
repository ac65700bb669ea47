import keras
import numpy as np
import pytest
from trunks import images, randomise, run, trunk

from kseg import backbones

TAPS = ["c1", "c2", "c3", "c4", "c5"]
# Where strided convolutions pad as TensorFlow does, and not as Caffe and PyTorch do.
SAME = ("efficientnet_lite0", "mobilenet_v2", "mobilenet_v3_large")


# Deeper ResNets are ResNet-18 or ResNet-50 with more units.
@pytest.fixture(
    scope="module",
    params=[
        "efficientnet_lite0",
        "mobilenet_v2",
        "mobilenet_v3_large",
        "resnet18_torch",
        "resnet50",
        "resnet50_beta",
        "resnet50_torch",
        "vgg16",
        "xception65",
    ],
)
def strided(request):
    """The classifier's trunk, output stride 32.

    Squeeze-and-excite averages whole maps, so there its gates are held constant.
    """
    model = randomise(trunk(request.param))
    for layer in model.layers:
        if layer.name.endswith("squeeze_excite_conv_1"):
            layer.kernel.assign(0 * layer.kernel)
    return model


@pytest.fixture(scope="module", params=[8, 16])
def dilated(request, strided):
    """The same weights at a smaller output stride."""
    model = trunk(strided.name, request.param)
    model.set_weights(strided.get_weights())
    return model, request.param


@pytest.mark.parametrize("size", [(1, 1), (33, 47), (64, 96)])
def test_taps_have_their_strides_rounded_up(strided, size):
    maps = run(strided, images(*size))
    assert [name for name in maps if name.startswith("c") and len(name) == 2] == TAPS
    for number, tap in enumerate(TAPS, start=1):
        expected = tuple(-(-side // 2**number) for side in size)
        assert maps[tap].shape[:3] == (2, *expected)
        assert maps[tap].std() > 0


@pytest.mark.parametrize("size", [(96, 65), (75, 82)])
def test_the_dilated_network_holds_the_strided_one(strided, dilated, size):
    """Every map of stride 32 is a sample of the dilated one, borders included."""
    dilated, output_stride = dilated
    pixels = images(*size)
    coarse, fine = run(strided, pixels), run(dilated, pixels)
    for number, tap in enumerate(TAPS, start=1):
        step = max(1, 2**number // output_stride)
        top, left = (
            first_row(side, number, output_stride) if strided.name in SAME else 0
            for side in size
        )
        sample = fine[tap][:, top::step, left::step]
        scale = np.abs(coarse[tap]).max()
        np.testing.assert_allclose(sample, coarse[tap], atol=1e-4 * scale, err_msg=tap)
        assert coarse[tap].std() > 1e-3 * scale


def first_row(side, number, output_stride):
    """Returns where a map of stride `2 ** number` begins in the dilated one.

    Fixed padding puts kernel i on pixel 2 i. So does `same` where a side is odd,
    but on pixel 2 i + 1 where it is even.
    """
    first = 0
    for level in range(number):
        if side % 2 == 0:
            first += 2**level // output_stride
        side = -(-side // 2)
    return first


@pytest.mark.parametrize("output_stride", [4, 64, "8", None])
def test_other_output_strides_are_refused(output_stride):
    with pytest.raises(ValueError, match="8, 16 or 32. Received: "):
        backbones.build("resnet50", keras.Input((None, None, 3)), output_stride)


def test_an_unknown_backbone_lists_the_known_and_the_nearest():
    with pytest.raises(
        ValueError, match="'mobilenet_v2'.*'resnet101'.*mean 'resnet50'"
    ):
        backbones.build("resnet_50", keras.Input((None, None, 3)))


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("mobilenet_v2", []),
        ("resnet50", ["multi_grid", "cascade"]),
        ("resnet50_beta", ["multi_grid", "cascade", "dilate_first"]),
    ],
)
def test_an_unknown_option_lists_the_known(name, known):
    assert backbones.options(name) == known
    with pytest.raises(ValueError, match=f"option of '{name}'.*'multigrid'") as error:
        backbones.build(name, keras.Input((None, None, 3)), multigrid=(1, 2, 4))
    assert str(known) in str(error.value)
