"""Fake quantisation: floats that have only the values that integers would have.

Jacob et al., "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", CVPR 2018, section 3. The rounding has the gradient
of the identity, the clipping its own. https://arxiv.org/abs/1712.05877
Departure: batch norms keep their statistics from the first step on, where the paper
follows those of the batch; a fine-tuning of some epochs is what this is for.
"""

import keras
from keras import layers, ops

from kseg.layers.folding import folded, output_axes


def fake_quantise(x, low, high, bits: int = 8):
    """Rounds values to the steps of an asymmetric integer type, as of activations.

    Args:
        x: Float tensor.
        low: Lowest value that is told apart, a scalar; above 0 it is taken as 0.
        high: Highest one, likewise; below 0 it is taken as 0.
        bits: Of the integers. The range is moved by up to half a step so that 0 is one
            of its values.

    Returns:
        Tensor of the shape of `x`. Its gradient is 1 within the range and 0 outside.
    """
    steps = 2**bits - 1
    low, high = ops.minimum(low, 0.0), ops.maximum(high, 0.0)
    scale = ops.maximum((high - low) / steps, 1e-12)
    zero_point = ops.round(-low / scale)
    clipped = ops.clip(x, -zero_point * scale, (steps - zero_point) * scale)
    rounded = ops.round(clipped / scale) * scale
    return clipped + ops.stop_gradient(rounded - clipped)


def fake_quantise_kernel(kernel, axes: tuple[int, ...], bits: int = 8):
    """Rounds a kernel to the steps of a symmetric integer type for each channel.

    Args:
        kernel: Float tensor.
        axes: Those that count the output channels.
        bits: Of the integers, of which the lowest is left out: -127 to 127.

    Returns:
        Tensor of the shape of `kernel`, with the gradient of the identity.
    """
    others = [axis for axis in range(len(kernel.shape)) if axis not in axes]
    largest = ops.max(ops.abs(kernel), axis=others, keepdims=True)
    scale = ops.maximum(largest / (2 ** (bits - 1) - 1), 1e-12)
    rounded = ops.round(kernel / scale) * scale
    return kernel + ops.stop_gradient(rounded - kernel)


@keras.saving.register_keras_serializable(package="kseg")
class FakeQuantisation(keras.layers.Layer):
    """Fakes the quantisation of activations, whose range it learns by looking on.

    Until it has seen a batch in training, values pass as they are.

    Args:
        momentum: Share of the range so far that a batch in training keeps; the first
            ones count equally.
        bits: Of the integers.
        **kwargs: `name` and `dtype` of `keras.layers.Layer`.
    """

    def __init__(self, momentum: float = 0.99, bits: int = 8, **kwargs):
        """Stores the arguments."""
        super().__init__(**kwargs)
        self.momentum, self.bits = momentum, bits

    def build(self, shape):
        """Creates the range, and the number of batches that it comes from."""
        self.low, self.high, self.batches = (
            self.add_weight(
                shape=(),
                initializer="zeros",
                dtype="float32",
                trainable=False,
                aggregation="mean",
                name=name,
            )
            for name in ("low", "high", "batches")
        )

    def call(self, x, training=None):
        """Quantises.

        Args:
            x: Float tensor.
            training: Whether the range moves toward that of this batch.

        Returns:
            Tensor of the shape of `x`.
        """
        values = ops.cast(x, "float32")
        if training:
            self._observe(ops.stop_gradient(values))
        quantised = fake_quantise(values, self.low, self.high, self.bits)
        seen = ops.convert_to_tensor(self.batches) > 0
        return ops.cast(ops.where(seen, quantised, values), self.compute_dtype)

    def _observe(self, values):
        """Moves the range."""
        self.batches.assign(self.batches + 1)
        keep = ops.minimum(self.momentum, 1 - 1 / self.batches)
        self.low.assign(keep * self.low + (1 - keep) * ops.min(values))
        self.high.assign(keep * self.high + (1 - keep) * ops.max(values))

    def compute_output_shape(self, shape):
        """Returns `shape`."""
        return shape

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "momentum": self.momentum, "bits": self.bits}


@keras.saving.register_keras_serializable(package="kseg")
class QuantisedKernel(keras.layers.Layer):
    """Runs a layer, and the batch norm behind it, with a kernel of few bits.

    The variables are those of the layers: they train here, and are there afterwards.

    Args:
        layer: One of `kseg.layers.folding.KERNEL_LAYERS`.
        norm: The batch norm behind it, if there is one and no activation between.
        bits: Of the kernel.
        **kwargs: `name` and `dtype` of `keras.layers.Layer`.
    """

    def __init__(
        self,
        layer: keras.Layer,
        norm: layers.BatchNormalization | None = None,
        bits: int = 8,
        **kwargs,
    ):
        """Stores the layers."""
        super().__init__(**kwargs)
        self.layer, self.norm, self.bits = layer, norm, bits

    def build(self, shape):
        """Builds the layers where they are new, as in a model that is loaded."""
        if not self.layer.built:
            self.layer.build(shape)
        if self.norm is not None and not self.norm.built:
            self.norm.build(self.layer.compute_output_shape(shape))

    def call(self, x):
        """Runs the layers.

        Args:
            x: Tensor that the layer takes.

        Returns:
            Tensor of the layer's output.
        """
        kernel, bias = folded(self.layer, self.norm)
        kernel = fake_quantise_kernel(kernel, output_axes(self.layer), self.bits)
        replaced = {id(self.layer.kernel): kernel, id(self.layer.bias): bias}
        learned, fixed = (
            [replaced.get(id(v), v) for v in variables]
            for variables in (
                self.layer.trainable_variables,
                self.layer.non_trainable_variables,
            )
        )
        result, _ = self.layer.stateless_call(learned, fixed, x)
        if self.layer.bias is None and self.norm is not None:
            result = result + ops.cast(bias, result.dtype)
        return result

    def compute_output_shape(self, shape):
        """Returns the shape of the layer's output."""
        return self.layer.compute_output_shape(shape)

    def get_config(self):
        """Returns the arguments of the constructor."""
        parts = {
            name: part and keras.saving.serialize_keras_object(part)
            for name, part in (("layer", self.layer), ("norm", self.norm))
        }
        return {**super().get_config(), **parts, "bits": self.bits}

    @classmethod
    def from_config(cls, config):
        """Makes the layer of its arguments."""
        parts = {
            name: config[name] and keras.saving.deserialize_keras_object(config[name])
            for name in ("layer", "norm")
        }
        return cls(**{**config, **parts})
