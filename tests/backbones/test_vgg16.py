import keras
import numpy as np
import pytest
from trunks import images, randomise, run, trunk

from kseg import backbones

# The layers of keras.applications at which our taps lie.
LAYERS = {
    "conv1": "block1_conv2",
    "conv2": "block2_conv2",
    "conv3": "block3_conv3",
    "conv4": "block4_conv3",
    "conv5": "block5_conv3",
    "c1": "block1_pool",
    "c3": "block3_pool",
    "c5": "block5_pool",
}


def network(**options):
    image = keras.Input((None, None, 3))
    return keras.Model(image, backbones.vgg16(image, **options))


@pytest.fixture(scope="module")
def whole():
    """With a small classifier that keeps the size."""
    return randomise(network(classifier=True, fc_filters=8, padding="same"))


def test_it_has_the_parameters_of_the_paper(whole):
    """Up to the dense layers; with these, tests/networks/test_fcn.py."""
    counts = {layer.name: layer.count_params() for layer in whole.layers}
    assert counts.pop("fc6") == 7 * 7 * 512 * 8 + 8
    assert counts.pop("fc7") == 8 * 8 + 8
    assert sum(counts.values()) == 14_714_688


def test_published_weights_give_the_published_features(reference):
    path = reference / "weights" / "vgg16_imagenet_notop_float16.h5"
    if not path.is_file():
        pytest.skip("the ImageNet weights of VGG16 are not there")
    theirs = keras.applications.VGG16(include_top=False, weights=str(path))
    outputs = {tap: theirs.get_layer(name).output for tap, name in LAYERS.items()}
    # Of sizes that are not multiples of 32, Keras drops the last pixels.
    pixels = images(96, 64)
    expected = run(
        keras.Model(theirs.input, outputs),
        keras.applications.vgg16.preprocess_input(pixels.copy()),
    )
    ours = trunk("vgg16")
    backbones.load_weights(ours, path, "vgg16", ours.output["c5"])
    actual = run(ours, pixels)
    for tap in LAYERS:
        atol = 1e-4 * np.abs(expected[tap]).max()
        np.testing.assert_allclose(actual[tap], expected[tap], atol=atol, err_msg=tap)


@pytest.mark.parametrize("size", [(1, 1), (33, 47)])
def test_taps_lie_ahead_of_and_behind_each_pooling(whole, size):
    maps = run(whole, images(*size))
    for number, channels in enumerate((64, 128, 256, 512, 512), start=1):
        before = tuple(-(-side // 2 ** (number - 1)) for side in size)
        after = tuple(-(-side // 2**number) for side in size)
        assert maps[f"conv{number}"].shape == (2, *before, channels)
        assert maps[f"c{number}"].shape == (2, *after, channels)
    assert maps["fc6"].shape == maps["fc7"].shape == (2, *after, 8)


@pytest.mark.parametrize("output_stride", [8, 16])
def test_the_dilated_classifier_holds_the_strided_one(whole, output_stride):
    """`fc6` is dilated as far as the strides left out."""
    dilated = network(
        output_stride=output_stride, classifier=True, fc_filters=8, padding="same"
    )
    dilated.set_weights(whole.get_weights())
    pixels = images(75, 130)
    coarse, fine = run(whole, pixels)["fc7"], run(dilated, pixels)["fc7"]
    step = 32 // output_stride
    assert coarse.std() > 0.1
    np.testing.assert_allclose(
        fine[:, ::step, ::step], coarse, atol=1e-4 * np.abs(coarse).max()
    )


def test_a_border_of_100_leaves_fc6_a_place_on_any_image(whole):
    model = network(first_padding=100, classifier=True, fc_filters=8)
    for size in range(1, 70):
        shapes = model.compute_output_shape((1, size, 500, 3))
        assert shapes["conv1"] == (1, size + 198, 698, 64)
        assert shapes["fc7"] == (1, -(-(size + 198) // 32) - 6, 16, 8)


def test_the_border_is_of_the_mean_colour(whole):
    """So it is the zeros that the convolutions of Caffe pad with."""
    model = network(first_padding=9, classifier=True, fc_filters=8, padding="same")
    model.set_weights(whole.get_weights())
    small, large = images(40, 30), np.empty((2, 56, 46, 3), "float32")
    large[:] = (123.68, 116.779, 103.939)
    large[:, 8:-8, 8:-8] = small
    expected = run(whole, large)
    for name, value in run(model, small).items():
        if name != "image":  # what is padded
            np.testing.assert_array_equal(value, expected[name], err_msg=name)


# The form of DeepLab.


@pytest.fixture(scope="module")
def deeplab():
    return randomise(network(output_stride=8, pool_size=3))


def windows_of_3(x, step):
    """The largest value around every `step`-th pixel, by slices of a padded map."""
    x = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=-np.inf)
    height, width = x.shape[1] - 2, x.shape[2] - 2
    shifted = [
        x[:, i : i + height : step, j : j + width : step]
        for i in range(3)
        for j in range(3)
    ]
    return np.max(shifted, axis=0)


@pytest.mark.parametrize("size", [(1, 1), (16, 30), (33, 41)])
def test_poolings_of_3x3_are_centred_on_every_second_pixel(deeplab, size):
    """And on every pixel in the last two stages."""
    maps = run(deeplab, images(*size))
    for stage, step in ((1, 2), (2, 2), (3, 2), (4, 1), (5, 1)):
        expected = windows_of_3(maps[f"conv{stage}"], step)
        np.testing.assert_array_equal(maps[f"c{stage}"], expected)


@pytest.mark.parametrize("size", [(33, 65), (75, 130)])
def test_the_last_stage_of_deeplab_holds_that_of_a_strided_pooling(deeplab, size):
    strided = network(output_stride=16, pool_size=3)
    strided.set_weights(deeplab.get_weights())
    pixels = images(*size)
    coarse, fine = run(strided, pixels)["conv5"], run(deeplab, pixels)["conv5"]
    assert coarse.shape[1:3] == tuple(-(-side // 16) for side in size)
    assert coarse.std() > 0.1
    np.testing.assert_allclose(
        fine[:, ::2, ::2], coarse, atol=1e-4 * np.abs(coarse).max()
    )


def test_the_image_is_a_tap_less_its_mean(deeplab):
    pixels = images(5, 4)
    mean = np.array((123.68, 116.779, 103.939), "float32")
    np.testing.assert_allclose(run(deeplab, pixels)["image"], pixels - mean, atol=1e-4)


def test_other_windows_are_refused():
    with pytest.raises(ValueError, match="`pool_size` must be 2 or 3. Received: 4"):
        network(pool_size=4)
