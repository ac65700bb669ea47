"""Files of the library safetensors, read without it."""

import json
import struct

import numpy as np
import pytest
from pickles import SIX, assert_arrays, write_safetensors

from kseg.state_dict import read_state_dict


@pytest.fixture
def path(tmp_path):
    return tmp_path / "checkpoint.pth"


def test_safetensors(path):
    integers = np.array([-1, 2], "<i8")
    entries = {
        "__metadata__": {"format": "pt"},
        "bits": dict(dtype="BF16", shape=[2], data_offsets=[0, 4]),
        "half": dict(dtype="F16", shape=[1, 2], data_offsets=[4, 8]),
        "steps": dict(dtype="I64", shape=[2], data_offsets=[8, 24]),
        "scalar": dict(dtype="F32", shape=[], data_offsets=[24, 28]),
        "empty": dict(dtype="U8", shape=[0, 2], data_offsets=[28, 28]),
    }
    data = np.array([0x3F80, 0xC049], "<u2").tobytes()
    data += np.array([0.5, 2], "<f2").tobytes() + integers.tobytes()
    write_safetensors(path, entries, data + np.float32(7).tobytes())
    expected = {
        "bits": np.array([1, -3.140625], "float32"),
        "half": np.array([[0.5, 2]], "float16"),
        "steps": integers,
        "scalar": np.array(7, "float32"),
        "empty": np.zeros((0, 2), "uint8"),
    }
    found = read_state_dict(path)
    assert_arrays(found, expected)
    found["half"][:] = 0


@pytest.mark.parametrize(
    "wrong",
    [
        dict(dtype="F64"),
        dict(dtype="F8_E4M3"),
        dict(shape=[7]),
        dict(shape=[-2, -3]),
        dict(data_offsets=[4, 28]),
        dict(data_offsets=[-24, 0]),
        dict(data_offsets=[24, 0]),
        dict(data_offsets="24"),
        dict(shape=None),
    ],
)
def test_safetensors_beyond_the_data_are_refused(path, wrong):
    entry = dict(dtype="F32", shape=[6], data_offsets=[0, 24])
    write_safetensors(path, {"x": {**entry, **wrong}}, SIX.tobytes())
    with pytest.raises(ValueError, match=str(path)):
        read_state_dict(path)


def test_safetensors_do_not_count_from_the_end(path):
    entry = dict(dtype="F32", shape=[6], data_offsets=[-48, -24])
    write_safetensors(path, {"x": entry}, SIX.tobytes() * 2)
    with pytest.raises(ValueError, match="'x' of shape .* at bytes -48 to -24 of 48"):
        read_state_dict(path)


@pytest.mark.parametrize("length", [128, 384, 0x4B50])
def test_a_header_may_be_of_any_length(path, length):
    """Even of one whose bytes begin as a pickle or as a zip archive does."""
    header = {"x": dict(dtype="F32", shape=[6], data_offsets=[0, 24])}
    header = json.dumps(header).encode().ljust(length)
    path.write_bytes(struct.pack("<Q", length) + header + SIX.tobytes())
    assert path.read_bytes()[:2] in (b"\x80\0", b"\x80\1", b"PK")
    assert_arrays(read_state_dict(path), {"x": SIX})


def test_safetensors_do_not_share_bytes(path):
    entry = dict(dtype="F32", shape=[6], data_offsets=[0, 24])
    write_safetensors(path, {"x": entry, "y": entry}, SIX.tobytes())
    with pytest.raises(ValueError, match="'y' has bytes of other tensors"):
        read_state_dict(path)


def test_files_of_safetensors(path):
    torch = pytest.importorskip("torch")
    save_file = pytest.importorskip("safetensors.torch").save_file
    state = {"a": torch.randn(2, 3), "b": torch.arange(4), "c": torch.tensor(True)}
    save_file({**state, "d": state["a"].bfloat16()}, path)
    expected = {**state, "d": state["a"].bfloat16().float()}
    assert_arrays(
        read_state_dict(path), {name: x.numpy() for name, x in expected.items()}
    )
