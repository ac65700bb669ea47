"""The registered networks, small, with weights that leave nothing at rest."""

import inspect

import keras
import numpy as np

import kseg
from kseg.losses import ClassBalancedCrossEntropy, CrossEntropy
from kseg.networks import builder

# Arguments that make a network small; one without an entry is tested as it is.
SMALL = {
    "deconvnet": dict(filters=4, fc_filters=16),
    "deeplabv1": dict(fc_filters=32),
    "deeplabv1_msc": dict(fc_filters=32, filters=16),
    "deeplabv2": dict(backbone="vgg16", fc_filters=16, scales=(1.0, 0.75)),
    "deeplabv3": dict(backbone="mobilenet_v2", filters=16, rates=(1, 2)),
    "deeplabv3plus": dict(backbone="mobilenet_v2", filters=16),
    "fcn16s": dict(fc_filters=32, padding="same"),
    "fcn32s": dict(fc_filters=32, padding="same"),
    "fcn8s": dict(fc_filters=32),
    "fcn_resnet": dict(backbone="mobilenet_v2", output_stride=16),
    "hrnet": dict(backbone="hrnet_w18_small_v1"),
    "lraspp": dict(backbone="mobilenet_v3_small", filters=16),
    "ocrnet": dict(backbone="hrnet_w18_small_v1", filters=32, key_filters=16),
    "refinenet": dict(backbone="vgg16", filters=16),
    "pspnet": dict(backbone="mobilenet_v2", filters=16),
    "segformer": dict(backbone="mit_b0", filters=16),
    "segnet": dict(filters=4),
    "segnet_basic": dict(filters=8),
    "smp_deeplabv3plus": dict(backbone="mobilenet_v2", filters=16),
    "smp_pspnet": dict(backbone="resnet18_torch", filters=16),
    "smp_unet": dict(backbone="mobilenet_v2", filters=(16, 8, 8, 4, 4)),
    "unet": dict(filters=4),
}


def build(name, num_classes=5, **arguments):
    """Builds a small network whose logits are far from zero.

    One that has no `num_classes`, as an edge detector, is built as it is.
    """
    keras.utils.set_random_seed(0)
    if "num_classes" in inspect.signature(builder(name)).parameters:
        arguments["num_classes"] = num_classes
    model = kseg.build(name, **SMALL.get(name, {}), **arguments)
    rng = np.random.default_rng(0)
    for variable in model.variables:
        if variable.name in ("moving_mean", "beta", "bias"):
            variable.assign(rng.normal(0, 0.1, variable.shape))
        elif variable.name == "kernel" and not np.any(variable):
            variable.assign(rng.normal(0, 0.05, variable.shape))
    return model


def settle(model, pixels):
    """Gives batch norms the statistics of images, so that ranges are those of training.

    Args:
        model: Of `build`.
        pixels: uint8 images.
    """
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    model(pixels.astype("float32"), training=True)


def channels(name, num_classes=5):
    """Returns how many channels the logits have."""
    takes = "num_classes" in inspect.signature(builder(name)).parameters
    return num_classes if takes else 1


def loss_of(name):
    """Returns a loss that the network can be trained with."""
    return CrossEntropy() if channels(name) > 1 else ClassBalancedCrossEntropy()


def images(size, batch=2, seed=0):
    """Returns uint8 noise."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (batch, *size, 3)).astype("uint8")


def logits_of(model, x):
    """Returns the logits in inference, as a NumPy array."""
    return keras.ops.convert_to_numpy(model(x.astype("float32"), training=False))
