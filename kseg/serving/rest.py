"""The REST shapes of TensorFlow Serving: what is asked, and how it is answered.

https://www.tensorflow.org/tfx/serving/api_rest
"""

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from kseg.labels import id_dtype
from kseg.raster.encoded import TooManyPixels, decode_image
from kseg.serving.limits import Refused
from kseg.serving.model import ServedModel

# The signature of kseg's SavedModels, which returns what the model gives, and one of
# class ids, which are so much shorter.
SERVING_DEFAULT, CLASS_MAP = "serving_default", "class_map"
_INPUT = "image"
VERSION = "1"
# Most images of a call, and numbers of its answer, which take some 20 bytes each.
_MOST_IMAGES = 256
_MOST_NUMBERS = 2**22
_IMAGE = (
    "An image must be a list (height, width, 3) of whole numbers 0 to 255, or "
    '{"b64": the base64 of a picture\'s bytes}'
)


class Call(NamedTuple):
    """A call of `:predict`.

    Args:
        signature: Its name.
        by_row: Whether it has `instances`, rather than `inputs`.
        images: uint8 arrays `(height, width, 3)`.
    """

    signature: str
    by_row: bool
    images: list[np.ndarray]


def read_call(body: bytes, max_pixels: int) -> Call:
    """Reads the body of a call.

    Args:
        body: The JSON.
        max_pixels: The most that its images may have together.

    Raises:
        Refused: If it is no such call, or too large.
    """
    try:
        call = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"JSON Parse error: {error}") from error
    if not isinstance(call, dict) or ("instances" in call) == ("inputs" in call):
        raise Refused(400, 'The body must be an object of "instances" or of "inputs".')
    signature = call.get("signature_name") or SERVING_DEFAULT
    if signature not in (SERVING_DEFAULT, CLASS_MAP):
        raise Refused(
            400,
            f"Serving signature name: {signature!r} not found in signature def. There "
            f"are {SERVING_DEFAULT!r} and {CLASS_MAP!r}.",
        )
    by_row = "instances" in call
    values = call["instances"] if by_row else _unnamed(call["inputs"])
    if not isinstance(values, list) or not 1 <= len(values) <= _MOST_IMAGES:
        raise Refused(400, f"A call must have a list of 1 to {_MOST_IMAGES} images.")
    images = []
    for value in values:
        image = _image(_unnamed(value) if by_row else value, max_pixels)
        max_pixels -= image.shape[0] * image.shape[1]
        images.append(image)
    return Call(signature, by_row, images)


def _unnamed(value: Any) -> Any:
    """Returns the value of an input that may be named."""
    if isinstance(value, dict) and list(value) == [_INPUT]:
        return value[_INPUT]
    return value


def _image(value: Any, max_pixels: int) -> np.ndarray:
    """Reads an image."""
    if isinstance(value, dict) and list(value) == ["b64"]:
        try:
            data = base64.b64decode(value["b64"], validate=True)
        except (TypeError, ValueError, binascii.Error) as error:
            raise Refused(400, f"{_IMAGE}. Received: {error}.") from error
        return read_picture(data, max_pixels)
    try:  # NumPy would make long texts as long as the longest
        array = np.array(value, np.float64) if isinstance(value, list) else None
    except (TypeError, ValueError, OverflowError):  # other things, or of other lengths
        array = None
    if array is None or array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        received = type(value).__name__ if array is None else f"shape {array.shape}"
        raise Refused(400, f"{_IMAGE}. Received: {received}.")
    if array[..., 0].size > max_pixels:
        raise Refused(413, f"The images must have at most {max_pixels} more pixels.")
    if not np.all((array >= 0) & (array <= 255) & (array == np.trunc(array))):
        raise Refused(400, f"{_IMAGE}. Received: other values.")
    return array.astype(np.uint8)


def read_picture(data: bytes, max_pixels: int) -> np.ndarray:
    """Decodes a picture.

    Args:
        data: Its bytes.
        max_pixels: The most that it may have.

    Raises:
        Refused: If it is none, or too large.
    """
    try:
        return decode_image(data, max_pixels)
    except TooManyPixels as error:
        raise Refused(413, str(error)) from error
    except ValueError as error:
        raise Refused(400, str(error)) from error


def check_length(model: ServedModel, call: Call) -> None:
    """Raises if an answer would be too long.

    Args:
        model: The model.
        call: The call.

    Raises:
        Refused: If so.
    """
    channels = 1 if call.signature == CLASS_MAP else model.channels or 1
    numbers = channels * sum(image[..., 0].size for image in call.images)
    if numbers > _MOST_NUMBERS:
        raise Refused(
            413,
            f"An answer must have at most {_MOST_NUMBERS} numbers. Received: a call "
            f"for {numbers}. Ask for the signature {CLASS_MAP!r}, or POST /predict.",
        )


def write_answer(
    model: ServedModel, call: Call, results: Sequence[np.ndarray]
) -> bytes:
    """Returns the JSON of an answer.

    Args:
        model: The model.
        call: The call.
        results: The output for each image.

    Raises:
        Refused: If images of different sizes were sent as columns.
    """
    if call.signature == CLASS_MAP:
        results = [model.ids(result) for result in results]
    if not call.by_row and len({result.shape for result in results}) > 1:
        raise Refused(400, 'Images of "inputs" must be of one size.')
    key = "predictions" if call.by_row else "outputs"
    return json.dumps({key: [result.tolist() for result in results]}).encode()


def status() -> dict:
    """Returns the status of a model that is served."""
    fine = {"error_code": "OK", "error_message": ""}
    state = {"version": VERSION, "state": "AVAILABLE", "status": fine}
    return {"model_version_status": [state]}


def metadata(model: ServedModel) -> dict:
    """Returns the signatures of a model.

    Args:
        model: The model.
    """
    ids = "DT_" + id_dtype(model.labels.num_classes).upper()
    # Any size, whatever size the model sees.
    image = _tensor(_INPUT, "DT_FLOAT", -1, -1, -1, 3)
    scores = _tensor(model.output, "DT_FLOAT", -1, -1, -1, model.channels)
    class_map = _tensor(CLASS_MAP, ids, -1, -1, -1)
    outputs = class_map if model.output == CLASS_MAP else scores
    signatures = {SERVING_DEFAULT: outputs, CLASS_MAP: class_map}
    return {
        "model_spec": {
            "name": model.name,
            "signature_name": "",
            "version": VERSION,
        },
        "metadata": {
            "signature_def": {
                "signature_def": {
                    name: {
                        "inputs": image,
                        "outputs": output,
                        "method_name": "tensorflow/serving/predict",
                    }
                    for name, output in signatures.items()
                }
            }
        },
    }


def _tensor(name: str, dtype: str, *shape: int | None) -> dict:
    """Describes a tensor of a signature."""
    sides = [{"size": str(side), "name": ""} for side in shape]
    shaped = {"dim": sides, "unknown_rank": False}
    return {name: {"dtype": dtype, "tensor_shape": shaped, "name": name}}
