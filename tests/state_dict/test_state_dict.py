"""Checkpoints of PyTorch, read without it."""

import argparse
import collections
import pickle
import struct
import zipfile

import numpy as np
import pytest
from pickles import (
    DTYPES,
    SIX,
    Call,
    assert_arrays,
    pickled,
    tensor,
    write_either,
    write_legacy,
    write_safetensors,
    write_zip,
)

from kseg.state_dict import read_meta, read_state_dict


@pytest.fixture
def path(tmp_path):
    return tmp_path / "checkpoint.pth"


def test_views_of_a_shared_storage(path):
    """Strides, offsets, an expanded number, a scalar and an empty tensor."""
    numbers = np.arange(24, dtype="<f4")
    views = {
        "all": tensor(size=(2, 3, 4), stride=(12, 4, 1)),
        "transposed": tensor(size=(4, 6), stride=(1, 4)),
        "part": tensor(size=(2, 2), stride=(4, 2), offset=5),
        "expanded": tensor(size=(3, 2), stride=(0, 0), offset=23),
        "scalar": tensor(size=(), stride=(), offset=7),
        "empty": tensor(size=(0, 3), stride=(3, 1)),
    }
    write_zip(path, views, {"0": numbers})
    expected = {
        "all": numbers.reshape(2, 3, 4),
        "transposed": numbers.reshape(6, 4).T,
        "part": np.array([[5, 7], [9, 11]], "float32"),
        "expanded": np.full((3, 2), 23, "float32"),
        "scalar": np.array(7, "float32"),
        "empty": np.zeros((0, 3), "float32"),
    }
    found = read_state_dict(path)
    assert_arrays(found, expected)
    found["all"][:] = -1  # arrays of their own, to write to
    assert_arrays(found | {"all": expected["all"]}, expected)


@pytest.mark.parametrize("write", [write_zip, write_legacy])
def test_all_dtypes(path, write):
    rng = np.random.default_rng(0)
    numbers = {x: rng.integers(0, 2, 6).astype(x) for x in DTYPES.values()}
    numbers["int64"][0] = -(2**60)
    numbers["float64"][0] = np.pi
    tensors = {
        dtype: tensor(key=dtype, size=(6,), stride=(1,), kind=kind)
        for kind, dtype in DTYPES.items()
    }
    write(path, tensors, numbers)
    assert_arrays(read_state_dict(path), numbers)


@pytest.mark.parametrize("write", [write_zip, write_legacy])
def test_bfloat16_becomes_float32(path, write):
    bits = np.array([0x3F80, 0xC049, 0x7F80, 0x0001], "<u2")
    entry = tensor(size=(4,), stride=(1,), kind="BFloat16")
    write(path, {"x": entry}, {"0": bits})
    expected = np.array([1, -3.140625, np.inf, 2.0**-133], "float32")
    assert_arrays(read_state_dict(path), {"x": expected})


@pytest.mark.parametrize(
    "nest",
    [
        lambda x: x,
        lambda x: {"state_dict": x, "epoch": 1},
        lambda x: {"model": x},
        lambda x: {"model_state_dict": x},
        lambda x: {"model": {"state_dict": x}, "optimizer": {}},
    ],
)
def test_a_nested_dictionary_is_found(path, nest):
    write_zip(path, nest({"a.weight": tensor()}))
    assert_arrays(read_state_dict(path), {"a.weight": SIX.reshape(2, 3)})


def test_tensors_beside_the_nested_dictionary_are_left_out(path):
    """A training script may keep its best accuracy as a tensor."""
    write_zip(path, {"best": tensor(), "model": {"a": tensor()}, "state_dict": {}})
    assert list(read_state_dict(path)) == ["a"]


@pytest.mark.parametrize("levels", [4, 5])
def test_levels_of_nesting(path, levels):
    content = {"a": tensor()}
    for _ in range(levels):
        content = {"model": content}
    write_zip(path, content)
    if levels == 4:
        assert list(read_state_dict(path)) == ["a"]
    else:
        with pytest.raises(ValueError, match="nested more than 4 levels"):
            read_state_dict(path)


def test_a_dictionary_in_itself_is_refused(path):
    content: dict = {"a": tensor()}
    content["model"] = content
    write_zip(path, content)
    with pytest.raises(ValueError, match="nested more than 4 levels"):
        read_state_dict(path)


def test_two_state_dictionaries_are_refused(path):
    one, other = {"a": tensor()}, {"b": tensor()}
    write_zip(path, {"model": {"state_dict": one}, "state_dict": other})
    with pytest.raises(ValueError, match="under state_dict and model/state_dict, not"):
        read_state_dict(path)


def test_the_prefix_of_data_parallel_goes_where_all_have_it(path):
    write_zip(path, {"module.a": tensor(), "module.module.b": tensor()})
    assert list(read_state_dict(path)) == ["a", "module.b"]
    write_zip(path, {"module.a": tensor(), "b": tensor()})
    assert list(read_state_dict(path)) == ["module.a", "b"]


@pytest.mark.parametrize(
    "wrong",
    [
        dict(size=(3, 3)),
        dict(offset=1),
        dict(offset=-1),
        dict(size=(2, 3), stride=(-3, 1)),
        dict(size=(-2, -3)),
        dict(size=(2, 3), stride=(2**62, 2**62)),
    ],
)
def test_a_tensor_beyond_its_storage_is_refused(path, wrong):
    write_zip(path, {"conv.weight": tensor(**wrong)})
    with pytest.raises(ValueError, match="'conv.weight' of shape .*within its 6 numb"):
        read_state_dict(path)


def test_a_tensor_that_repeats_its_numbers_without_end_is_refused(path):
    write_zip(path, {"x": tensor(size=(2**16,), stride=(0,))})
    assert read_state_dict(path)["x"].shape == (2**16,)
    write_zip(path, {"x": tensor(size=(2**16 + 1,), stride=(0,))})
    with pytest.raises(ValueError, match="'x' of shape .*within its 6 numbers"):
        read_state_dict(path)
    many = {str(i): tensor(size=(2**16,), stride=(0,)) for i in range(65)}
    write_zip(path, many)
    with pytest.raises(ValueError, match=f"tensors of {65 * 2**18} bytes in stor"):
        read_state_dict(path)


def test_a_compressed_archive_is_refused(path):
    write_zip(path, {"x": tensor()}, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(ValueError, match="'archive/.*' is compressed, which PyTorch"):
        read_state_dict(path)


def test_an_archive_whose_files_share_bytes_is_refused(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled({"x": tensor()}))
        archive.writestr("archive/data/0", bytes(10_000))
        for name in ("1", "2"):
            entry = zipfile.ZipInfo(f"archive/data/{name}")
            first = archive.getinfo("archive/data/0")
            entry.header_offset, entry.CRC = first.header_offset, first.CRC
            entry.file_size = entry.compress_size = first.file_size
            archive.filelist.append(entry)
            archive.NameToInfo[entry.filename] = entry
    with pytest.raises(ValueError, match="share their bytes"):
        read_state_dict(path)


def test_a_length_of_a_legacy_storage_beyond_the_file_is_refused(path):
    write_legacy(path, {"x": tensor()}, {"0": SIX})
    length, endless = struct.pack("<q", 6), struct.pack("<q", 2**60)
    whole = path.read_bytes()
    assert whole.count(length + SIX.tobytes()) == 1
    path.write_bytes(whole.replace(length + SIX.tobytes(), endless + SIX.tobytes()))
    with pytest.raises(ValueError, match=str(path)):
        read_state_dict(path)


@pytest.mark.parametrize("wrong", [dict(key="1"), dict(kind="Double", size=(6,))])
def test_another_storage_is_refused(path, wrong):
    write_zip(path, {"x": tensor(**wrong)})
    with pytest.raises(ValueError, match=str(path)):
        read_state_dict(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<html>Not found</html>", "begins with b'<html>Not', which is neither"),
        (b"", "begins with b''"),
        (b"PK\x03\x04 and then nothing", "not a zip file"),
        (pickle.dumps({"epoch": 1}), "a pickle that is not of torch.save"),
        (struct.pack("<Q", 99) + b"{}", "header of 99 bytes, where 2 are left"),
    ],
)
def test_other_files_are_refused(path, content, message):
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        read_state_dict(path)
    assert str(path) in str(error.value)
    assert "Fetch it again" in str(error.value)


def test_other_archives_are_refused(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("word/document.xml", "")
    with pytest.raises(ValueError, match="'word/document.xml'.*without a data.pkl"):
        read_state_dict(path)
    write_zip(path, {"x": tensor()}, byteorder=b"big")
    with pytest.raises(ValueError, match="in the order b'big'"):
        read_state_dict(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"epoch": 1, "net": {"x": 1}}, r"no tensors, but \['epoch', 'net'\]"),
        ([1, 2], "a list, not a dictionary of tensors"),
        ({}, r"no tensors, but \[\]"),
    ],
)
def test_a_file_without_tensors_is_refused(path, content, message):
    write_zip(path, content)
    with pytest.raises(ValueError, match=message):
        read_state_dict(path)


@pytest.mark.parametrize("form", ["zip", "legacy", "safetensors"])
def test_a_file_cut_short_is_refused_wherever_it_ends(path, form):
    if form == "zip":
        write_zip(path, {"x": tensor()})
    elif form == "legacy":
        write_legacy(path, {"x": tensor()}, {"0": SIX})
    else:
        entry = dict(dtype="F32", shape=[6], data_offsets=[0, 24])
        write_safetensors(path, {"x": entry}, SIX.tobytes())
    whole = path.read_bytes()
    assert list(read_state_dict(path)) == ["x"]
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="whole file"):
            read_state_dict(path)


def test_an_absent_file():
    with pytest.raises(FileNotFoundError, match="absent.pth"):
        read_state_dict("absent.pth")


META = {
    "CLASSES": ("road", "kerb"),
    "config": "model = dict(type='EncoderDecoder')",
    "dataset_meta": {"classes": ["road"], "palette": [[0, 128, 0]]},
    "epoch": 3,
    "loss": 0.5,
    "done": True,
    "seed": None,
}


@pytest.mark.parametrize("form", ["zip", "legacy"])
def test_the_plain_values_of_meta(path, form):
    odd = {"arguments": Call("argparse Namespace"), "x": tensor(), "list": [tensor()]}
    write_either(path, form, {"meta": META | odd, "state_dict": {"x": tensor()}})
    assert read_meta(path) == META
    assert_arrays(read_state_dict(path), {"x": SIX.reshape(2, 3)})


def test_meta_that_holds_itself(path):
    """Nor does a value that is there often become one that is there in full."""
    meta: dict = {"epoch": 3}
    often = "x"
    meta["meta"] = meta
    for _ in range(60):
        often = [often, often]
    write_zip(path, {"meta": meta | {"often": often}})
    found: dict = read_meta(path)
    assert found["epoch"] == 3 and "meta" not in found["meta"]
    assert found["often"][0] is found["often"][1]


@pytest.mark.parametrize("content", [{"x": tensor()}, {"meta": [1]}, [1]])
def test_a_file_without_meta(path, content):
    write_zip(path, content)
    assert read_meta(path) == {}


def test_meta_of_other_files(path):
    write_safetensors(path, {"__metadata__": {"format": "pt"}})
    assert read_meta(path) == {}
    write_zip(path, {"meta": {"x": Call("posix system", "true")}})
    with pytest.raises(ValueError, match="asks for posix.system"):
        read_meta(path)
    with pytest.raises(FileNotFoundError, match="absent.pth"):
        read_meta("absent.pth")


@pytest.mark.parametrize("zipped", [True, False])
def test_files_of_pytorch(path, zipped):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.randn(2, 3, 5, 5)).square().sum().backward()
    optimizer.step()
    base = torch.arange(60)
    state = {
        **model.state_dict(keep_vars=True),  # parameters, and not only tensors
        "view": base.view(3, 4, 5)[1:, ::2].transpose(0, 2),
        "base": base,
        "expanded": torch.ones(1, 3).expand(4, 3),
        **{
            x: torch.tensor([0, 1, 2.5]).to(getattr(torch, x))
            for x in (*DTYPES.values(), "bfloat16")
        },
    }
    content = {
        "epoch": 7,
        "loss": np.float64(0.5),
        "losses": collections.defaultdict(list, train=[0.5]),
        "args": argparse.Namespace(lr=1),
        "random": np.random.RandomState(0).get_state(),
        "meta": META,
        "size": torch.Size([2, 3]),
        "dtype": torch.float32,
        "optimizer": optimizer.state_dict(),
        "model_state_dict": {f"module.{name}": x for name, x in state.items()},
    }
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    expected = {name: x.detach() for name, x in state.items()}
    expected["bfloat16"] = expected["bfloat16"].float()
    assert_arrays(
        read_state_dict(path), {name: x.numpy() for name, x in expected.items()}
    )
    assert read_meta(path) == META

    torch.save(model, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ValueError, match="torch.nn.modules.container.Sequential"):
        read_state_dict(path)
