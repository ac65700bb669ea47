"""What a LiteRT file says of itself to MediaPipe and to the TFLite Task Library.

The metadata is a flatbuffer in a buffer of the model. The files that it names, such as
the list of labels, are a ZIP archive behind the model, where a reader of the model
alone does not look. Neither program has a place for colours: MediaPipe gives none, and
the Task Library those of PASCAL VOC whatever the file says. They are in the sidecar, of
which the archive holds a copy, so that a file without its sidecar tells its classes.

https://github.com/google-ai-edge/mediapipe, mediapipe/tasks/metadata:
metadata_schema.fbs 1.5.0 and image_segmenter_metadata_schema.fbs 1.0.0
"""

import json
import zipfile
from pathlib import Path
from typing import Any

from kseg.lite.litert_model import EMBEDDED_SIDECAR

_LABELS = "labels.txt"
# Constants of the two schemas.
_AXIS_LABELS = 2  # AssociatedFileType
_IMAGE_PROPERTIES = 2  # ContentProperties
_COLOR_SPACES = {1: 2, 3: 1}  # ColorSpaceType: grey, RGB; 0 is unknown
_NORMALIZATION = 1  # ProcessUnitOptions
_NONE, _SIGMOID, _SOFTMAX = 0, 1, 2  # Activation
# MediaPipe takes a class map for scores of a single row and returns zeros. Of an
# activation that there is not, it says so.
_REFUSED = 127
_DESCRIPTIONS = {
    "logits": "Scores of the classes; softmax makes them probabilities.",
    "probabilities": "Probabilities of the classes.",
    "class_map": "Ids of the classes.",
}
# Weights are aligned to as many bytes; see force_align in the schema of the model.
_ALIGNMENT = 16


def add_metadata(path: Path, description: dict[str, Any]) -> None:
    """Writes metadata into a LiteRT file, which stays the same model to the byte.

    Args:
        path: A file of one image in the range 0 to 255 to one output, without metadata.
        description: What `kseg.export.sidecar.describe` says of it.
    """
    *_, channels = description["input"]["shape"]
    output, names = description["output"]["kind"], _names(description)
    activation = _NONE if output == "probabilities" else _REFUSED
    if output == "logits":
        activation = _SOFTMAX if len(names) > 1 else _SIGMOID
    metadata = _metadata(description["model"], channels, output, activation)
    path.write_bytes(_with_buffer(path.read_bytes(), "TFLITE_METADATA", metadata))
    with zipfile.ZipFile(path, "a") as archive:
        # Entries without their time make the same file of the same model every time.
        archive.writestr(zipfile.ZipInfo(_LABELS), "\n".join(names))
        archive.writestr(zipfile.ZipInfo(EMBEDDED_SIDECAR), json.dumps(description))


def _names(description: dict[str, Any]) -> list[str]:
    """Returns a label per channel, each of one line."""
    names = [entry["name"] for entry in description["labels"]["classes"]]
    if description["output"]["shape"][3:] == [1]:  # one logit is that of class 1
        names = names[1:]
    return [" ".join(name.split()) for name in names]


def _metadata(model_name: str, channels: int, output: str, activation: int) -> bytes:
    """Returns a flatbuffer ModelMetadata; the numbers are the schema's field ids."""
    labels_file = {
        0: _LABELS,
        1: "One label per channel of the output.",
        2: _AXIS_LABELS,
    }
    image = {
        0: "image",
        1: "Values from 0 to 255 as they are; the model normalises them itself.",
        3: {
            0: _IMAGE_PROPERTIES,
            1: {0: _COLOR_SPACES.get(channels, 0)},
        },
        # (value - mean) / std: the identity.
        4: [{0: _NORMALIZATION, 1: {0: [0.0], 1: [1.0]}}],
        5: {0: [255.0], 1: [0.0]},  # Stats
    }
    result = {0: output, 1: _DESCRIPTIONS[output], 6: [labels_file]}
    segmenter = {
        0: "SEGMENTER_METADATA",
        1: _flatbuffer({0: activation, 1: "1.0.0"}, b"V001"),
    }
    sidecar = {0: EMBEDDED_SIDECAR, 1: "The sidecar, with the names and colours."}
    metadata = {
        0: model_name,
        1: "Semantic segmentation: the class of every pixel.",
        3: [{2: [image], 3: [result], 9: [segmenter]}],  # SubGraphMetadata
        6: [sidecar],
        7: "1.5.0",  # the parser's version that knows all of these fields
    }
    return _flatbuffer(metadata, b"M001")


def _flatbuffer(table: dict[int, Any], identifier: bytes) -> bytes:
    """Returns a table, and what hangs on it, as a flatbuffer of its own."""
    import flatbuffers

    builder = flatbuffers.Builder()
    builder.Finish(_write(builder, table), identifier)
    return bytes(builder.Output())


def _write(b: Any, value: Any) -> int:
    """Writes a string, bytes, a list or a table, and returns its offset.

    A table is a dictionary from field ids to values; of its numbers, all are bytes.
    """
    if isinstance(value, str):
        return b.CreateString(value)
    if isinstance(value, bytes):
        b.StartVector(1, len(value), _ALIGNMENT)
        b.head -= len(value)
        b.Bytes[b.head : b.head + len(value)] = value
        return b.EndVector()
    if isinstance(value, list):
        return _write_vector(b, value)
    written = {
        field: content if isinstance(content, int) else _write(b, content)
        for field, content in value.items()
    }
    b.StartObject(max(value) + 1)
    for field, content in written.items():
        if isinstance(value[field], int):
            b.PrependInt8Slot(field, content, 0)
        else:
            b.PrependUOffsetTRelativeSlot(field, content, 0)
    return b.EndObject()


def _write_vector(b: Any, values: list) -> int:
    """Writes a list of floats or of tables, and returns its offset."""
    if isinstance(values[0], float):
        b.StartVector(4, len(values), 4)
        for number in reversed(values):
            b.PrependFloat32(number)
        return b.EndVector()
    return _write_offsets(b, [_write(b, value) for value in values])


def _write_offsets(b: Any, offsets: list[int]) -> int:
    """Writes a list of what is written already, and returns its offset."""
    b.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        b.PrependUOffsetTRelative(offset)
    return b.EndVector()


def _with_buffer(content: bytes, name: str, data: bytes) -> bytes:
    """Returns a LiteRT file with one buffer more, of metadata with a name.

    A flatbuffer is written from its end to its start, so that the new tables, with a
    new root, come in front of the old file. That stays as it is: no weight is moved out
    of its alignment or passes through another version of the schema.
    """
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    content += bytes(-len(content) % _ALIGNMENT)
    model: Any = schema.Model.GetRootAs(content)
    b = flatbuffers.Builder(0)
    b.Bytes = bytearray(content)

    def offset(table: Any) -> int:
        return len(content) - table._tab.Pos

    buffers = [offset(model.Buffers(i)) for i in range(model.BuffersLength())]
    named = [offset(model.Metadata(i)) for i in range(model.MetadataLength())]
    buffers.append(_write(b, {0: data}))
    title = b.CreateString(name)
    schema.MetadataStart(b)
    schema.MetadataAddName(b, title)
    schema.MetadataAddBuffer(b, len(buffers) - 1)
    named.append(schema.MetadataEnd(b))
    replaced = {4: _write_offsets(b, buffers), 6: _write_offsets(b, named)}
    schema.ModelStart(b)
    schema.ModelAddVersion(b, model.Version())
    for field in range(1, len(b.current_vtable)):
        place = model._tab.Offset(4 + 2 * field)
        if field in replaced:
            b.PrependUOffsetTRelativeSlot(field, replaced[field], 0)
        elif place:
            target = model._tab.Indirect(model._tab.Pos + place)
            b.PrependUOffsetTRelativeSlot(field, len(content) - target, 0)
    b.Finish(schema.ModelEnd(b), b"TFL3")
    return bytes(b.Output())
