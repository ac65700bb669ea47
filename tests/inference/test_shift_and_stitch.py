import keras
import numpy as np
import pytest
from keras import layers

from kseg.inference import shift_and_stitch
from kseg.layers import DilatedMaxPooling2D


def network(dense):
    """Two poolings between three convolutions; without strides where dense."""
    x = image = keras.Input((None, None, 3))
    for level in range(3):
        rate = 2**level if dense else 1
        x = layers.Conv2D(6, 3, dilation_rate=rate, padding="same", activation="relu")(
            x
        )
        if level < 2:
            pool = layers.MaxPooling2D(2, padding="same")
            x = (DilatedMaxPooling2D(rate) if dense else pool)(x)
    return keras.Model(image, x)


@pytest.fixture(scope="module")
def networks():
    keras.utils.set_random_seed(0)
    strided, dense = network(dense=False), network(dense=True)
    dense.set_weights(strided.get_weights())
    return strided, dense


def noise(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


@pytest.mark.parametrize("size", [(32, 37), (33, 30)])
@pytest.mark.parametrize("batch_size", [1, 16, 7])
def test_the_stitched_network_is_the_dilated_one(networks, size, batch_size):
    strided, dense = networks
    image = noise(*size, 3)
    stitched = shift_and_stitch(strided, image, stride=4, batch_size=batch_size)
    expected = np.asarray(dense(image[np.newaxis]))[0]
    assert stitched.shape == expected.shape
    assert stitched.dtype == np.float32
    inner = slice(8, -10)  # what the convolutions and poolings reach
    assert expected[inner, inner].std() > 0.1
    np.testing.assert_allclose(
        stitched[inner, inner], expected[inner, inner], atol=1e-5
    )
    # Cell i of the network itself is there as pixel 4 i.
    coarse = np.asarray(strided(image[np.newaxis]))[0, 2:-3, 2:-3]
    rows, columns = coarse.shape[:2]
    same = stitched[8::4, 8::4][:rows, :columns]
    np.testing.assert_allclose(same, coarse, atol=1e-5)


def mean_of_windows(kernel, stride, border):
    """A function that averages windows; the first starts `border` ahead of 0."""

    def run(batch):
        pads = ((0, 0), (border, border), (border, border), (0, 0))
        view = np.lib.stride_tricks.sliding_window_view(
            np.pad(batch, pads), (kernel, kernel), axis=(1, 2)
        )
        return view[:, ::stride, ::stride].mean((-2, -1))

    return run


@pytest.mark.parametrize(
    ("kernel", "stride", "border"),
    [(5, 4, 0), (7, 3, 3), (3, 8, 1), (1, 4, 0), (3, 2, 10), (9, 8, 40), (3, 1, 1)],
)
@pytest.mark.parametrize("size", [(1, 2), (16, 19)])
def test_a_prediction_lies_where_its_receptive_field_is_centred(
    kernel, stride, border, size
):
    image = noise(*size, 2)
    result = shift_and_stitch(
        mean_of_windows(kernel, stride, border),
        image,
        stride,
        offset=(kernel - 1) // 2 - border,
    )
    reach = (kernel - 1) // 2
    padded = np.pad(image, ((reach, reach), (reach, reach), (0, 0)))
    expected = mean_of_windows(kernel, 1, 0)(padded[np.newaxis])[0]
    np.testing.assert_allclose(result, expected, atol=1e-6)


def test_around_the_image_is_what_was_asked_for():
    image = np.ones((6, 7, 2), "float32")
    run = mean_of_windows(5, 4, 0)
    result = shift_and_stitch(run, image, 4, offset=2, fill=(1.0, 0.5))
    np.testing.assert_allclose(result[..., 0], 1)
    assert result[0, 0, 1] == pytest.approx(0.5 + 0.5 * 9 / 25)
    assert result[3, 3, 1] == 1


def test_it_runs_the_network_at_every_shift_once(networks):
    sizes = []

    def run(batch):
        sizes.append(batch.shape)
        return batch[:, ::4, ::4]

    shift_and_stitch(run, noise(9, 10, 1), stride=4, batch_size=6)
    runs = [size for size in sizes if size[0] > 1]
    assert sum(size[0] for size in runs) == 16
    assert len({size[1:] for size in runs}) == 1  # so the graph is traced once


@pytest.mark.parametrize("stride", [2, 3, 8])
def test_another_stride_is_refused(networks, stride):
    with pytest.raises(ValueError, match=f"4 cells more. Received: stride={stride}"):
        shift_and_stitch(networks[0], noise(17, 21, 3), stride)


@pytest.mark.parametrize("size", [(1, 2), (9, 30), (70, 5)])
def test_an_image_may_be_smaller_than_the_receptive_field(size):
    """Without padding a network has no map of what is smaller than it sees."""
    image = noise(*size, 2)
    valid = keras.Sequential(
        [
            keras.Input((None, None, 2)),
            layers.AveragePooling2D(2),
            layers.DepthwiseConv2D(20, depthwise_initializer="ones"),
        ]
    )  # a field of 40 pixels, which begins at the first
    result = shift_and_stitch(valid, image, stride=2, offset=20)
    padded = np.pad(image, ((20, 20), (20, 20), (0, 0)))
    expected = mean_of_windows(40, 1, 0)(padded[np.newaxis])[0] * 400
    np.testing.assert_allclose(result, expected[: size[0], : size[1]], atol=1e-3)


@pytest.mark.parametrize(("stride", "batch_size"), [(0, 16), (-1, 16), (4, 0)])
def test_numbers_below_one_are_refused(stride, batch_size):
    message = f"1 or more. Received: {stride} and {batch_size}"
    with pytest.raises(ValueError, match=message):
        shift_and_stitch(lambda x: x, noise(9, 9, 1), stride, batch_size=batch_size)
