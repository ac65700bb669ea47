import keras
import numpy as np
import pytest

import kseg


def trainable(model):
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


def logits_of(model, images):
    return keras.ops.convert_to_numpy(model(images, training=False))


def parameters(num_classes, channels, norm, filters=64, depth=5):
    """Adds up figure 1 of the paper, layer by layer."""
    extra = 2 if norm else 1  # gamma and beta, or a bias
    widths = [filters * 2**level for level in range(depth)]
    total, incoming = 0, channels
    for width in widths:  # down
        total += 9 * incoming * width + 9 * width * width + 2 * extra * width
        incoming = width
    for width in reversed(widths[:-1]):  # up
        total += 4 * 2 * width * width + width  # the 2x2 up-convolution
        total += 9 * 2 * width * width + 9 * width * width + 2 * extra * width
    return total + filters * num_classes + num_classes


@pytest.fixture(scope="module")
def valid():
    keras.utils.set_random_seed(0)
    return kseg.build("unet", num_classes=2, filters=4, padding="valid")


@pytest.mark.parametrize(
    ("num_classes", "channels", "expected"),
    [
        (21, 3, 31_033_045),
        (11, 3, 31_032_395),
        (21, 1, 31_031_893),
        (11, 1, 31_031_243),
        (2, 1, 31_030_658),  # the paper's
    ],
)
def test_the_valid_form_has_the_parameters_of_the_paper(
    num_classes, channels, expected
):
    model = kseg.build(
        "unet",
        num_classes=num_classes,
        padding="valid",
        input_shape=(None, None, channels),
    )
    assert trainable(model) == expected == parameters(num_classes, channels, False)


@pytest.mark.parametrize("num_classes", [11, 21])
def test_the_same_form_has_batch_norm_for_biases(num_classes):
    model = kseg.build("unet", num_classes=num_classes)
    assert trainable(model) == parameters(num_classes, 3, norm=True)


@pytest.mark.parametrize(("filters", "depth"), [(4, 2), (5, 3), (2, 6)])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_filters_and_depth_change_the_count(filters, depth, padding):
    model = kseg.build(
        "unet", num_classes=3, filters=filters, depth=depth, padding=padding
    )
    assert trainable(model) == parameters(3, 3, padding == "same", filters, depth)


def test_572_pixels_give_388(valid):
    names = ["encoder5_relu2", "classifier"]
    outputs = [valid.get_layer(name).output for name in names]
    image = np.zeros((1, 572, 572, 3), "float32")
    deepest, logits = keras.Model(valid.input, outputs)(image)
    assert deepest.shape == (1, 28, 28, 64)
    assert logits.shape == (1, 388, 388, 2)


def test_tiles_of_the_valid_form_fit_seamlessly(valid):
    """Figure 2: what a tile gives is what the whole image gives there."""
    image = np.random.default_rng(0).uniform(0, 255, (1, 268, 252, 3))
    whole = logits_of(valid, image)
    for top, left in ((0, 0), (16, 32), (48, 0)):
        tile = logits_of(valid, image[:, top : top + 220, left : left + 204])
        expected = whole[:, top : top + 36, left : left + 20]
        np.testing.assert_allclose(tile, expected, atol=1e-4)
    assert np.ptp(whole) > 0.1


def test_the_valid_form_refuses_sizes_that_do_not_fit(valid):
    with pytest.raises(ValueError, match="188 . 16 m. Received: .570, 572."):
        valid(np.zeros((1, 570, 572, 3), "float32"))
    with pytest.raises(ValueError, match="fit 100 are 188 and 204"):
        kseg.build("unet", padding="valid", filters=4, input_shape=(100, 188, 3))


def test_maps_across_lie_on_the_pixels_they_came_from():
    """Without what comes from below, a pixel is seen by four kernels around it."""
    keras.utils.set_random_seed(0)
    for padding, border in (("same", 0), ("valid", 16 // 2)):
        model = kseg.build("unet", num_classes=2, filters=4, depth=2, padding=padding)
        layer = model.get_layer("decoder1_conv1")
        kernel, *bias = layer.get_weights()
        kernel[:, :, 4:] = 0  # what comes from below
        layer.set_weights([kernel, *bias])
        image = np.full((1, 36, 40, 3), 100, "float32")
        before = logits_of(model, image)
        image[0, 17, 22] = 255
        changed = np.argwhere(np.abs(logits_of(model, image) - before)[0].max(-1) > 0)
        middle = (changed.min(0) + changed.max(0)) / 2 + border
        assert middle.tolist() == [17, 22]
        assert (np.ptp(changed, axis=0) <= 8).all()


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (dict(num_classes=1), "`num_classes` must be 2 or more. Received: 1"),
        (dict(depth=1), "`depth` must be 2 or more. Received: 1"),
        (dict(padding="full"), "'same' or 'valid'. Received: 'full'"),
        (dict(weights="imagenet"), "has no ImageNet weights"),
    ],
)
def test_wrong_arguments_are_refused(argument, message):
    with pytest.raises(ValueError, match=message):
        kseg.build("unet", **argument)
