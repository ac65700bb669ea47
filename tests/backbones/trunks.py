"""Backbones as models of their own, with weights that leave nothing at rest."""

import h5py
import keras
import numpy as np

from kseg import backbones


def trunk(name, output_stride=32, **options):
    """Returns a model from images to the dictionary of the backbone's maps."""
    image = keras.Input((None, None, 3))
    maps = backbones.build(name, image, output_stride, **options)
    return keras.Model(image, maps, name=name)


def run(model, images):
    """Returns the maps in inference, as numpy arrays."""
    maps = model(images, training=False)
    return {name: keras.ops.convert_to_numpy(x) for name, x in maps.items()}


def images(*size, seed=0):
    """Returns two images of noise, float32 in 0 to 255."""
    rng = np.random.default_rng(seed)
    return rng.uniform(0, 255, (2, *size, 3)).astype("float32")


def randomise(model, seed=0):
    """Gives every variable random values: biases and moving statistics, too."""
    rng = np.random.default_rng(seed)
    for variable in model.variables:
        shape = variable.shape
        if "kernel" in variable.name:
            fan_in = np.prod(shape[:2] if shape[-1] == 1 else shape[:3])
            value = rng.normal(0, (2 / fan_in) ** 0.5, shape)
        elif variable.name in ("gamma", "moving_variance"):
            value = rng.uniform(0.6, 1.4, shape)
        else:
            value = rng.normal(0, 0.2, shape)
        variable.assign(value)
    return model


def write_h5(path, model, without=(), changed=None):
    """Writes weights as Keras 2 published them: layers by name, `kernel:0` inside.

    Args:
        path: The file.
        model: Whose weights.
        without: Names of layers to leave out.
        changed: Layer name to function of an array, to write another one.
    """
    with h5py.File(path, "w") as file:
        kept = [layer for layer in model.layers if layer.name not in without]
        file.attrs["layer_names"] = [layer.name.encode() for layer in kept]
        for layer in kept:
            group = file.create_group(layer.name)
            names = [f"{layer.name}/{v.name}:0".encode() for v in layer.weights]
            group.attrs["weight_names"] = names
            for name, variable in zip(names, layer.weights, strict=True):
                value = keras.ops.convert_to_numpy(variable)
                value = (changed or {}).get(layer.name, np.asarray)(value)
                group.create_dataset(name.decode(), data=value)
    return path
