import numpy as np
import pytest
from gradients import value_and_gradient

from kseg.losses import BoundaryLoss


def squares():
    """A square of class 1, and logits that say it is there, grown or shrunk."""
    mask = np.zeros((1, 20, 20), "uint8")
    mask[:, 6:14, 6:14] = 1

    def predicted(margin):
        inside = np.zeros((20, 20), bool)
        inside[6 - margin : 14 + margin, 6 - margin : 14 + margin] = True
        return 50.0 * np.stack([~inside, inside], axis=-1)[np.newaxis]

    return mask, predicted


def test_it_is_least_where_all_is_right_and_grows_with_the_distance():
    mask, predicted = squares()
    loss = BoundaryLoss()
    values = [float(loss(mask, predicted(margin))) for margin in range(-3, 4)]
    assert values[3] < 0
    assert values[:4] == sorted(values[:4], reverse=True)
    assert values[3:] == sorted(values[3:])
    steps = np.diff(values[3:])
    assert steps[2] > steps[1] > steps[0]  # a far pixel costs more than a near one


def test_it_is_the_sum_over_wrong_pixels_of_both_distances():
    mask, predicted = squares()
    ring = np.zeros((20, 20), bool)
    ring[5:15, 5:15] = True
    ring[6:14, 6:14] = False
    # A pixel of the ring is 1 from the square, sqrt 2 at the corners, and at the
    # inner border of what is outside.
    cost = (ring.sum() - 4) + 4 * np.sqrt(2)
    corners = 4 * (np.sqrt(2) - 1)  # the outside has them sqrt 2 - 1 deep
    difference = BoundaryLoss()(mask, predicted(1)) - BoundaryLoss()(mask, predicted(0))
    assert float(difference) * 400 * 2 == pytest.approx(cost + corners, rel=1e-5)


def test_weights_leave_background_out():
    mask, predicted = squares()
    labels = mask[0]
    _, gradient = value_and_gradient(
        lambda x: BoundaryLoss(class_weights=[0, 1])(mask, x),
        np.zeros((1, 20, 20, 2), "float32"),
    )
    # Only what is outside of the square is pushed out of class 1.
    assert np.all(gradient[0, ..., 1][labels == 0] > 0)
    assert np.all(gradient[0, ..., 1][labels == 1] <= 0)


@pytest.mark.parametrize("max_distance", [0, 0.5, -3, float("nan")])
def test_wrong_distances_are_refused(max_distance):
    with pytest.raises(ValueError, match="1 or more, or None. Received: "):
        BoundaryLoss(max_distance=max_distance)
