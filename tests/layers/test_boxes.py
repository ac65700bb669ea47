import pytest

from kseg.layers import enlarge_box


@pytest.mark.parametrize(
    ("box", "factor", "expected"),
    [
        ((40, 40, 60, 80), 1.0, (40, 40, 60, 80)),
        ((40, 40, 60, 80), 1.2, (38, 36, 62, 84)),  # 24 by 48 of 20 by 40
        ((40, 40, 60, 80), 2.0, (30, 20, 70, 100)),
        ((2, 0, 22, 95), 1.5, (0, 0, 27, 110)),  # cut at the top, left and right
        ((7, 7, 8, 8), 1.2, (7, 7, 8, 8)),  # a pixel has no pixel to grow by
    ],
)
def test_a_box_grows_about_its_middle_up_to_the_border(box, factor, expected):
    assert enlarge_box(box, factor, (100, 110)) == expected
