"""Weights into networks: published ImageNet files, and checkpoints of kseg.

The records say where a published file lies, how it is checked, what it was
trained on and how its images were prepared.
"""

import dataclasses
import logging
import re
from pathlib import Path

import h5py
import keras
import numpy as np

from kseg.backbones.checkpoint import copy_checkpoint
from kseg.backbones.dense_kernels import convolutional_classifier
from kseg.backbones.packaged import PACKAGED, load_packaged
from kseg.download import cache_dir, fetch

_log = logging.getLogger("kseg")
_KERAS = "https://storage.googleapis.com/tensorflow/keras-applications"


@dataclasses.dataclass(frozen=True)
class WeightsRecord:
    """A published weights file.

    Args:
        url: Where it lies.
        digest: Its checksum as `"md5:..."`, or `None`: the publisher gives none.
        licence: Under which terms.
        score: What it reaches on ImageNet validation, top 1, single crop.
        channels: Order of the image channels it was trained on.
    """

    url: str
    digest: str | None
    licence: str
    score: float
    channels: str

    def path(self) -> Path:
        """Returns where the local copy is kept."""
        return cache_dir() / "weights" / self.url.rsplit("/", 1)[1]


# Digests and addresses: keras/src/applications; scores: keras.io/api/applications.
IMAGENET = {
    "mobilenet_v2": WeightsRecord(
        f"{_KERAS}/mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels"
        "_1.0_224_no_top.h5",
        None,
        "Apache-2.0",
        0.713,
        "rgb",
    ),
    "mobilenet_v3_large": WeightsRecord(
        f"{_KERAS}/mobilenet_v3/weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5",
        "md5:07fb09a5933dd0c8eaafa16978110389",
        "Apache-2.0",
        0.756,
        "rgb",
    ),
    "mobilenet_v3_small": WeightsRecord(
        f"{_KERAS}/mobilenet_v3/weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5",
        "md5:d3e8ec802a04aa4fc771ee12a9a9b836",
        "Apache-2.0",
        0.681,
        "rgb",
    ),
    "resnet50": WeightsRecord(
        f"{_KERAS}/resnet/resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "md5:4d473c1dd8becc155b73f8504c6f6626",
        "MIT",
        0.749,
        "bgr",
    ),
    "resnet101": WeightsRecord(
        f"{_KERAS}/resnet/resnet101_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "md5:88cf7a10940856eca736dc7b7e228a21",
        "MIT",
        0.764,
        "bgr",
    ),
    "resnet152": WeightsRecord(
        f"{_KERAS}/resnet/resnet152_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "md5:ee4c566cf9a93f14d82f913c2dc6dd0c",
        "MIT",
        0.766,
        "bgr",
    ),
    "vgg16": WeightsRecord(
        f"{_KERAS}/vgg16/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "md5:6d6bbae143d832006294945121d1f1fc",
        "CC-BY-4.0",
        0.713,
        "bgr",
    ),
}
# The same with the dense layers, for backbones whose classifier is used too.
IMAGENET_WITH_CLASSIFIER = {
    "vgg16": dataclasses.replace(
        IMAGENET["vgg16"],
        url=f"{_KERAS}/vgg16/vgg16_weights_tf_dim_ordering_tf_kernels.h5",
        digest="md5:64373286793e3c8b2b4e3219cbf3544b",
    ),
}
# Dense layers as convolutions, behind the last feature map, and DeepLab's branches.
_CLASSIFIER = re.compile(r"fc[67](_rate\d+)?")


def check_weights(weights: str | Path | None, backbone: str | None = None) -> None:
    """Raises if `weights` is nothing that `load_weights` could load.

    Args:
        weights: `None`, `"imagenet"`, the path of a Keras `.h5` file of the
            backbone, or the path of a `.keras` checkpoint of the network.
        backbone: Name of the backbone, `None` for a network without one.

    Raises:
        ValueError: If it is something else, or ImageNet weights are not
            published for the backbone.
        FileNotFoundError: If the path does not exist.
    """
    if weights is None:
        return
    if weights == "imagenet":
        if backbone is None:
            raise ValueError(
                "This network has no ImageNet weights. Received: weights='imagenet'. "
                "Use weights=None, or the path of a .keras checkpoint."
            )
        published = {*IMAGENET, *PACKAGED}
        if backbone not in published:
            raise ValueError(
                "`weights='imagenet'` needs a backbone with published weights: "
                f"{sorted(published)}. Received: backbone={backbone!r}. Use "
                "weights=None, or the path of a file."
            )
        return
    if Path(weights).suffix not in (".h5", ".keras"):
        raise ValueError(
            "`weights` must be None, 'imagenet', the path of a Keras .h5 file of "
            "the backbone, or the path of a .keras checkpoint of the network. "
            f"Received: {str(weights)!r}."
        )
    if Path(weights).suffix == ".h5" and backbone is None:
        raise ValueError(
            "An .h5 file holds a backbone, and this network has none. Received: "
            f"weights={str(weights)!r}. Use a .keras checkpoint."
        )
    if not Path(weights).exists():
        raise FileNotFoundError(f"`weights` must exist. Received: {weights}.")


def load_weights(
    model: keras.Model,
    weights: str | Path | None,
    backbone: str | None = None,
    features=None,
    predecessors: tuple[str, ...] = (),
) -> keras.Model:
    """Fills a freshly built network.

    Where the backbone ends in `fc6` and `fc7`, or in branches of them such as
    `fc6_rate6`, `"imagenet"` is the file with the dense layers, which become these
    convolutions; from a file without them they start anew and a message says so.

    Args:
        model: The network.
        weights: As in `check_weights`.
        backbone: Name of the backbone, if the network has one.
        features: The last feature map of the backbone; the layers up to it must
            all be in an `.h5` file.
        predecessors: Names of smaller networks whose checkpoints are right too,
            because their layers are here under the same names. A message says
            which layers they do not have; those start anew.

    Returns:
        `model`.

    Raises:
        ValueError: If a file lacks a layer, has one of another shape, or is a
            checkpoint of another network.
    """
    check_weights(weights, backbone)
    if weights is None:
        return model
    if Path(weights).suffix == ".keras":
        copy_checkpoint(model, Path(weights), predecessors)
    elif weights == "imagenet" and backbone in PACKAGED:
        load_packaged(keras.Model(model.input, features), backbone)
    else:
        trunk = keras.Model(model.input, features)
        if weights == "imagenet" and backbone is not None:
            whole = any(_CLASSIFIER.fullmatch(layer.name) for layer in trunk.layers)
            record = (IMAGENET_WITH_CLASSIFIER if whole else IMAGENET)[backbone]
            weights = fetch(record.url, record.path(), record.digest)
        flip = backbone in IMAGENET and IMAGENET[backbone].channels == "bgr"
        _load_h5(trunk, Path(weights), flip)
    return model


def _load_h5(trunk: keras.Model, path: Path, flip_channels: bool) -> None:
    """Loads a Keras `.h5` weights file into the layers of the same names.

    A bias that a convolution here does not have goes into the moving mean of
    the batch norm behind it: norm(x + b) with mean m is norm(x) with mean m - b.
    Batch norms stay as they are where the published network has none, and the
    classifier where the file has none.
    """
    arrays = _read_h5(path)
    layers = [layer for layer in trunk.layers if layer.weights]
    classifier = {
        layer.name: tuple(layer.kernel.shape)
        for layer in layers
        if _CLASSIFIER.fullmatch(layer.name)
    }
    if "fc1" in arrays:
        arrays |= convolutional_classifier(arrays, classifier)
    elif classifier and not classifier.keys() & arrays.keys():
        layers = [layer for layer in layers if layer.name not in classifier]
        _log.warning(
            "%s has no dense layers: %s start from random weights",
            path,
            " and ".join(classifier),
        )
    if not any("moving_mean" in found for found in arrays.values()):
        layers = [layer for layer in layers if not hasattr(layer, "moving_mean")]
    biases = {}
    for layer in layers:
        if layer.name not in arrays:
            raise ValueError(
                f"A backbone's file must hold every layer of it. Received: {path}, "
                f"without {layer.name!r}."
            )
        found = arrays[layer.name]
        if flip_channels and layer is layers[0]:
            found["kernel"] = found["kernel"][:, :, ::-1]
        if "bias" in found and len(layer.weights) == 1:
            biases[layer.name.replace("_conv", "_bn")] = found.pop("bias")
        if layer.name in biases:
            found["moving_mean"] = found["moving_mean"] - biases[layer.name]
        for variable in layer.weights:
            key = "kernel" if "kernel" in variable.name else variable.name
            value = found.get(key)
            if value is None or value.shape != tuple(variable.shape):
                raise ValueError(
                    f"{path}: {layer.name!r} must have a {key!r} of shape "
                    f"{tuple(variable.shape)}. Received: "
                    f"{None if value is None else value.shape}."
                )
            variable.assign(value)


def _read_h5(path: Path) -> dict[str, dict[str, np.ndarray]]:
    """Reads a Keras weights file: layer name to variable name to float32 array."""
    if not h5py.is_hdf5(path):
        raise ValueError(
            "A backbone's file must be a Keras .h5 weights file. Received: "
            f"{path}, which is no HDF5 file at all."
        )
    with h5py.File(path) as file:
        root = file["model_weights"] if "model_weights" in file else file
        names = [_text(name) for name in root.attrs.get("layer_names", ())]
        slashes = any("/" in name for name in names)
        layers = {}
        for name in names:
            group = root[name]
            name = _without_slashes(name) if slashes else name
            layers[name] = {}
            for key in group.attrs["weight_names"]:
                key = _text(key)
                short = key.rsplit("/", 1)[-1].split(":")[0]
                # "depthwise_kernel" is the only kernel of its layer.
                short = "kernel" if "kernel" in short else short
                layers[name][short] = np.asarray(group[key], "float32")
    if not layers:
        raise ValueError(
            "A backbone's file must be a Keras .h5 weights file with layer names. "
            f"Received: {path}."
        )
    return layers


def _text(name: str | bytes) -> str:
    """Returns a name, which h5py may give as bytes."""
    return name.decode() if isinstance(name, bytes) else name


def _without_slashes(name: str) -> str:
    """Returns what Keras 3 calls a layer of MobileNetV3, which Keras 2 published."""
    return name.lower().replace("/batchnorm", "_bn").replace("/", "_")
