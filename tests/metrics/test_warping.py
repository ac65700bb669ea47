"""Warping keeps the topology, and moves borders for nothing."""

import numpy as np
import pytest
import scipy.ndimage

from kseg import metrics
from kseg.metrics import warping
from kseg.metrics.warping import _AROUND, _simple_points

EIGHT = np.ones((3, 3), int)


def topology(cells):
    """How many cells there are, and how many pieces of membrane around them."""
    around = np.pad(~cells, 1, constant_values=True)
    return scipy.ndimage.label(cells)[1], scipy.ndimage.label(around, EIGHT)[1]


def blobs(seed, share=0.6, size=(30, 40)):
    noise = np.random.default_rng(seed).normal(size=size)
    smooth = scipy.ndimage.gaussian_filter(noise, 2)
    return smooth > np.quantile(smooth, 1 - share)


def test_simple_points_are_those_whose_flip_changes_no_count():
    """Checked by counting on the whole map, where the table sees the neighbours."""
    rng = np.random.default_rng(0)
    simple = _simple_points()
    changed = np.zeros(256, bool)
    for _ in range(1500):
        cells = rng.random((6, 6)) < rng.uniform(0.2, 0.8)
        flipped = cells.copy()
        flipped[2, 2] = ~flipped[2, 2]
        around = [cells[y + 1, x + 1] for y, x in _AROUND]
        key = sum(1 << bit for bit, cell in enumerate(around) if cell)
        changed[key] |= topology(cells) != topology(flipped)
        if simple[key]:
            assert topology(cells) == topology(flipped)
    # Most others changed a count in some draw; the table misses few simple ones.
    assert (~changed[~simple]).mean() < 0.2
    assert simple.sum() == 116  # of 256, (4, 8)-simple points of the plane


@pytest.mark.parametrize("seed", range(4))
def test_the_topology_stays(seed):
    truth, prediction = blobs(seed), blobs(seed + 10)
    warped = metrics.warp(truth, prediction)
    assert topology(warped) == topology(truth)
    error = metrics.warping_error(truth, prediction)
    assert 0 < error < metrics.pixel_error(truth, prediction)
    # Nothing but pixels of disagreement was flipped.
    assert (warped == truth)[truth == prediction].all()


@pytest.mark.parametrize("seed", range(6))
def test_no_simple_point_is_left(seed):
    """Pixels that stayed are looked at again when it matters."""
    truth, prediction = blobs(seed, 0.5), blobs(seed + 20, 0.4)
    warped = np.pad(metrics.warp(truth, prediction), 1)
    simple, left = _simple_points(), warped != np.pad(prediction, 1)
    for row, column in np.argwhere(left):
        around = [warped[row + y - 1, column + x - 1] for y, x in _AROUND]
        key = sum(1 << bit for bit, cell in enumerate(around) if cell)
        assert not simple[key]
    assert left.any()


def test_pixels_are_not_all_looked_at_for_every_step(monkeypatch):
    """A cell grows a line at a time: only what is beside the line may flip."""
    looked = []

    class Counted(np.ndarray):
        def __getitem__(self, keys):
            looked.append(np.size(keys))
            return super().__getitem__(keys)

    table = _simple_points().view(Counted)
    monkeypatch.setattr(warping, "_simple_points", lambda: table)
    truth, prediction = np.zeros((2, 120, 120), bool)
    truth[10:20, 10:-10] = prediction[10:-10, 10:-10] = True
    assert (metrics.warp(truth, prediction) == prediction).all()
    flips = np.count_nonzero(truth != prediction)
    assert flips < sum(looked) < 8 * flips  # of 90 lines


def test_borders_move_for_nothing():
    truth = np.ones((20, 31), bool)
    truth[:, 15] = False
    moved = np.roll(truth, 1, axis=1)
    assert metrics.warping_error(truth, moved) == 0
    wide = truth.copy()
    wide[:, 11:20] = False
    assert metrics.warping_error(truth, wide) == 0
    assert metrics.pixel_error(truth, wide) > 0.2


def test_a_gap_costs_its_narrowest_line():
    truth = np.ones((20, 31), bool)
    truth[:, 15] = False
    gap = truth.copy()
    gap[8:12, 15] = True
    # Two cells cannot become one: a line stays where the gap is.
    assert metrics.warping_error(truth, gap) == pytest.approx(4 / truth.size)
    split = truth.copy()
    split[9:12] = False
    # A cell is divided: what stays is a bridge as wide as the line, on either side.
    assert metrics.warping_error(truth, split) == pytest.approx(6 / truth.size)


def test_a_missing_and_an_added_cell_cost_a_pixel():
    truth = np.zeros((15, 15), bool)
    truth[2:6, 2:6] = True
    truth[8:13, 8:13] = True
    prediction = truth.copy()
    prediction[2:6, 2:6] = False
    assert metrics.warping_error(truth, prediction) == pytest.approx(1 / 225)
    assert metrics.warping_error(prediction, truth) == pytest.approx(16 / 225)


@pytest.mark.parametrize(
    ("truth", "prediction"),
    [
        (np.ones((3, 3), int), np.ones((3, 3), bool)),
        (np.ones((3, 3), bool), np.ones((3, 4), bool)),
        (np.ones(3, bool), np.ones(3, bool)),
    ],
)
def test_what_is_refused(truth, prediction):
    with pytest.raises(ValueError, match="booleans .height, width. of one size"):
        metrics.warping_error(truth, prediction)
