"""The sidecar of a LiteRT file, from which `kseg.lite` knows how to run it."""

from pathlib import Path
from typing import Any

import numpy as np

from kseg.files import write_json
from kseg.labels import Labels
from kseg.lite.litert_model import file_sha256, load_interpreter, sidecar_path


def describe(
    path: Path, model_name: str, precision: str, output: str, labels: Labels
) -> dict[str, Any]:
    """Returns what the sidecar says of a LiteRT file, but for its name and checksum.

    Args:
        path: The `.tflite` file, from which all that it knows itself is read.
        model_name: Name of the Keras model.
        precision: `"float32"`, `"float16"` or `"int8"`.
        output: `"logits"`, `"probabilities"` or `"class_map"`.
        labels: What the class ids mean.
    """
    interpreter = load_interpreter(path, num_threads=1)
    (signature,) = interpreter.get_signature_list().values()
    image = _describe(signature["inputs"], interpreter.get_input_details())
    result = _describe(signature["outputs"], interpreter.get_output_details())
    return {
        "model": model_name,
        "precision": precision,
        "input": {**image, "range": [0, 255]},
        "output": {**result, "kind": output},
        "labels": labels.to_dict(),
    }


def write_sidecar(path: Path, description: dict[str, Any]) -> None:
    """Writes the sidecar that `kseg.lite.read_sidecar` reads.

    Args:
        path: The `.tflite` file as it will stay.
        description: What `describe` says of it.
    """
    whole = {"file": path.name, "sha256": file_sha256(path), **description}
    write_json(sidecar_path(path), whole)


def _describe(names: list[str], tensors: list[dict]) -> dict[str, Any]:
    """Returns name, shape, type and quantisation of the one input or output."""
    (name,), (tensor,) = names, tensors
    # The format says with a scale of 0 that a tensor is not quantised.
    scale, zero_point = tensor["quantization"]
    return {
        "name": name,
        "shape": tensor["shape"].tolist(),
        "dtype": np.dtype(tensor["dtype"]).name,
        "scale": scale if scale else None,
        "zero_point": zero_point if scale else None,
    }
