import tarfile

import keras
import numpy as np
import pytest
from keras import layers

from kseg.data.bsds500 import bsds500
from kseg.inference import evaluate_edges
from kseg.labels import Labels

SIZE = (60, 80)


class Photos:
    """Grey images with bright lines; the masks are the lines, one row lower."""

    labels = Labels.named(["background", "edge"])
    rows = (20, 40)

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        image = np.zeros((*SIZE, 3), np.uint8)
        image[self.rows[index], 20:60] = 200
        mask = np.roll((image[..., 0] > 0).astype("uint8"), 1, axis=0)
        mask[:5] = 255
        return image, mask

    def mask(self, index):
        return self[index][1]

    def name(self, index):
        return str(index)


class Annotated(Photos):
    """The same, drawn by two people, one of whom saw a line that is not there."""

    def annotations(self, index):
        drawn = np.stack([self[index][1] == 1] * 2)
        drawn[1, 10, 20:60] = True
        return drawn


@pytest.fixture(scope="module")
def model():
    """An edge detector with one logit per pixel: the brightness, less 100."""
    image = keras.Input((None, None, 3))
    logit = layers.Conv2D(1, 1)
    model = keras.Model(image, logit(image))
    logit.set_weights([np.full((1, 1, 3, 1), 0.04), np.array([-12.0])])
    return model


def test_lines_are_found_within_the_tolerance(model):
    result = evaluate_edges(model, Photos(), thresholds=9, max_distance=0.02)
    assert result["images"] == 2
    assert result["ods"] > 0.95 and result["ois"] >= result["ods"]
    assert result["thresholds"] == pytest.approx(np.arange(1, 10) / 10)
    assert evaluate_edges(model, Photos(), 9, 0.005)["ods"] < 0.1  # half a pixel


def test_annotations_go_before_the_mask(model):
    """Half of one of two drawings is missed: recall is two thirds."""
    result = evaluate_edges(model, Annotated(), thresholds=3, max_distance=0.02)
    assert result["recall"][0] == pytest.approx(2 / 3, abs=0.02)
    assert result["precision"][0] > 0.95


def test_predictions_are_thinned_to_their_ridges():
    """Bands with their ridge at the upper border, where a threshold sees a middle."""

    def band(image):
        below = np.arange(SIZE[0])[:, None] - image[:, 40, 0].argmax()
        edge = np.where(below >= 0, np.exp(-below / 6), np.exp(below / 1))
        edge = edge * np.ones(SIZE)
        return np.stack([1 - edge, edge], -1)

    class Across(Photos):
        def annotations(self, index):
            drawn = np.zeros((1, *SIZE), bool)
            drawn[0, self.rows[index]] = True
            return drawn

    result = evaluate_edges(None, Across(), 9, 0.02, predict=band)
    assert result["precision"][0] == 1 and result["recall"][0] > 0.85


def test_real_edges_are_found_again(reference, tmp_path):
    """The people themselves score far above an image's brightness."""
    with tarfile.open(reference / "data" / "bsds500_trainval.tar") as file:
        wanted = [m for m in file if "101085" in m.name]
        file.extractall(tmp_path, wanted, filter="data")
    source = bsds500("val", tmp_path)
    assert len(source) == 1 and source.name(0) == "101085"

    def people(image):
        share = source.annotations(0).mean(0)
        return np.stack([1 - share, share], -1)

    def brightness(image):
        share = image.mean(-1) / 255
        return np.stack([1 - share, share], -1)

    human = evaluate_edges(None, source, 3, predict=people)
    other = evaluate_edges(None, source, 3, predict=brightness)
    assert human["ods"] > 0.75 and other["ods"] < 0.5


def test_there_must_be_images_of_two_classes(model):
    source = Photos()
    source.rows = ()
    with pytest.raises(ValueError, match="Received: 0 images"):
        evaluate_edges(model, source)
    source = Photos()
    source.labels = Labels.numbered(3)
    with pytest.raises(ValueError, match="'class_2'"):
        evaluate_edges(model, source)


def test_there_must_be_probabilities_of_two_classes():
    with pytest.raises(ValueError, match="Received: 3 classes"):
        evaluate_edges(None, Photos(), predict=lambda image: image / 255)


def test_what_is_found_in_void_counts_nothing(model):
    """A second line lies in void; where it is background it is wrong."""

    class Doubled(Photos):
        void = 255

        def __getitem__(self, index):
            image, mask = super().__getitem__(index)
            image[50, 20:60] = 200
            mask[46:] = self.void
            return image, mask

    in_void = evaluate_edges(model, Doubled(), 3, 0.02)
    assert in_void["precision"][0] > 0.95 and in_void["recall"][0] > 0.95
    assert in_void["precision"] == evaluate_edges(model, Photos(), 3, 0.02)["precision"]
    Doubled.void = 0
    assert evaluate_edges(model, Doubled(), 3, 0.02)["precision"][0] < 0.6
