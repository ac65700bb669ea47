"""A LiteRT file with its sidecar: what goes in, what comes out, what the ids mean."""

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from kseg.labels import Labels, id_dtype
from kseg.quiet import quiet

# The copy of the sidecar in the archive behind the model.
EMBEDDED_SIDECAR = "kseg.json"


class LiteRTModel:
    """A LiteRT file that `export_litert` wrote, loaded into the LiteRT runtime.

    Args:
        path: The `.tflite` file.
        num_threads: How many CPU threads to use.

    Attributes:
        image_shape: Height, width and channels of the images.
        input_size: Height and width of the images in pixels.
        output_size: Height and width of what comes out; less than `input_size` where
            the network returns the middle of an image.
        precision: `"float32"`, `"float16"`, `"dynamic_range"` or `"int8"`.
        output: `"logits"`, `"probabilities"` or `"class_map"`.
        labels: What the class ids mean.

    Raises:
        ValueError: If the file is missing, or its sidecar is that of another file.
    """

    def __init__(self, path: str | Path, num_threads: int = 2):
        """Reads the sidecar and loads the file."""
        sidecar = read_sidecar(path)
        self.image_shape: tuple[int, int, int] = tuple(sidecar["input"]["shape"][1:])
        self.input_size: tuple[int, int] = self.image_shape[:2]
        # (1, height, width) of a class map, with the classes behind it otherwise.
        self.output_size: tuple[int, int] = tuple(sidecar["output"]["shape"][1:3])
        self.precision: str = sidecar["precision"]
        self.output: str = sidecar["output"]["kind"]
        self.labels = Labels.from_dict(sidecar["labels"])
        self._scale = sidecar["output"]["scale"]
        self._zero_point = sidecar["output"]["zero_point"]
        self._interpreter = load_interpreter(path, num_threads)

    def predict(self, image: np.ndarray) -> np.ndarray:
        """Returns the file's output for one image, in real units.

        Args:
            image: uint8 `(height, width, channels)` of the input's size.

        Returns:
            float32 logits or probabilities `(height, width, num_classes)`, or uint8
            class ids `(height, width)`, as `output` says.

        Raises:
            ValueError: If `image` has another shape or type.
        """
        values = self._run(image)
        if self._scale is None:
            return values
        return (values.astype("float32") - self._zero_point) * np.float32(self._scale)

    def predict_ids(self, image: np.ndarray) -> np.ndarray:
        """Returns the class of every pixel of one image.

        Args:
            image: uint8 `(height, width, channels)` of the input's size.

        Returns:
            uint8 class ids `(height, width)`, uint16 beyond 256 classes.

        Raises:
            ValueError: If `image` has another shape or type.
        """
        values = self._run(image)
        if self.output == "class_map":
            return values
        if values.shape[-1] == 1:  # the logit of class 1 against class 0
            return (values[..., 0] > (self._zero_point or 0)).astype("uint8")
        return values.argmax(-1).astype(id_dtype(values.shape[-1]))

    def _run(self, image: np.ndarray) -> np.ndarray:
        """Returns the file's raw output for one image, without the batch axis."""
        check_image(image, self.image_shape)
        target = self._interpreter.get_input_details()[0]
        source = self._interpreter.get_output_details()[0]
        # A uint8 input takes bytes as they are: `check_litert` saw to its scale.
        batch = image[np.newaxis].astype(target["dtype"])
        self._interpreter.set_tensor(target["index"], batch)
        self._interpreter.invoke()
        return self._interpreter.get_tensor(source["index"])[0]


def load_interpreter(path: str | Path, num_threads: int):
    """Returns a LiteRT interpreter that is ready to run a file.

    Args:
        path: The `.tflite` file.
        num_threads: How many CPU threads to use.
    """
    with quiet():
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(str(path), num_threads=num_threads)
        interpreter.allocate_tensors()
    return interpreter


def check_image(image: np.ndarray, shape: tuple[int, ...]) -> None:
    """Raises if an image does not fit a file.

    Args:
        image: The image to check.
        shape: The height, width and channels it should have.

    Raises:
        ValueError: If `image` is not uint8 of that shape.
    """
    if image.shape != shape or image.dtype != np.uint8:
        raise ValueError(
            f"An image for this file must be uint8 of shape {shape}. Received: "
            f"{image.dtype} of shape {image.shape}."
        )


def read_sidecar(path: str | Path) -> dict[str, Any]:
    """Returns what the sidecar of a LiteRT file says about it.

    Where there is none beside it, that is the copy inside the file.

    Args:
        path: The `.tflite` file.

    Returns:
        A dictionary with `file`, `sha256`, `model`, `precision`; `input` and `output`
        (`name`, `shape`, `dtype`, and `scale` and `zero_point`, which are `None` unless
        real = scale * (stored - zero_point)); `input["range"]`; `output["kind"]`; and
        `labels` as `kseg.labels.Labels.from_dict` reads it.

    Raises:
        ValueError: If the file is missing, there is neither a sidecar nor a copy, or
            `path` is not the file described.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"A LiteRT file must exist. Received: {str(path)!r}.")
    digest = file_sha256(path)
    if not sidecar_path(path).is_file():
        return {"file": path.name, "sha256": digest, **_embedded_sidecar(path)}
    sidecar = json.loads(sidecar_path(path).read_text(encoding="utf-8"))
    if sidecar["sha256"] != digest:
        raise ValueError(
            "A LiteRT file must be the one that its sidecar describes. Received: "
            f"{str(path)!r} with sha256 {digest}; its sidecar says "
            f"{sidecar['sha256']}. Export the model again."
        )
    return sidecar


def _embedded_sidecar(path: Path) -> dict[str, Any]:
    """Returns the copy of the sidecar in a file."""
    try:
        with zipfile.ZipFile(path) as archive:
            return json.loads(archive.read(EMBEDDED_SIDECAR))
    except (zipfile.BadZipFile, KeyError) as error:
        raise ValueError(
            "A LiteRT file must have its sidecar inside or beside it, as "
            "`kseg.export.export_litert` writes them. Received: "
            f"{str(path)!r} without, and there is no file {str(sidecar_path(path))!r}."
        ) from error


def sidecar_path(path: Path) -> Path:
    """Returns where the sidecar of a LiteRT file lies.

    Args:
        path: The `.tflite` file.

    Example:
    >>> sidecar_path(Path("street_int8.tflite")).name
    'street_int8.json'
    """
    return path.with_suffix(".json")


def file_sha256(path: Path) -> str:
    """Returns the SHA-256 of a file as hexadecimal digits.

    Args:
        path: The file.
    """
    return hashlib.sha256(path.read_bytes()).hexdigest()
