"""A network that computes as its int8 file will, to be trained for it.

Jacob et al., CVPR 2018, section 3: fake quantisation stands where the int8 file rounds,
at every kernel and behind every operator. https://arxiv.org/abs/1712.05877
"""

import keras
from keras import layers

from kseg.export.convolutions import Convolution, find_convolutions
from kseg.layers.fake_quantisation import FakeQuantisation, QuantisedKernel

# They give values that they were given; the int8 file does not round them again.
_TRANSPARENT = (
    layers.Cropping2D,
    layers.Dropout,
    layers.Flatten,
    layers.Identity,
    layers.InputLayer,
    layers.MaxPooling2D,
    layers.Permute,
    layers.Reshape,
    layers.UpSampling2D,
    layers.ZeroPadding2D,
)
_TRANSPARENT_NAMES = ("CropLike", "ResizeLike")


def fake_quantised(model: keras.Model, bits: int = 8) -> keras.Model:
    """Puts fake quantisation into a network; its own layers train.

    Batch norm behind a convolution is multiplied into the kernel, as the int8 file has
    it, with the statistics that it has. What the fine-tuning learns is in `model`
    afterwards: export that one, with calibration as ever.

    Args:
        model: A trained functional model. Its outputs stay floats.
        bits: Of kernels and activations.

    Returns:
        A model of the same inputs and outputs, which shares the layers of `model` that
        have weights. Ranges of activations are learned in training; until then only
        kernels are rounded.

    Raises:
        ValueError: If the model calls a layer more than once, or computes in half
            precision, which cannot tell the steps of a byte apart.
    """
    for layer in model.layers:
        if layer.compute_dtype != "float32":
            raise ValueError(
                "Fake quantisation needs layers that compute in float32. Received: "
                f"{layer.name!r} in {layer.compute_dtype}. Train in float32."
            )
    joined = _joined(model)
    outputs = {id(tensor) for tensor in model.outputs}
    done: set[str] = set()

    def call(operation, *args, **kwargs):
        original = model_operations[operation.name]
        if original.name in done:
            raise ValueError(
                "Layers must be called once to be quantised. Received: "
                f"{model.name!r}, which calls {original.name!r} again."
            )
        done.add(original.name)
        part = joined.get(id(original))
        if part is not None and original is part.norm:
            result = args[0]
        else:
            result = operation(*args, **kwargs)
        if not _rounds(original, part) or id(original.output) in outputs:
            return result
        return FakeQuantisation(bits=bits, name=f"{original.name}_range")(result)

    def clone(layer):
        part = joined.get(id(layer))
        if part is not None and layer is part.layer:
            return QuantisedKernel(layer, part.norm, bits, name=layer.name)
        return layer if layer.weights else type(layer).from_config(layer.get_config())

    model_operations = {operation.name: operation for operation in model.operations}
    return keras.models.clone_model(model, clone_function=clone, call_function=call)


def _joined(model: keras.Model) -> dict[int, Convolution]:
    """Returns the operators by the `id` of each layer that is in one."""
    found = find_convolutions(model)
    return {id(layer): x for x in found for layer in x if layer is not None}


def _rounds(operation, part: Convolution | None) -> bool:
    """Returns whether the int8 file rounds what a layer gives."""
    if part is not None:
        return operation is (part.activation or part.norm or part.layer)
    output = operation.output
    if not isinstance(output, keras.KerasTensor) or "float" not in output.dtype:
        return False
    named = type(operation).__name__ in _TRANSPARENT_NAMES
    return not (isinstance(operation, _TRANSPARENT) or named)
