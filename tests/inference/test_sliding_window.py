"""A classifier slid over an image, window by window."""

import keras
import numpy as np
import pytest
from keras import layers

from kseg.data import patches
from kseg.inference import slide_classifier, windows_to_map
from kseg.labels import Labels


class Source(list):
    """Images and masks."""

    labels = Labels.numbered(600, ignore_class=600)

    def mask(self, index):
        return self[index][1]


def means(window=None):
    """A classifier whose scores are the means of the window's channels."""
    image = keras.Input((window, window, 3))
    return keras.Model(image, layers.GlobalAveragePooling2D()(image))


def picture(size=(20, 27), seed=0):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)


@pytest.mark.parametrize("window", [4, 5])
@pytest.mark.parametrize("stride", [1, 3])
def test_scores_are_those_of_the_windows(window, stride):
    image, model = picture(), means(window)
    scores = slide_classifier(model, image, window, stride, mirror=False, batch_size=7)
    height, width = image.shape[:2]
    shape = ((height - window) // stride + 1, (width - window) // stride + 1, 3)
    assert scores.shape == shape and scores.dtype == np.float32
    for row in range(shape[0]):
        for column in range(shape[1]):
            top, left = row * stride, column * stride
            part = image[top : top + window, left : left + window]
            np.testing.assert_allclose(
                scores[row, column], part.mean((0, 1)), rtol=1e-5
            )


@pytest.mark.parametrize("window", [4, 5])
def test_mirrored_windows_have_their_middle_at_every_stride(window):
    image = picture()
    scores = slide_classifier(means(window), image, window, 4)
    assert scores.shape == (5, 7, 3)
    edge = (window // 2, window - 1 - window // 2)
    padded = np.pad(image, (edge, edge, (0, 0)), mode="reflect")
    np.testing.assert_allclose(
        scores[1, 2], padded[4 : 4 + window, 8 : 8 + window].mean((0, 1)), rtol=1e-5
    )


def test_middles_agree_with_those_of_patches():
    image = picture()
    ids = np.arange(20 * 27).reshape(20, 27)
    windows, places = patches(Source([(image, ids)]), 6, 20)
    scores = slide_classifier(means(6), image, 6, 1).reshape(-1, 3)
    np.testing.assert_allclose(scores[places], windows.mean((1, 2)), rtol=1e-5)


def test_preprocessing_gets_raw_floats_and_leaves_the_image():
    image = picture()
    before = image.copy()
    seen = []

    def halved(batch):
        seen.append(batch.dtype)
        batch /= 2  # in place, as those of Keras
        return batch

    scores = slide_classifier(means(5), image, 5, 5, preprocess=halved)
    np.testing.assert_allclose(
        2 * scores, slide_classifier(means(5), image, 5, 5), rtol=1e-6
    )
    np.testing.assert_array_equal(image, before)
    assert set(seen) == {np.dtype("float32")}


def test_scores_return_to_the_pixels_they_are_of():
    """Scores that are a plane over the image come back as that plane."""
    ramp = np.stack(np.broadcast_arrays(*np.ogrid[:24, :31], 1.0), -1)
    for mirror, window, stride, inside in (
        (False, 5, 4, np.s_[2:19, 2:27]),
        (True, 6, 3, np.s_[:22, :31]),
    ):
        first = 0 if mirror else window // 2
        rows = range(first, 24 - (0 if mirror else window - 1 - first), stride)
        columns = range(first, 31 - (0 if mirror else window - 1 - first), stride)
        scores = ramp[np.ix_(rows, columns)]
        found = windows_to_map(scores, (24, 31), window, stride, mirror)
        assert found.shape == (24, 31, 3) and found.dtype == np.float32
        np.testing.assert_allclose(found[inside], ramp[inside], rtol=1e-6)
        assert found[..., 0].max() == max(rows)
        nearest = windows_to_map(scores, (24, 31), window, stride, mirror, "nearest")
        away = np.abs(nearest - ramp)[inside].max((0, 1))
        assert away[0] == away[1] == stride // 2
        np.testing.assert_array_equal(
            nearest[first::stride, first][: len(rows)], scores[:, 0]
        )


def test_an_image_is_segmented():
    image = np.zeros((24, 30, 3), np.uint8)
    image[:, 14:, 1] = 200
    image[:14, :, 0] = 90
    scores = slide_classifier(means(3), image, 3, 2)
    ids = windows_to_map(scores, (24, 30), 3, 2).argmax(-1)
    assert (ids[:12, :12] == 0).all() and (ids[:, 16:] == 1).all()


def test_what_is_refused():
    image = picture()
    with pytest.raises(ValueError, match=r"hold a window of 21. Received: shape \(20"):
        slide_classifier(means(21), image, 21, 1, mirror=False)
    with pytest.raises(ValueError, match="height, width, channels"):
        slide_classifier(means(3), image[0], 3, 1)
    with pytest.raises(ValueError, match="`stride`.*Received: 0"):
        slide_classifier(means(3), image, 3, 0)
    with pytest.raises(ValueError, match="'bilinear' or 'nearest'"):
        windows_to_map(np.zeros((2, 2, 1)), (4, 4), 3, 2, method="cubic")
    with pytest.raises(ValueError, match="1 or more. Received: 3 and 0"):
        windows_to_map(np.zeros((2, 2, 1)), (4, 4), window=3, stride=0)
    with pytest.raises(ValueError, match="1 or more. Received: 0 and 2"):
        windows_to_map(np.zeros((2, 2, 1)), (4, 4), window=0, stride=2)
