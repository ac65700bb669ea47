import json
import math

import pytest

from kseg.files import whole_file, write_json


def test_a_file_appears_at_the_end_and_nothing_else_stays(tmp_path):
    path = tmp_path / "model.keras"
    with whole_file(path) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".keras"
        temporary.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupted_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "scores.json"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), whole_file(path) as temporary:
        temporary.write_text("ne")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_is_replaced(tmp_path):
    path = tmp_path / "scores.json"
    write_json(path, {"miou": 0.5})
    write_json(str(path), {"miou": 0.75})
    assert json.loads(path.read_text()) == {"miou": 0.75}


def test_json_that_cannot_be_written_leaves_the_old_file(tmp_path):
    path = tmp_path / "scores.json"
    write_json(path, [1])
    with pytest.raises(TypeError):
        write_json(path, [object()])
    assert json.loads(path.read_text()) == [1]
    assert list(tmp_path.iterdir()) == [path]


def test_nan_becomes_null(tmp_path):
    write_json(tmp_path / "scores.json", {"iou": [math.nan, 0.5]})
    assert (tmp_path / "scores.json").read_text() == '{\n  "iou": [null, 0.5]\n}\n'


def test_json_has_lists_of_plain_values_on_one_line(tmp_path):
    value = {
        "a": [1, 2.5, "x ]", "y,\n"],
        "b": [[1], [2, 3]],
        "c": [{"d": []}],
        "e": [],
    }
    write_json(tmp_path / "a.json", value)
    text = (tmp_path / "a.json").read_text()
    assert json.loads(text) == value
    assert '"b": [\n    [1],\n    [2, 3]\n  ]' in text
