import fnmatch

import h5py
import keras
import numpy as np
import pytest

import kseg
from kseg.networks.hed import LEARNING_RATE_MULTIPLIERS

SIDES = [f"side{number}" for number in range(1, 6)]
STRIDES = [1, 2, 4, 8, 16]
RECEPTIVE_FIELDS = [5, 14, 40, 92, 196]  # table 1 of the paper


def count(variables):
    return sum(int(np.prod(v.shape)) for v in variables)


def taps(model, names):
    return keras.Model(model.input, [model.get_layer(name).output for name in names])


def average(model):
    """Makes every convolution an average, and every side output show its input."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D) and layer.name != "fuse":
            kernel, bias = layer.get_weights()
            kernel[:] = 1 / np.prod(kernel.shape[:3])
            layer.set_weights([kernel, 0 * bias])


@pytest.fixture(scope="module", params=["caffe", "same"])
def model(request):
    model = kseg.build("hed", padding=request.param)
    average(model)
    return model


def test_the_parameters_are_those_of_the_prototxt():
    model = kseg.build("hed")
    assert count(model.trainable_variables) == 14_716_171
    # The fixed upsampling; the authors' four biases of zero make it 1,364.
    assert count(model.non_trainable_variables) == 1_364 - 4


def test_an_untrained_network_says_nothing_either_way():
    model = kseg.build("hed")
    image = np.random.default_rng(0).uniform(0, 255, (1, 20, 30, 3))
    assert np.all(model(image, training=False) == 0)


def test_cells_see_as_many_pixels_as_in_table_1():
    """Averages and constant images: a brighter pixel brightens all that see it."""
    model = kseg.build("hed", padding="same")
    average(model)
    convolutions = taps(model, [f"block{n}_conv{2 + (n > 2)}" for n in range(1, 6)])
    width, first = 480, 240
    images = np.full((16, 1, width, 3), 200, "float32")
    for shift in range(16):
        images[shift, 0, first + shift] += 1e4
    plain = convolutions.predict_on_batch(images[:1] * 0 + 200)
    brighter = convolutions.predict_on_batch(images)
    for stride, field, before, after in zip(
        STRIDES, RECEPTIVE_FIELDS, plain, brighter, strict=True
    ):
        seen = (after - before)[:, 0].max(-1) > 0
        shifts, cells = np.nonzero(seen[:stride])
        pixels = np.sort(first + shifts - stride * cells)
        assert pixels.tolist() == list(range(pixels[0], pixels[0] + field))
        assert (pixels[0] + pixels[-1]) / 2 == (stride - 1) / 2  # the cell's centre


@pytest.mark.parametrize("axis", [1, 2])
def test_side_outputs_lie_on_the_pixels_they_came_from(model, axis):
    """Max pooling moves a ramp up by what it moves the opposite one down."""
    x = np.arange(301) - 150
    shape = (1, 301, 1, 1) if axis == 1 else (1, 1, 301, 1)
    ramps = [np.broadcast_to(s.reshape(shape), (*shape[:3], 3)) for s in (x, -x)]
    images = 300.0 + np.concatenate(ramps)
    middle = slice(130, 171)  # of which no cell sees the borders
    for side in taps(model, SIDES).predict_on_batch(images.astype("float32")):
        assert side.dtype == np.float32
        assert side.shape == (2, *shape[1:])
        rising, falling = side.reshape(2, 301)[:, middle].astype("float64")
        slope, start = np.polyfit(x[middle], rising - falling, 1)
        assert slope > 0
        np.testing.assert_allclose(start / slope, 0, atol=0.05)


def test_side_outputs_are_smooth_to_the_border_in_the_same_form():
    model = kseg.build("hed", padding="same")
    for number in range(1, 6):
        score = model.get_layer(f"side{number}_score")
        score.bias.assign([number])
    image = np.zeros((1, 37, 50, 3), "float32")
    for number, side in enumerate(taps(model, SIDES)(image, training=False), start=1):
        np.testing.assert_allclose(side, number, rtol=1e-5)


def test_the_fusion_starts_as_the_mean_of_the_sides():
    keras.utils.set_random_seed(0)
    model = kseg.build("hed")
    for number in range(1, 6):
        kernel = model.get_layer(f"side{number}_score").kernel
        kernel.assign(keras.random.normal(kernel.shape))
    image = np.random.default_rng(0).uniform(0, 255, (2, 33, 47, 3))
    *sides, fused = taps(model, [*SIDES, "fuse"])(image, training=False)
    assert fused.shape == (2, 33, 47, 1)
    mean = np.mean([np.asarray(side) for side in sides], axis=0)
    scale = np.abs(mean).max()
    np.testing.assert_allclose(fused / scale, mean / scale, atol=1e-5)
    for side in sides:
        assert np.abs(np.asarray(side) - mean).max() > 0.1 * scale


def test_the_upsampling_is_frozen(model):
    frozen = [layer.name for layer in model.layers if layer.weights]
    frozen = [name for name in frozen if not model.get_layer(name).trainable]
    assert frozen == [f"side{number}_up" for number in range(2, 6)]


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (33, 47), (64, 32)])
def test_any_size_comes_back(model, size):
    logits = model(np.zeros((1, *size, 3), "float32"), training=False)
    assert logits.shape == (1, *size, 1)


def test_the_multipliers_name_the_variables_that_learn():
    model = kseg.build("hed")
    found = {
        pattern: fnmatch.filter([v.path for v in model.trainable_variables], pattern)
        for pattern in LEARNING_RATE_MULTIPLIERS
    }
    assert {p: len(v) for p, v in found.items()} == {
        "block[1-4]_*/kernel": 10,
        "block[1-4]_*/bias": 10,
        "block5_*/kernel": 3,
        "block5_*/bias": 3,
        "side*_score/kernel": 5,
        "side*_score/bias": 5,
        "fuse/kernel": 1,
        "fuse/bias": 1,
    }


def test_the_published_vgg16_is_the_trunk(reference):
    path = reference / "weights" / "vgg16_imagenet_notop_float16.h5"
    model = kseg.build("hed", weights=str(path))
    layers = [layer for layer in model.layers if "_conv" in layer.name]
    assert len(layers) == 13
    with h5py.File(path) as file:
        for layer in layers:
            group = file[layer.name]
            kernel, bias = (group[name][:] for name in group.attrs["weight_names"])
            flip = -1 if layer.name == "block1_conv1" else 1  # BGR in the file
            np.testing.assert_array_equal(layer.kernel, kernel[:, :, ::flip])
            np.testing.assert_array_equal(layer.bias, bias)


def test_a_checkpoint_loads_whole(tmp_path):
    keras.utils.set_random_seed(1)
    model = kseg.build("hed", padding="same")
    for variable in model.trainable_variables:
        if variable.path.startswith(("side", "fuse")):
            variable.assign(keras.random.normal(variable.shape))
    model.save(tmp_path / "hed.keras")
    again = kseg.build("hed", padding="same", weights=str(tmp_path / "hed.keras"))
    image = np.random.default_rng(0).uniform(0, 255, (1, 20, 30, 3))
    np.testing.assert_array_equal(again(image), model(image))


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (dict(padding="valid"), "'caffe' or 'same'. Received: 'valid'"),
        (dict(weights="camvid"), "Received: 'camvid'"),
    ],
)
def test_wrong_arguments_are_refused(argument, message):
    with pytest.raises(ValueError, match=message):
        kseg.build("hed", **argument)


def test_late_merging_averages_the_six_probabilities(tmp_path):
    model = kseg.build("hed")
    average(model)
    model.get_layer("fuse").set_weights([np.full((1, 1, 5, 1), 0.01), np.array([-1.0])])
    model.save(tmp_path / "hed.keras")
    merging = kseg.build("hed", weights=tmp_path / "hed.keras", late_merging=True)

    image = np.random.default_rng(0).uniform(0, 255, (1, 20, 30, 3))
    every = [*taps(model, SIDES)(image, training=False), model(image, training=False)]
    expected = np.mean([1 / (1 + np.exp(-np.array(each))) for each in every], axis=0)
    merged = np.array(merging(image, training=False))
    np.testing.assert_allclose(1 / (1 + np.exp(-merged)), expected, atol=1e-5)
    assert np.ptp(expected) > 0.01
