import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import cKDTree

from kseg.data.weight_map import (
    instances_of,
    mask_weights,
    separate_touching,
    weight_map,
)


def cells(height, width, count, gap=3.0, seed=0):
    """Ids of `count` cells around random points, with background between them."""
    rng = np.random.default_rng(seed)
    pixels = np.mgrid[:height, :width].reshape(2, -1).T
    points = rng.uniform((0, 0), (height, width), (count, 2))
    distance, nearest = cKDTree(points).query(pixels, k=2)
    ids = np.where(distance[:, 1] - distance[:, 0] < gap, 0, nearest[:, 0] + 1)
    return ids.reshape(height, width)


def by_hand(instances, w0=10.0, sigma=5.0):
    """Equation 2 with a whole distance transform for each cell, all of them sorted."""
    ids = [i for i in np.unique(instances) if i != 0]
    if len(ids) < 2:
        return np.ones(instances.shape)
    stack = [ndimage.distance_transform_edt(instances != i) for i in ids]
    first, second = np.sort(stack, axis=0)[:2]
    term = w0 * np.exp(-((first + second) ** 2) / (2 * sigma**2))
    return 1.0 + np.where(instances == 0, term, 0.0)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("w0", "sigma"), [(10.0, 5.0), (3.0, 1.5), (10.0, 12.0)])
def test_it_is_a_distance_transform_of_every_cell(seed, w0, sigma):
    instances = cells(97, 130, 25, gap=3.0 + 2 * seed, seed=seed)
    expected = by_hand(instances, w0, sigma)
    weights = weight_map(instances, w0, sigma)
    assert weights.dtype == np.float32
    assert expected.max() > 1 + w0 / 20 or seed > 0
    np.testing.assert_allclose(weights, expected, rtol=0, atol=1e-6)


def test_few_cells_far_apart_are_right_too():
    # Beyond the box of a cell, and within it: 28, 29, 30, 31 and 60 pixels apart.
    instances = np.zeros((5, 200), int)
    instances[2, [0, 28, 57, 87, 118, 178]] = [1, 2, 3, 4, 5, 6]
    np.testing.assert_allclose(weight_map(instances), by_hand(instances), atol=1e-6)


def test_a_gap_of_one_pixel_has_the_peak():
    weights = weight_map(np.array([[7, 0, 2, 0, 7]]))
    # Both cells are 1 away: 10 exp(-4 / 50).
    peak = 1 + 10 * np.exp(-4 / 50)
    np.testing.assert_allclose(weights, [[1, peak, 1, peak, 1]], rtol=1e-6)


def test_cells_are_told_apart_by_ids_and_not_by_place():
    # One cell in two pieces is no pair; its second piece and another cell are.
    instances = np.array([[5, 0, 5, 0, 9]], np.uint16)
    np.testing.assert_allclose(weight_map(instances), by_hand(instances), atol=1e-6)
    assert weight_map(instances)[0, 1] < weight_map(instances)[0, 3]


@pytest.mark.parametrize("instances", [np.zeros((6, 7), int), np.eye(6, 7, dtype=int)])
def test_fewer_than_two_cells_weigh_what_their_class_does(instances):
    weights = weight_map(instances, class_weights=(0.25, 2))
    np.testing.assert_array_equal(weights, np.where(instances, 2, 0.25))


def test_cells_that_fill_the_mask_have_no_background():
    instances = np.repeat([[1, 1, 2, 2]], 3, axis=0)
    np.testing.assert_array_equal(weight_map(instances), np.ones((3, 4)))


def test_the_class_weight_is_added_and_void_weighs_nothing():
    instances = cells(40, 50, 9)
    ignore = np.random.default_rng(0).random((40, 50)) < 0.2
    weights = weight_map(instances, class_weights=(0.5, 3.0), ignore=ignore)
    term = by_hand(instances) - 1
    expected = np.where(instances == 0, 0.5, 3.0) + term
    np.testing.assert_allclose(weights, np.where(ignore, 0, expected), atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sigma": 0}, "`sigma` must be positive and `w0` not negative"),
        ({"w0": -1}, "Received: sigma=5.0, w0=-1"),
        ({"w0": np.inf}, "both finite. Received: sigma=5.0, w0=inf"),
        ({"w0": np.nan}, "Received: sigma=5.0, w0=nan"),
        ({"sigma": np.inf}, "Received: sigma=inf"),
        ({"class_weights": (1, -1)}, r"not negative. Received: \(1, -1\)"),
        ({"class_weights": (np.nan, 1)}, "`class_weights` must be finite"),
        ({"class_weights": (np.inf, 1)}, "`class_weights` must be finite"),
    ],
)
@pytest.mark.parametrize("function", [weight_map, mask_weights])
def test_wrong_numbers_are_an_error(function, options, message):
    with pytest.raises(ValueError, match=message):
        function(np.zeros((3, 3), int), **options)


def test_background_and_cells_have_a_weight_each():
    with pytest.raises(ValueError, match="two numbers, of background and of cells"):
        weight_map(np.zeros((3, 3), int), class_weights=(1,))


@pytest.mark.parametrize(
    "ids", [np.zeros((3, 3)), np.zeros((3, 3, 1), int), np.zeros((0, 4), int)]
)
@pytest.mark.parametrize("function", [weight_map, mask_weights, separate_touching])
def test_anything_but_ids_is_an_error(function, ids):
    with pytest.raises(ValueError, match=r"integers \(height, width\), .*Received: "):
        function(ids)


@pytest.mark.parametrize("function", [weight_map, mask_weights, separate_touching])
def test_an_id_below_0_is_an_error(function):
    with pytest.raises(ValueError, match="no id below 0. Received: -2"):
        function(np.array([[7, 0, -2, -1]]))


def test_void_may_be_below_0():
    mask = np.array([[1, 0, 1, -1]])
    expected = mask_weights(np.array([[1, 0, 1, 255]]))
    np.testing.assert_array_equal(mask_weights(mask, ignore_class=-1), expected)


# Masks of classes


def test_instances_are_parts_that_share_sides():
    mask = np.array(
        [
            [1, 1, 0, 2, 2],
            [0, 0, 1, 2, 255],
            [3, 1, 1, 255, 2],
        ],
        np.uint8,
    )
    instances = instances_of(mask)
    expected = [[1, 1, 0, 3, 3], [0, 0, 2, 3, 0], [5, 2, 2, 0, 4]]
    np.testing.assert_array_equal(instances, expected)
    assert instances.dtype == np.int32
    other = instances_of(mask, background=2, ignore_class=3)
    assert ((other == 0) == ((mask == 2) | (mask == 3))).all()
    assert len(np.unique(other)) - 1 == 6  # 0 twice, 1 twice, 255 twice


def test_the_weights_of_a_mask_are_those_of_its_instances():
    instances = cells(60, 70, 12)
    mask = np.where(instances == 0, 0, 1 + instances % 3).astype(np.uint8)
    mask[20:25, 10:50] = 255
    weights = mask_weights(mask, 8.0, 4.0, [0.5, 1.0, 2.0, 3.0])
    parts = np.where(mask == 255, 0, instances_of(mask))
    wanted = np.take([0.5, 1.0, 2.0, 3.0], mask % 255)
    wanted = wanted + by_hand(parts, 8.0, 4.0) - 1
    wanted[mask == 255] = 0
    np.testing.assert_allclose(weights, wanted, atol=1e-6)
    assert weights.dtype == np.float32


def test_the_background_of_a_mask_may_be_another_class():
    mask = np.array([[0, 1, 0, 1, 2]], np.uint8)
    expected = weight_map(np.array([[1, 0, 2, 0, 3]]))
    np.testing.assert_array_equal(mask_weights(mask, background=1), expected)


def test_a_class_without_a_weight_is_an_error():
    with pytest.raises(ValueError, match="Received: 2, and a mask with class 2"):
        mask_weights(np.array([[0, 1, 2, 255]]), class_weights=[1, 1])


# separate_touching


@pytest.mark.parametrize("width", [1, 2])
def test_touching_cells_get_background_between_them(width):
    instances = cells(60, 80, 15, gap=0.0)
    assert (instances > 0).all()
    apart = separate_touching(instances, width)
    for identity in range(1, 16):
        own = instances == identity
        others = (instances > 0) & ~own
        square = np.ones((2 * width + 1,) * 2, bool)
        lost = own & ndimage.binary_dilation(others, square)
        np.testing.assert_array_equal(apart == identity, own & ~lost)
    term = by_hand(apart) - 1
    # Where two cells lie `2 * width` apart, the weights are the highest.
    nearest = 10 * np.exp(-((2 * width + 1) ** 2) / 50)
    assert term.max() == pytest.approx(nearest)
    np.testing.assert_allclose(weight_map(apart), 1 + term, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_cells_with_background_between_them_stay(dtype):
    instances = np.array([[3, 3, 0, 255], [3, 0, 0, 255], [0, 0, 0, 0]], dtype)
    apart = separate_touching(instances)
    np.testing.assert_array_equal(apart, instances)
    assert apart.dtype == dtype


def test_cells_that_were_close_keep_a_gap_of_the_width():
    # They touch in the first row, are one pixel apart in the next, then two.
    instances = np.ones((12, 12), int)
    instances[:4, 6:], instances[4:8, 7:], instances[8:, 8:] = 2, 2, 2
    instances[4:8, 6] = 0
    instances[8:, 6:8] = 0
    gaps = (separate_touching(instances, 2) == 0).sum(axis=1)
    assert gaps[[0, 6, 11]].tolist() == [4, 3, 2]


def test_a_gap_of_nothing_is_an_error():
    with pytest.raises(ValueError, match="`width` must be 1 or more. Received: 0"):
        separate_touching(np.zeros((3, 3), int), 0)
