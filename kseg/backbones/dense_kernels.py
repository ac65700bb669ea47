"""Dense layers as convolutions, and as smaller ones.

A dense layer over a map of 7x7 cells is a 7x7 convolution with a single position;
on a larger map it runs at every position (Long et al., "Fully Convolutional
Networks for Semantic Segmentation", CVPR 2015, section 3.1).

DeepLab makes these convolutions smaller by decimation: it keeps 3x3 or 4x4 of the
7x7 taps, and 1024 of the 4096 channels (Chen et al., "Semantic Image Segmentation
with Deep Convolutional Nets and Fully Connected CRFs", ICLR 2015, section 3.2 and
table 2). https://arxiv.org/abs/1412.7062
The authors published the smaller weights and not the choice of taps and channels;
here every m-th is kept from the first on, so taps 0, 3 and 6 of seven, which a
dilated kernel puts back in their places, and channels 0, 4, 8 and so on. Values
are kept as they are: nothing makes up for the taps left out.
"""

import numpy as np


def dense_to_convolution(kernel: np.ndarray, size: int) -> np.ndarray:
    """Turns the kernel of a dense layer into that of a convolution.

    Args:
        kernel: Array `(size * size * channels, units)` of a dense layer behind a
            flattened map `(size, size, channels)`, height first as in Keras. The
            bias needs no change.
        size: Height and width of the map.

    Returns:
        Array `(size, size, channels, units)`, which shares its memory where it can.

    Raises:
        ValueError: If no map of this size has as many values.

    Example:
    >>> dense_to_convolution(np.zeros((7 * 7 * 512, 4096), "float16"), 7).shape
    (7, 7, 512, 4096)
    """
    if kernel.ndim != 2 or kernel.shape[0] % (size * size):
        raise ValueError(
            f"The kernel of a dense layer behind a map of {size}x{size} cells must "
            f"have {size * size} times as many rows as the map has channels. "
            f"Received: shape {kernel.shape}."
        )
    return kernel.reshape(size, size, -1, kernel.shape[1])


def decimate(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Keeps every m-th value along each axis, from the first on.

    Args:
        array: Kernel `(height, width, channels, filters)` of a convolution, or its
            bias `(filters,)`.
        shape: The shape to come to; m is what each side of the array is of it,
            rounded up.

    Returns:
        Array of this shape.

    Raises:
        ValueError: If no m gives `shape`, or one that is not in the middle of the
            kernel's height and width.

    Example:
    >>> decimate(np.arange(7), (3,)).tolist()
    [0, 3, 6]
    """
    steps = [-(-have // want) for have, want in zip(array.shape, shape, strict=True)]
    kept = array[tuple(slice(None, None, step) for step in steps)]
    spatial = zip(array.shape[:-2], steps, strict=False)
    if kept.shape != tuple(shape) or any((n - 1) % step for n, step in spatial):
        raise ValueError(
            "Every m-th value must give the shape asked for, and taps at both ends "
            f"of a kernel. Received: {array.shape}, to become {tuple(shape)}."
        )
    return kept


def convolutional_classifier(
    arrays: dict[str, dict[str, np.ndarray]], shapes: dict[str, tuple[int, ...]]
) -> dict[str, dict[str, np.ndarray]]:
    """Turns the dense layers of Keras's VGG16 into `fc6` and `fc7`.

    Args:
        arrays: Layer name to `kernel` and `bias`; of these, `fc1` and `fc2`.
        shapes: The kernels wanted: `fc6` and `fc7`, or one of them, or branches of
            both such as `fc6_rate6`, to `(height, width, channels, filters)`. A
            smaller one is decimated.

    Returns:
        Layer name to `kernel` and `bias` of the convolutions.

    Raises:
        ValueError: If a kernel cannot have the shape wanted.
    """
    dense_layers = {"fc6": ("fc1", 7), "fc7": ("fc2", 1)}
    converted = {}
    for name, shape in shapes.items():
        dense, size = dense_layers[name.partition("_")[0]]
        kernel = dense_to_convolution(arrays[dense]["kernel"], size)
        converted[name] = {
            "kernel": decimate(kernel, shape),
            "bias": decimate(arrays[dense]["bias"], shape[-1:]),
        }
    return converted
