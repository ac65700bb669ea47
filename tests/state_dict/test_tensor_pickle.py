"""Pickles that ask for more than tensors."""

import argparse
import collections
import pickle

import numpy as np
import pytest
from pickles import (
    SIX,
    Call,
    Global,
    assert_arrays,
    pickled,
    tensor,
    write_either,
    write_legacy,
    write_zip,
)

from kseg.state_dict import read_state_dict


@pytest.fixture
def path(tmp_path):
    return tmp_path / "checkpoint.pth"


def test_what_is_no_tensor_is_left_out(path):
    """Of a training state, with a parameter and all that scripts keep beside it."""
    scalar = Call("numpy.core.multiarray scalar", Call("numpy dtype", "f8"), b"1234")
    content = {
        "epoch": 3,
        "best": scalar,
        "arguments": Call("argparse Namespace"),
        "device": Call("torch device", "cpu"),
        "optimizer": {"state": {0: {"momentum_buffer": tensor()}}, "lr": [0.1]},
        "state_dict": collections.OrderedDict(
            weight=Call("torch._utils _rebuild_parameter", tensor(), True, {}),
            steps=12,
            dtype=Global("torch float32"),
        ),
    }
    write_zip(path, content)
    assert_arrays(read_state_dict(path), {"weight": SIX.reshape(2, 3)})


def test_attributes_of_a_dictionary_are_left_out(path):
    """A state dictionary has its versions in an attribute; others could do harm."""
    data = pickled({"x": tensor(), "versions": 0})
    empty = b"ccollections\nOrderedDict\n)R}X\x05\x00\x00\x00itemsK\x01sb"
    assert data.count(b"K\x00s") == 0 and data.endswith(b"K\x00u.")
    write_zip(path, data.removesuffix(b"K\x00u.") + empty + b"u.")
    assert list(read_state_dict(path)) == ["x"]


def test_a_history_of_mmengine_is_ignored(path):
    history = b"cmmengine.logging.history_buffer\nHistoryBuffer\n)\x81}"
    history += b"X\x03\x00\x00\x00mincbuiltins\ngetattr\nX\x01\x00\x00\x00a\x85Rsb"
    data = pickled({"x": tensor(), "history": 0})
    write_zip(path, data.removesuffix(b"K\x00u.") + history + b"u.")
    assert_arrays(read_state_dict(path), {"x": SIX.reshape(2, 3)})


@pytest.mark.parametrize("form", ["zip", "legacy"])
@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize(
    "value",
    [
        argparse.Namespace(lr=1, milestones=[1, 2]),
        collections.defaultdict(list, a=[1]),
        collections.defaultdict(dict, a={}),
        collections.Counter("aab"),
        np.arange(3.0),
        np.array(["a", None], object),
        np.float64(2),
        {1, 2},
    ],
    ids=lambda x: type(x).__name__,
)
def test_what_training_scripts_keep_is_ignored(path, form, protocol, value):
    """As pickled by Python itself, ahead of the tensors in one dictionary."""
    data = pickle.dumps(value, protocol)[2:-1]
    if protocol == 4:
        data = data[9:]  # the length of a frame
    whole = b"\x80\x04}(X\x04\x00\x00\x00args" + data + b"X\x05\x00\x00\x00model"
    whole += pickled({"a": tensor()})[2:-1] + b"u."
    if form == "zip":
        write_zip(path, whole)
    else:
        write_legacy(path, {"a": tensor()}, {"0": SIX})
        path.write_bytes(path.read_bytes().replace(pickled({"a": tensor()}), whole))
    assert_arrays(read_state_dict(path), {"a": SIX.reshape(2, 3)})


@pytest.mark.parametrize("form", ["zip", "legacy"])
@pytest.mark.parametrize("name", ["posix system", "os system", "builtins exec"])
def test_a_pickle_runs_nothing(tmp_path, path, form, name):
    touched = tmp_path / "touched"
    code = f"open({str(touched)!r}, 'w')" if "exec" in name else f"touch {touched}"
    content = {"x": tensor(), "y": Call(name, code)}
    if form == "zip":
        write_zip(path, content)
    else:
        path.write_bytes(pickled(Call(name, code)))
    module, function = name.split()
    with pytest.raises(ValueError, match=f"{path}: its pickle asks for {module}") as e:
        read_state_dict(path)
    assert f"{module}.{function}, which no tensor needs" in str(e.value)
    assert "torch.save(model.state_dict(), path)" in str(e.value)
    assert not touched.exists()


@pytest.mark.parametrize(
    "code",
    [
        b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R.",  # STACK_GLOBAL
        b"\x80\x02(S'true'\niposix\nsystem\n.",  # INST
        b"\x80\x04\x8c\x0bcollections\x8c\x14OrderedDict.fromkeys\x93.",
        b"\x80\x02ctorchvision.models\nResNet\n)\x81.",
        b"\x80\x02ctorch\nQInt8Storage\n.",
    ],
)
def test_no_opcode_gets_another_name(path, code):
    write_zip(path, code)
    with pytest.raises(ValueError, match="its pickle asks for .*which no tensor needs"):
        read_state_dict(path)


def test_a_name_that_is_refused_is_not_imported(tmp_path, path, monkeypatch):
    (tmp_path / "harmful.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    write_zip(path, {"x": Call("harmful function")})
    with pytest.raises(ValueError, match="asks for harmful.function"):
        read_state_dict(path)


def test_what_a_pickle_changes_is_its_own(path):
    """A pickle may set attributes of what it calls, here how tensors are made."""
    change = b"ctorch._utils\n_rebuild_tensor\nN}X\x07\x00\x00\x00__new__"
    change += b"ctorch._utils\n_rebuild_parameter\ns\x86b"
    data = pickled({"x": tensor(), "y": 0})
    for content in (data.removesuffix(b"K\x00u.") + change + b"u.", {"x": tensor()}):
        write_zip(path, content)
        assert_arrays(read_state_dict(path), {"x": SIX.reshape(2, 3)})


@pytest.mark.parametrize("form", ["zip", "legacy"])
def test_a_storage_of_two_dtypes_is_refused(path, form):
    write_either(path, form, {"x": tensor(), "y": tensor(kind="Int")})
    with pytest.raises(ValueError, match="storage '0' is of int32 and of float32"):
        read_state_dict(path)


@pytest.mark.parametrize("form", ["zip", "legacy"])
def test_a_memo_beyond_its_pickle_is_refused(path, form):
    """One of 2**28 entries would take gibibytes, for eleven bytes."""
    content = b"\x80\x02}r\xff\xff\xff\x0f."
    if form == "zip":
        write_zip(path, content)
    else:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=f"pickle of 9 bytes .* of {2**28 - 1} entr"):
        read_state_dict(path)
