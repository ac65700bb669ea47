"""Checkpoints of PyTorch as NumPy arrays: no PyTorch, and no code out of a file.

A file of `torch.save` is a pickle, which `kseg.state_dict.tensor_pickle` reads. The
forms are described by `torch/serialization.py` (the zip archive since PyTorch 1.6, and
the row of pickles before) and by
https://huggingface.co/docs/safetensors/index#format.

What is read takes memory in proportion to the file: a small one cannot ask for much.
"""

import io
import json
import math
import mmap
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np

from kseg.state_dict.tensor_pickle import Inert, Tensor, unpickle

__all__ = ["read_meta", "read_state_dict"]

# Reads a storage by its key.
_Data = Callable[[str], bytes | memoryview]
# bfloat16 has no dtype in NumPy: its bits are read, and become float32.
_SAFETENSORS = {
    "F16": "float16",
    "F32": "float32",
    "F64": "float64",
    "BF16": "bfloat16",
    "I8": "int8",
    "I16": "int16",
    "I32": "int32",
    "I64": "int64",
    "U8": "uint8",
    "BOOL": "bool",
}
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
# Where training scripts keep the state dictionary; files may nest them.
_NESTED = ("state_dict", "model_state_dict", "model")
_LEVELS = 4
_PLAIN = str | int | float | None
# Tensors may share numbers or repeat them: what one may have whatever its storage
# holds, what all together may have, and how often they may have what storages hold.
_FREE_ELEMENTS = 2**16
_FREE_BYTES = 2**24
_REPEATS = 16


def read_state_dict(path: str | Path) -> dict[str, np.ndarray]:
    """Reads the tensors of a PyTorch checkpoint or of a safetensors file.

    Args:
        path: A file of `torch.save` (often `.pt`, `.pth` or `.bin`) since PyTorch
            0.1.10, before which they were tar archives, or a `.safetensors` file;
            the content decides which. The state dictionary may lie under
            `"state_dict"`, `"model_state_dict"` or `"model"`, up to four levels
            deep, but under one of them alone; tensors beside these keys, and what
            is no tensor (epochs, states of optimizers), are left out.

    Returns:
        The name of every tensor to a new array of its shape and dtype, float32
        where it is bfloat16. A prefix `module.` that all names have is taken away.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is of another kind, cut short, has several state
            dictionaries, or asks for anything but tensors, containers and numbers.
    """
    tensors = _load(path, _tensors)
    if all(name.startswith("module.") for name in tensors):
        return {name.removeprefix("module."): x for name, x in tensors.items()}
    return tensors


def read_meta(path: str | Path) -> dict[str, object]:
    """Reads what a PyTorch checkpoint says of itself under the key `"meta"`.

    The toolboxes of OpenMMLab keep the text of the configuration and the names of
    the classes there. The numbers of the tensors are not read.

    Args:
        path: As in `read_state_dict`.

    Returns:
        The texts, numbers, truth values and None of the dictionary, and the lists,
        tuples and dictionaries of these; other values are left out. It is empty
        where a file, such as one of safetensors, has no such dictionary.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: As `read_state_dict`.
    """
    return _load(path, _meta)


def _load(path: str | Path, read: Callable[[IO[bytes]], dict]) -> dict:
    """Reads a file, and says what it must be where that fails."""
    with open(path, "rb") as file:
        try:
            return read(file)
        except Exception as error:  # a broken pickle may raise anything
            raise ValueError(
                "A checkpoint must be a whole file of `torch.save` or .safetensors "
                f"that holds a state dictionary. Received: {path}: {error}. Fetch it "
                "again if it is cut short; if it holds more than tensors and you trust "
                "it, save it anew in PyTorch: `torch.save(model.state_dict(), path)`."
            ) from error


def _tensors(file: IO[bytes]) -> dict[str, np.ndarray]:
    """Reads the tensors of a file of any of the three forms."""
    if _is_safetensors(file):
        return _read_safetensors(file)
    return _arrays(*_read_pickled(file))


def _meta(file: IO[bytes]) -> dict[str, object]:
    """Reads the plain values under the key "meta"."""
    if _is_safetensors(file):
        return {}
    content, _ = _read_pickled(file)
    meta = _plain(content.get("meta"), {}) if isinstance(content, dict) else None
    return meta if isinstance(meta, dict) else {}


def _is_safetensors(file: IO[bytes]) -> bool:
    """Whether a header of JSON follows eight bytes, which may be any."""
    start = file.read(9)
    file.seek(0)
    return start[8:] == b"{"


def _read_pickled(file: IO[bytes]) -> tuple[Any, _Data]:
    """Reads the pickle of either form of PyTorch; storages are read by their keys."""
    start = file.read(9)
    file.seek(0)
    if start.startswith(b"PK"):
        return _read_zip(file)
    if start.startswith(b"\x80"):
        return _read_legacy(file)
    raise ValueError(f"the file begins with {start!r}, which is neither")


def _read_zip(file: IO[bytes]) -> tuple[Any, _Data]:
    """Reads the archive of PyTorch 1.6 and later: a pickle, and a file a storage."""
    archive = zipfile.ZipFile(file)
    files = archive.namelist()
    pickled = [name for name in files if name.endswith("/data.pkl")]
    if len(pickled) != 1:
        raise ValueError(f"a zip archive of {files[:3]}, without a data.pkl")
    packed = sum(entry.compress_size for entry in archive.infolist())
    if packed > file.seek(0, io.SEEK_END):
        raise ValueError("a zip archive whose files share their bytes")

    def read(name: str) -> bytes:
        entry = archive.getinfo(name)
        if entry.compress_type != zipfile.ZIP_STORED:
            raise ValueError(f"{name!r} is compressed, which PyTorch never does")
        return archive.read(entry)

    folder = pickled[0].removesuffix("data.pkl")
    if f"{folder}byteorder" in files:
        order = read(f"{folder}byteorder")
        if order != b"little":
            raise ValueError(f"the bytes are in the order {order!r}, not b'little'")
    content, _ = unpickle(io.BytesIO(read(pickled[0])))
    return content, lambda key: read(f"{folder}data/{key}")


def _read_legacy(file: IO[bytes]) -> tuple[Any, _Data]:
    """Reads the form before PyTorch 1.6: five pickles, then all storages in a row."""
    # No read out of mapped memory is longer than the file, whatever a length says.
    whole: Any = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    if unpickle(whole)[0] != _LEGACY_MAGIC:
        raise ValueError("a pickle that is not of torch.save")
    for _ in ("version of the form", "what the machine was"):
        unpickle(whole)
    content, dtypes = unpickle(whole)
    keys, _ = unpickle(whole)
    storages = {}
    for key in keys:
        (length,) = struct.unpack("<q", whole.read(8))
        begin = whole.tell()
        end = begin + max(length, 0) * _itemsize(dtypes[key])
        storages[key] = memoryview(whole)[begin:end]
        whole.seek(end)
    return content, storages.__getitem__


def _read_safetensors(file: IO[bytes]) -> dict[str, np.ndarray]:
    """Reads a length of eight bytes, a JSON header of that length, and the data."""
    (length,) = struct.unpack("<Q", file.read(8))
    rest = file.read()
    if length > len(rest):
        raise ValueError(f"a header of {length} bytes, where {len(rest)} are left")
    header, data = json.loads(rest[:length]), memoryview(rest)[length:]
    header.pop("__metadata__", None)
    arrays, used = {}, 0
    for name, entry in header.items():
        dtype, shape = _SAFETENSORS.get(entry["dtype"]), entry["shape"]
        if dtype is None:
            raise ValueError(f"{name!r} is of dtype {entry['dtype']}")
        begin, end = entry["data_offsets"]
        expected = math.prod(shape) * _itemsize(dtype)
        if not 0 <= begin <= end <= len(data) or end - begin != expected:
            raise ValueError(
                f"{name!r} of shape {shape} is at bytes {begin} to {end} of {len(data)}"
            )
        used += expected
        if used > len(data):
            raise ValueError(f"{name!r} has bytes of other tensors")
        arrays[name] = _decode(data[begin:end], dtype).reshape(shape).copy()
    return arrays


def _plain(value, copies: dict[int, Any]) -> Any:
    """Copies plain values, each once; `Inert` stands for one that is not plain."""
    if isinstance(value, _PLAIN):
        return value
    if id(value) in copies:
        return copies[id(value)]
    copies[id(value)] = Inert  # where it lies in itself
    copy = Inert
    if isinstance(value, dict):
        items = {k: _plain(x, copies) for k, x in value.items()}
        copy = {
            k: x for k, x in items.items() if isinstance(k, _PLAIN) and x is not Inert
        }
    elif type(value) in (list, tuple):  # and no tensor, which is a named tuple
        items = [_plain(x, copies) for x in value]
        copy = Inert if Inert in items else type(value)(items)
    copies[id(value)] = copy
    return copy


def _state_dicts(content, levels: int = _LEVELS) -> dict[str, dict[str, Tensor]]:
    """Finds the dictionaries of tensors, each by the keys that lead to it."""
    if not isinstance(content, dict):
        raise ValueError(f"a {type(content).__name__}, not a dictionary of tensors")
    nested = {key: x for key in _NESTED if isinstance(x := content.get(key), dict)}
    if nested and not levels:
        raise ValueError(f"dictionaries nested more than {_LEVELS} levels deep")
    found = {
        f"{key}/{keys}".rstrip("/"): tensors
        for key, x in nested.items()
        for keys, tensors in _state_dicts(x, levels - 1).items()
    }
    tensors = {
        name: x
        for name, x in content.items()
        if isinstance(name, str) and isinstance(x, Tensor)
    }
    return found or ({"": tensors} if tensors else {})


def _arrays(content, data: _Data) -> dict[str, np.ndarray]:
    """Finds the state dictionary in what a pickle held, and reads its tensors."""
    found = _state_dicts(content)
    if not found:
        raise ValueError(f"no tensors, but {list(content)[:5]}")
    if len(found) > 1:
        raise ValueError(f"state dictionaries under {' and '.join(found)}, not one")
    (tensors,) = found.values()
    needed = {x.storage for x in tensors.values()}
    storages = {each: _decode(data(each.key), each.dtype) for each in needed}
    held = sum(numbers.nbytes for numbers in storages.values())
    asked = sum(
        abs(math.prod(x.size)) * storages[x.storage].itemsize for x in tensors.values()
    )
    if asked > _REPEATS * held + _FREE_BYTES:
        raise ValueError(f"tensors of {asked} bytes in storages of {held}")
    return {name: _view(name, x, storages[x.storage]) for name, x in tensors.items()}


def _view(name: str, tensor: Tensor, numbers: np.ndarray) -> np.ndarray:
    """Copies one tensor out of its storage, which must hold all of it."""
    _, offset, size, stride = tensor
    if 0 in size:
        return np.zeros(size, numbers.dtype)
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    within = min(offset, *size, *stride, 0) >= 0 and last < len(numbers)
    if not within or math.prod(size) > max(len(numbers), _FREE_ELEMENTS):
        raise ValueError(
            f"{name!r} of shape {tuple(size)}, strides {tuple(stride)} and offset "
            f"{offset} is not within its {len(numbers)} numbers"
        )
    strides = [step * numbers.itemsize for step in stride]
    return np.lib.stride_tricks.as_strided(numbers[offset:], size, strides).copy()


def _itemsize(dtype: str) -> int:
    """Returns the bytes of one number in a file."""
    return 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize


def _decode(data, dtype: str) -> np.ndarray:
    """Returns the numbers in some bytes; float32 has bfloat16's bits on top."""
    if dtype == "bfloat16":
        bits = np.frombuffer(data, "<u2").astype("uint32") << 16
        return bits.view("float32")
    return np.frombuffer(data, np.dtype(dtype).newbyteorder("<")).astype(dtype)
