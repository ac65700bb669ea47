"""A dense CRF as a layer, which learns how much neighbours matter.

Zheng et al., "Conditional Random Fields as Recurrent Neural Networks", ICCV 2015,
section 4. https://arxiv.org/abs/1502.03240
The definitions are those of `kseg.inference.dense_crf`: with the weights it starts
with, the layer computes what that function computes with `exact=True`.
Departures: sums run over all pairs of the cells of a map, exactly, where the authors
filter by a lattice at the image's full size; so that the layer belongs on the logits at
an eighth or so of the image's size, ahead of their enlargement. A kernel has a weight
per class, the diagonal of the authors' matrices.
"""

import keras
from keras import ops

NORMALIZATIONS = ("symmetric", "after", "before", "none")


@keras.saving.register_keras_serializable(package="kseg")
class MeanField(keras.layers.Layer):
    """Refines logits by the image, in some steps of mean field inference.

    Trainable are `bilateral_weight` and `gaussian_weight`, float32 `(num_classes,)`,
    and `compatibility`, float32 `(num_classes, num_classes)`, where what costs is
    positive; it starts as Potts. A map of n cells needs n x n float32 numbers per image
    and kernel: 29 MB for 45 x 60.

    Args:
        stride: Pixels of the image from one cell of the map to the next; a cell has the
            mean colour of its pixels.
        iterations: Updates; the authors train with 5 and test with 10.
        w1: Weight of the bilateral kernel at the start.
        s_alpha: Its standard deviation in pixels of the image.
        s_beta: Its standard deviation in the unit of the image.
        w2: Weight of the Gaussian kernel at the start.
        s_gamma: Its standard deviation in pixels of the image.
        normalization: As of `kseg.inference.dense_crf`.
        **kwargs: `name` and `dtype` of `keras.layers.Layer`.

    Raises:
        ValueError: If an argument is out of range.

    Example:
    >>> image = keras.Input((64, 96, 3))
    >>> x = keras.layers.Conv2D(5, 3, strides=8, padding="same")(image)
    >>> MeanField(iterations=5)(image, x).shape
    (None, 8, 12, 5)
    """

    def __init__(
        self,
        stride: int = 8,
        iterations: int = 5,
        w1: float = 4.0,
        s_alpha: float = 49.0,
        s_beta: float = 5.0,
        w2: float = 3.0,
        s_gamma: float = 3.0,
        normalization: str = "symmetric",
        **kwargs,
    ):
        """Stores and checks the parameters."""
        # Colours would lose their last digits in half precision.
        super().__init__(autocast=False, **kwargs)
        if (
            min(stride, iterations) < 1
            or min(w1, w2) < 0
            or min(s_alpha, s_beta, s_gamma) <= 0
        ):
            raise ValueError(
                "`stride` and `iterations` must be 1 or more, weights 0 or more and "
                f"standard deviations above 0. Received: {stride=}, {iterations=}, "
                f"{w1=}, {s_alpha=}, {s_beta=}, {w2=}, {s_gamma=}."
            )
        if normalization not in NORMALIZATIONS:
            raise ValueError(
                f"`normalization` must be one of {NORMALIZATIONS}. Received: "
                f"{normalization!r}."
            )
        self.stride, self.iterations = stride, iterations
        self.w1, self.s_alpha, self.s_beta = w1, s_alpha, s_beta
        self.w2, self.s_gamma = w2, s_gamma
        self.normalization = normalization

    def build(self, image_shape, logits_shape):
        """Makes the weights."""
        for side, cells in zip(image_shape[1:3], logits_shape[1:3], strict=True):
            if None not in (side, cells) and cells != -(-side // self.stride):
                raise ValueError(
                    "The map must have the image's sides over `stride`, rounded up. "
                    f"Received: {image_shape[1:3]}, stride={self.stride}, and a map of "
                    f"{logits_shape[1:3]}."
                )
        num_classes = logits_shape[-1]

        def weight(name, start):
            return self.add_weight(
                (num_classes,),
                initializer=keras.initializers.Constant(start),
                dtype="float32",
                name=name,
            )

        self.bilateral_weight = weight("bilateral_weight", self.w1)
        self.gaussian_weight = weight("gaussian_weight", self.w2)
        self.compatibility = self.add_weight(
            (num_classes, num_classes),
            initializer=_potts,
            dtype="float32",
            name="compatibility",
        )

    def call(self, image, logits):
        """Refines.

        Args:
            image: Tensor `(batch, height, width, channels)`, usually RGB in 0 to 255.
            logits: Float tensor `(batch, rows, columns, num_classes)` of a map of the
                image: its sides over `stride`, rounded up.

        Returns:
            float32 logits of the same shape: the unary ones and the last message.
        """
        _, rows, columns, num_classes = ops.shape(logits)
        cells = rows * columns
        colors = ops.average_pool(
            ops.cast(image, "float32"),
            self.stride,
            self.stride,  # on JAX Keras fails without
            padding="same",
            data_format="channels_last",
        )
        down = ops.reshape(_squares(rows, self.stride), (rows, 1, rows, 1))
        across = ops.reshape(_squares(columns, self.stride), (1, columns, 1, columns))
        near = ops.reshape(down + across, (1, cells, cells))
        alike = 0.0
        for channel in range(colors.shape[-1]):
            color = ops.reshape(colors[..., channel], (-1, cells, 1))
            alike += (color - ops.transpose(color, (0, 2, 1))) ** 2
        gaussian = self._normalised(near / self.s_gamma**2)
        bilateral = self._normalised(near / self.s_alpha**2 + alike / self.s_beta**2)

        unary = ops.reshape(ops.cast(logits, "float32"), (-1, cells, num_classes))
        x = unary
        for _ in range(self.iterations):
            q = ops.softmax(x)
            message = ops.matmul(bilateral, q) * self.bilateral_weight
            message += ops.matmul(gaussian, q) * self.gaussian_weight
            x = unary - ops.matmul(message, ops.transpose(self.compatibility))
        return ops.reshape(x, (-1, rows, columns, num_classes))

    def _normalised(self, distances):
        """Returns the kernel of squared distances, divided by its sums."""
        kernel = ops.exp(-distances / 2)
        if self.normalization == "none":
            return kernel
        sums = ops.sum(kernel, axis=2, keepdims=True) + 1e-20
        across = ops.transpose(sums, (0, 2, 1))
        if self.normalization == "symmetric":
            return kernel * ops.rsqrt(sums) * ops.rsqrt(across)
        return kernel / (sums if self.normalization == "after" else across)

    def compute_output_shape(self, image_shape, logits_shape):
        """Returns the shape of the logits."""
        return logits_shape

    def compute_output_spec(self, image, logits):
        """Returns the shape of the logits, in float32."""
        return keras.KerasTensor(logits.shape, "float32")

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {
            **super().get_config(),
            "stride": self.stride,
            "iterations": self.iterations,
            "w1": self.w1,
            "s_alpha": self.s_alpha,
            "s_beta": self.s_beta,
            "w2": self.w2,
            "s_gamma": self.s_gamma,
            "normalization": self.normalization,
        }


def _potts(shape, dtype=None):
    """Costs 1 for every pair of different classes."""
    return 1 - ops.eye(shape[0], dtype=dtype)


def _squares(cells, stride):
    """Returns the squared distances `(cells, cells)` of cells in a row, in pixels."""
    places = stride * ops.arange(cells, dtype="float32")
    return (places[:, None] - places) ** 2
