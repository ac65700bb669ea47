"""Checkpoints as other frameworks write them, of networks of kseg, without these."""

import keras
import numpy as np
import pickles

_PARAMETERS = {
    "kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
_HRNET_HEAD = {
    "mix": "last_layer.0",
    "mix_bn": "last_layer.1",
    "classifier": "last_layer.3",
}


def hrnet_state(model):
    """Returns the tensors of an HRNet as its authors' training saves them."""
    tensors = {"loss.criterion.weight": np.ones(model.output_shape[-1], "float32")}
    for layer in model.layers:
        module = layer.name.replace("_", ".").replace("fuse.layers", "fuse_layers")
        module = f"model.{_HRNET_HEAD.get(layer.name, module)}"
        for variable in layer.weights:
            value = keras.ops.convert_to_numpy(variable)
            if value.ndim == 4:
                value = np.moveaxis(value, (3, 2), (0, 1))
            tensors[f"{module}.{_PARAMETERS[variable.name]}"] = value
        if f"{module}.running_mean" in tensors:
            tensors[f"{module}.num_batches_tracked"] = np.array(7.0, "float32")
    return tensors


def write_safetensors(path, tensors):
    """Writes arrays of float32 or int64 as the library safetensors does."""
    header, data = {}, b""
    for name, value in tensors.items():
        end = len(data) + value.nbytes
        dtype = {"float32": "F32", "int64": "I64"}[value.dtype.name]
        entry = {"dtype": dtype, "shape": value.shape, "data_offsets": [len(data), end]}
        header[name], data = entry, data + np.ascontiguousarray(value).tobytes()
    return pickles.write_safetensors(path, header, data)
