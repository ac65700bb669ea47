"""The sizes that a U-Net of `valid` convolutions takes."""

import keras


@keras.saving.register_keras_serializable(package="kseg")
class ValidSize(keras.layers.Layer):
    """Passes images on, and refuses those whose size the network cannot take.

    Every map in front of a pooling must be even, or the halves of the network
    would not lie on each other. With five levels that leaves 188 + 16 m. A size
    that is unknown until the graph runs is not checked.

    Args:
        depth: Number of levels of the network, each of two 3x3 convolutions.
        **kwargs: `name` and `dtype` of `keras.layers.Layer`.
    """

    def __init__(self, depth: int, **kwargs):
        """Stores the depth."""
        super().__init__(**kwargs)
        self.depth = depth
        self.step = 2 ** (depth - 1)
        # The deepest map enters with 8 pixels or more, of `step` image pixels
        # each; every level above adds the 4 that its two convolutions take. On the
        # way back a map of 4 pixels stays 4. With two levels 7 will do: 3, then 2.
        deepest = 7 if depth == 2 else 8
        self.smallest = deepest * self.step + 4 * (self.step - 1)

    @property
    def border(self) -> int:
        """Pixels that the network's result lacks at every side."""
        return 6 * self.step - 4

    def padded(self, size: int) -> int:
        """Returns the least side from which `size` pixels come out, or more."""
        least = max(size + 2 * self.border, self.smallest)
        return self.smallest + -(-(least - self.smallest) // self.step) * self.step

    def build(self, shape):
        """Checks the size where the input shape is fixed."""
        self._check(shape)

    def call(self, x):
        """Checks the size of a batch and returns the batch."""
        self._check(x.shape)
        return x

    def _check(self, shape):
        for size in shape[1:3]:
            if not isinstance(size, int):  # `None`, or a symbol of JAX
                continue
            steps, rest = divmod(size - self.smallest, self.step)
            if steps < 0 or rest:
                below = self.smallest + max(0, steps) * self.step
                raise ValueError(
                    "A U-Net with padding='valid' takes heights and widths of "
                    f"{self.smallest} + {self.step} m. Received: {tuple(shape[1:3])}. "
                    f"The nearest that fit {size} are {below} and "
                    f"{below + self.step}; or use padding='same', which takes any "
                    "size."
                )

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "depth": self.depth}
