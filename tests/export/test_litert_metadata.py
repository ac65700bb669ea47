import json
import shutil
import zipfile

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from small_network import LABELS

from kseg.export import LiteRTModel, operators, read_sidecar
from kseg.export.litert_metadata import _names, _with_buffer


def model_of(content):
    return schema.Model.GetRootAs(content)


def data_of(buffer):
    """Where the data of a buffer begins, and the data."""
    if buffer.DataIsNone():
        return None, b""
    table = buffer._tab
    return table.Vector(table.Offset(4)), buffer.DataAsNumpy().tobytes()


def logits_of(content, image):
    run = Interpreter(model_content=content, num_threads=1)
    runner = run.get_signature_runner("serving_default")
    dtype = run.get_input_details()[0]["dtype"]
    return runner(image=image[np.newaxis].astype(dtype))["logits"]


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_a_buffer_more_leaves_the_model_as_it_is(exported, examples, precision):
    before = exported(precision).read_bytes()
    after = _with_buffer(before, "MORE", b"data of it")
    moved = after.find(before)
    assert moved > 0 and moved % 16 == 0
    old, new = model_of(before), model_of(after)
    assert new.BuffersLength() == old.BuffersLength() + 1
    for i in range(old.BuffersLength()):
        start, data = data_of(old.Buffers(i))
        assert data_of(new.Buffers(i)) == (start and start + moved, data)
    names = [new.Metadata(i).Name() for i in range(new.MetadataLength())]
    assert names[:-1] == [old.Metadata(i).Name() for i in range(old.MetadataLength())]
    assert names[-1] == b"MORE"
    added = new.Buffers(new.Metadata(len(names) - 1).Buffer())
    assert data_of(added)[1] == b"data of it" and data_of(added)[0] % 16 == 0
    assert (new.Version(), new.Description()) == (old.Version(), old.Description())
    assert new.SignatureDefsLength() == old.SignatureDefsLength() == 1
    image, _ = examples[0]
    np.testing.assert_array_equal(logits_of(after, image), logits_of(before, image))


def test_every_file_has_its_metadata_and_labels(exported):
    for precision, output in (("float32", "logits"), ("int8", "class_map")):
        path = exported(precision, output)
        model = model_of(path.read_bytes())
        named = [model.Metadata(i) for i in range(model.MetadataLength())]
        (own,) = [entry for entry in named if entry.Name() == b"TFLITE_METADATA"]
        data = data_of(model.Buffers(own.Buffer()))[1]
        assert data[4:8] == b"M001"
        assert b"SEGMENTER_METADATA" in data and b"labels.txt" in data
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None
            assert archive.read("labels.txt") == b"ground\nred\nblue"
            for entry in archive.infolist():
                assert entry.compress_type == zipfile.ZIP_STORED
                assert entry.date_time == (1980, 1, 1, 0, 0, 0)
        assert operators(path)


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_a_file_without_its_sidecar_tells_the_same(
    exported, examples, precision, tmp_path
):
    path = tmp_path / exported(precision).name
    shutil.copy(exported(precision), path)
    assert read_sidecar(path) == read_sidecar(exported(precision))
    file = LiteRTModel(path)
    assert file.labels == LABELS
    for image, _ in examples[:2]:
        expected = LiteRTModel(exported(precision)).predict(image)
        np.testing.assert_array_equal(file.predict(image), expected)


def test_a_file_without_a_copy_needs_its_sidecar(exported, tmp_path):
    path = tmp_path / "a.tflite"
    content = exported().read_bytes()
    path.write_bytes(content[: content.rindex(b"PK\x03\x04")])
    with pytest.raises(ValueError, match="inside or beside.*no file.*a.json"):
        LiteRTModel(path)
    sidecar = json.loads(exported().with_suffix(".json").read_text("utf-8"))
    path.with_suffix(".json").write_text(json.dumps(sidecar), "utf-8")
    with pytest.raises(ValueError, match="the one that its sidecar describes"):
        LiteRTModel(path)


def test_a_label_is_a_line_and_belongs_to_a_channel():
    names = ["far\nroad", " car", "sky"]
    description = {
        "output": {"shape": [1, 4, 4, 3]},
        "labels": {"classes": [{"name": name} for name in names]},
    }
    assert _names(description) == ["far road", "car", "sky"]
    description["output"]["shape"] = [1, 4, 1]  # a class map, of one column
    assert _names(description) == ["far road", "car", "sky"]
    description["output"]["shape"] = [1, 4, 4, 1]
    description["labels"]["classes"].pop()
    assert _names(description) == ["car"]
