import pytest

from kseg.layers import stride_and_dilation


@pytest.mark.parametrize(
    ("output_stride", "strides", "dilations"),
    [
        (32, [2, 2, 2, 2, 2], [1, 1, 1, 1, 1]),
        (16, [2, 2, 2, 2, 1], [1, 1, 1, 1, 2]),
        (8, [2, 2, 2, 1, 1], [1, 1, 1, 2, 4]),
        (4, [2, 2, 1, 1, 1], [1, 1, 2, 4, 8]),
    ],
)
def test_strides_beyond_the_output_stride_become_dilations(
    output_stride, strides, dilations
):
    current_stride = dilation = 1
    found = []
    for _ in range(5):
        stride, dilation = stride_and_dilation(
            2, current_stride, dilation, output_stride
        )
        current_stride *= stride
        found.append((stride, dilation))
    assert found == list(zip(strides, dilations, strict=True))
    assert current_stride == output_stride


@pytest.mark.parametrize("dilation", [1, 2, 4])
def test_a_unit_without_a_stride_changes_nothing(dilation):
    assert stride_and_dilation(1, 16, dilation, 16) == (1, dilation)
