"""Pooling that rounds up, as Caffe's does."""

from keras import layers


def ceil_max_pooling(x, *, name: str):
    """Applies 3x3 max pooling of stride 2 whose last window may hang over the end.

    A side of n pixels becomes `ceil((n - 3) / 2) + 1`, and window i starts at pixel
    2 i, whatever n is. Keras's `same` padding would centre the windows of odd
    sides elsewhere.

    Args:
        x: Tensor `(batch, height, width, channels)` without negative values, as
            behind a ReLU; 2 pixels or more at each side.
        name: Name of the pooling layer; that of the padding has `_pad` behind it.

    Returns:
        Tensor `(batch, new_height, new_width, channels)`.
    """
    # An even side gets the row its last window lacks; an odd one drops it again.
    x = layers.ZeroPadding2D(((0, 1), (0, 1)), name=f"{name}_pad")(x)
    return layers.MaxPooling2D(3, strides=2, name=name)(x)
