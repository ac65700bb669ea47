"""The rule by which a classifier becomes a denser network: stride to dilation."""


def stride_and_dilation(
    stride: int, current_stride: int, dilation: int, output_stride: int
) -> tuple[int, int]:
    """Says how a strided unit runs in a network of a given output stride.

    Once the network has reached its output stride, a stride is left out and the
    convolutions *behind* it are dilated by it instead, so that they still see
    what they saw (Chen et al., "DeepLab", section 3.1).

    Args:
        stride: Stride of the unit in the classifier.
        current_stride: Product of the strides up to here.
        dilation: Dilation of the convolutions up to here.
        output_stride: The stride that the network stops at.

    Returns:
        The stride to use, and the dilation of the convolutions behind it.

    Example:
    >>> stride_and_dilation(2, current_stride=8, dilation=1, output_stride=16)
    (2, 1)
    >>> stride_and_dilation(2, current_stride=16, dilation=1, output_stride=16)
    (1, 2)
    """
    if current_stride * stride > output_stride:
        return 1, dilation * stride
    return stride, dilation
