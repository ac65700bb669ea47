import numpy as np
import pytest

from kseg.inference.parallel import BLOCK, row_blocks
from kseg.inference.permutohedral import PermutohedralLattice


def apply(lattice, values):
    grid = lattice.spread(values)
    blocks = range(len(row_blocks(len(values))))
    return np.concatenate([lattice.gather(grid, i) for i in blocks])


def points(number, d, spread, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(0, spread, (number, d)), rng.random((number, 3), np.float32)


def shares(filtered):
    """Filtered values over what is filtered of ones: weighted means."""
    return filtered[:, :-1] / filtered[:, -1:]


@pytest.mark.parametrize(("d", "error"), [(1, 0.01), (2, 0.02), (3, 0.02), (5, 0.04)])
def test_it_is_near_the_gaussian_means(d, error):
    features, values = points(1500, d, 4)
    values[:, -1] = 1
    squares = ((features[:, np.newaxis] - features) ** 2).sum(axis=-1)
    expected = shares(np.exp(-squares / 2) @ values)
    actual = shares(apply(PermutohedralLattice(features), values))
    assert np.abs(actual - expected).mean() < error
    assert np.abs(actual - expected).mean() < 0.25 * np.abs(expected - 0.5).max()


@pytest.mark.parametrize(("d", "share"), [(1, 0.91), (2, 0.87), (3, 0.81), (5, 0.63)])
def test_its_scale_is_that_of_the_code_of_2011(d, share):
    """Shares of the Gaussian's sums, less where vertices are empty: pydensecrf's are
    the same, and published parameters rely on them where nothing is normalised."""
    features, _ = points(1500, d, 4)
    squares = ((features[:, np.newaxis] - features) ** 2).sum(axis=-1)
    expected = np.exp(-squares / 2).sum(axis=1)
    sums = apply(PermutohedralLattice(features), np.ones((1500, 1), np.float32))[:, 0]
    assert np.mean(sums / expected) == pytest.approx(share, abs=0.01)


def test_points_of_many_blocks_are_filtered_together():
    features, values = points(BLOCK + 777, 2, 40)
    order = np.random.default_rng(1).permutation(len(features))
    expected = apply(PermutohedralLattice(features), values)
    actual = apply(PermutohedralLattice(features[order]), values[order])
    np.testing.assert_allclose(actual, expected[order], rtol=1e-4)


def test_factors_before_and_behind():
    features, values = points(500, 2, 10)
    rng = np.random.default_rng(2)
    before, behind = rng.random((2, 500), np.float32)
    lattice = PermutohedralLattice(features)
    expected = behind[:, np.newaxis] * apply(lattice, before[:, np.newaxis] * values)
    lattice.scale(before, behind)
    np.testing.assert_allclose(apply(lattice, values), expected, rtol=1e-4)


def test_any_number_of_channels_after_another():
    features, values = points(300, 2, 10)
    lattice = PermutohedralLattice(features)
    three = apply(lattice, values)
    one = apply(lattice, values[:, :1])
    np.testing.assert_allclose(one, three[:, :1], rtol=1e-5)
    np.testing.assert_allclose(apply(lattice, values), three, rtol=1e-5)
