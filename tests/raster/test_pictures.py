"""Overlays and legends."""

import numpy as np

from kseg.inference import overlay, side_by_side
from kseg.labels import Labels
from kseg.raster.pictures import colorize

LABELS = Labels(("sky", "road"), ((0, 0, 200), (200, 0, 0)))


def test_ids_become_their_colours_and_void_white():
    colors = colorize(np.array([[0, 1, 255]], np.uint8), LABELS)
    assert colors.tolist() == [[[0, 0, 200], [200, 0, 0], [255, 255, 255]]]


def test_an_overlay_mixes_and_names_what_is_there():
    image = np.full((20, 120, 3), 100, np.uint8)
    ids = np.zeros((20, 120), np.uint8)
    picture = np.asarray(overlay(image, ids, LABELS, alpha=0.25))
    assert picture[0, 0].tolist() == [75, 75, 125]
    assert picture.shape[0] > 20  # the legend
    swatches = picture[20:].reshape(-1, 3)
    assert (swatches == (0, 0, 200)).all(-1).any()
    assert not (swatches == (200, 0, 0)).all(-1).any()
    assert overlay(image, ids, LABELS, legend=False).size == (120, 20)


def test_rows_stand_side_by_side_over_one_legend():
    image = np.zeros((10, 90, 3), np.uint8)
    ids = np.ones((10, 90), np.uint8)
    picture = np.asarray(side_by_side([(image, ids, ids)] * 2, LABELS))
    assert picture.shape[1] == 270
    assert picture[0, 90].tolist() == [200, 0, 0]
    assert picture[15, 180].tolist() == [120, 0, 0]


def test_more_classes_than_bytes_count_are_colours_too():
    labels = Labels.numbered(300)
    colors = colorize(np.array([[0, 255]], np.uint8), labels)
    assert colors.tolist() == [[list(labels.colors[0]), list(labels.colors[255])]]
    colors = colorize(np.array([[299, 300, 65535, -1, -9]]), labels)[0]
    assert colors.tolist() == [list(labels.colors[299]), *[[255] * 3] * 4]
