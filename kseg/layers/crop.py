"""Cropping of one tensor to the height and width of another."""

import keras


def crop_centre(array, size: tuple[int, int]):
    """Returns the middle of an array.

    Args:
        array: Array `(height, width, ...)`.
        size: Height and width of the result, nowhere larger.
    """
    top, left = (array.shape[0] - size[0]) // 2, (array.shape[1] - size[1]) // 2
    return array[top : top + size[0], left : left + size[1]]


@keras.saving.register_keras_serializable(package="kseg")
class CropLike(keras.layers.Layer):
    """Crops `x` to the height and width of `reference`.

    Args:
        anchor: `"start"` keeps the top left part, which undoes the rows and
            columns that `same` pooling of odd sizes added at the end;
            `"centre"` keeps the middle, for `valid` convolutions; a number leaves
            so many pixels out at the top and at the left.
        **kwargs: `name` and `dtype` of `keras.layers.Layer`.

    Raises:
        ValueError: If `anchor` is none of these.
    """

    def __init__(self, anchor: str | int = "start", **kwargs):
        """Stores the anchor."""
        super().__init__(**kwargs)
        number = type(anchor) is int and anchor >= 0
        if not number and anchor not in ("start", "centre"):
            raise ValueError(
                "`anchor` must be 'start', 'centre' or a number of pixels. Received: "
                f"{anchor!r}."
            )
        self.anchor = anchor

    def call(self, x, reference):
        """Crops.

        Args:
            x: Tensor `(batch, height, width, channels)`.
            reference: Tensor that is nowhere larger than `x` in height and width.

        Returns:
            Tensor `(batch, new_height, new_width, channels)`.
        """
        same = None not in x.shape[1:3] and x.shape[1:3] == reference.shape[1:3]
        if same and self.anchor in ("start", "centre", 0):
            return x  # a slice, and its gradient, would copy it
        have, want = keras.ops.shape(x), keras.ops.shape(reference)
        if self.anchor == "centre":
            top, left = (have[1] - want[1]) // 2, (have[2] - want[2]) // 2
        else:
            top = left = 0 if self.anchor == "start" else self.anchor
        return x[:, top : top + want[1], left : left + want[2], :]

    def compute_output_shape(self, x_shape, reference_shape):
        """Returns `x_shape` with the height and width of `reference_shape`."""
        return (x_shape[0], reference_shape[1], reference_shape[2], x_shape[3])

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "anchor": self.anchor}
