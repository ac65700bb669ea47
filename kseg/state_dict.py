"""Checkpoints of PyTorch as NumPy arrays: no PyTorch, and no code out of a file.

A file of `torch.save` is a pickle, and a pickle may call any function there is. The
one here knows a short list of names: those that tensors are built of, and a few
harmless ones that often stand beside them. Any other is refused by its name and never
imported. The forms are described by `torch/serialization.py` (the zip archive since
PyTorch 1.6, and the row of pickles before) and by
https://huggingface.co/docs/safetensors/index#format.

What is read takes memory in proportion to the file: a small one cannot ask for much.
"""

import io
import json
import math
import mmap
import pickle
import pickletools
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

# Reads a storage by its key.
_Data = Callable[[str], bytes | memoryview]
# bfloat16 has no dtype in NumPy: its bits are read, and become float32.
_STORAGES = {
    "torch.HalfStorage": "float16",
    "torch.FloatStorage": "float32",
    "torch.DoubleStorage": "float64",
    "torch.BFloat16Storage": "bfloat16",
    "torch.CharStorage": "int8",
    "torch.ShortStorage": "int16",
    "torch.IntStorage": "int32",
    "torch.LongStorage": "int64",
    "torch.ByteStorage": "uint8",
    "torch.BoolStorage": "bool",
}
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
# What training scripts keep beside the tensors: nothing is made of it.
_IGNORED = {
    "_codecs.encode",
    "argparse.Namespace",
    "builtins.getattr",
    "collections.Counter",
    "collections.defaultdict",
    "mmengine.logging.history_buffer.HistoryBuffer",
    "numpy.dtype",
    "numpy.ndarray",
    "torch.Size",
    "torch.device",
    *(f"torch.{x}" for x in _STORAGES.values()),
    *(f"numpy.core.multiarray.{x}" for x in ("_reconstruct", "scalar")),
    *(f"numpy._core.multiarray.{x}" for x in ("_reconstruct", "scalar")),
    *(f"__builtin__.{x}" for x in ("dict", "float", "int", "list", "set", "tuple")),
    *(f"builtins.{x}" for x in ("dict", "float", "int", "list", "set", "tuple")),
}
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
# Where training scripts keep the state dictionary; files may nest them.
_NESTED = ("state_dict", "model_state_dict", "model")
_LEVELS = 4
_MEMO = ("PUT", "BINPUT", "LONG_BINPUT")
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
    content, _ = _unpickle(io.BytesIO(read(pickled[0])))
    return content, lambda key: read(f"{folder}data/{key}")


def _read_legacy(file: IO[bytes]) -> tuple[Any, _Data]:
    """Reads the form before PyTorch 1.6: five pickles, then all storages in a row."""
    # No read out of mapped memory is longer than the file, whatever a length says.
    whole: Any = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    if _unpickle(whole)[0] != _LEGACY_MAGIC:
        raise ValueError("a pickle that is not of torch.save")
    for _ in ("version of the form", "what the machine was"):
        _unpickle(whole)
    content, dtypes = _unpickle(whole)
    keys, _ = _unpickle(whole)
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


class _Storage(NamedTuple):
    """Numbers of one dtype in a row, by the name that the file has for them."""

    dtype: str
    key: str


class _Tensor(NamedTuple):
    """A view of a storage, before it is read; all lengths are in elements."""

    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


class _Dictionary(dict):
    """A dictionary that takes no attributes: PyTorch keeps versions in some."""

    def __setstate__(self, _):
        """Leaves the attributes out."""


class _Inert:
    """What stands for an ignored class, function or object: it keeps nothing.

    A pickle cannot change the class itself either: `__setstate__` takes its attempts.
    """

    __slots__ = ()

    def __new__(cls, *_, **__):
        """Leaves the arguments out."""
        return super().__new__(cls)

    def _ignore(self, *_):
        """Leaves the content out."""

    __setstate__ = __setitem__ = append = extend = update = _ignore


_BUILDERS: dict[str, Callable] = {
    "collections.OrderedDict": _Dictionary,
    "torch._utils._rebuild_parameter": lambda tensor, *_: tensor,
    "torch._utils._rebuild_parameter_with_state": lambda tensor, *_: tensor,
    "torch._utils._rebuild_tensor": _Tensor,
    "torch._utils._rebuild_tensor_v2": lambda *arguments: _Tensor(*arguments[:4]),
    "torch.nn.parameter.Parameter": lambda tensor, *_: tensor,
}


class _Unpickler(pickle.Unpickler):
    """An unpickler of the names above, and of no other."""

    def __init__(self, file: IO[bytes]):
        """Notes what storages there are."""
        super().__init__(file, encoding="latin1")  # strings of Python 2
        self.dtypes: dict[str, str] = {}

    def find_class(self, module: str, name: str):
        """Returns what stands for a global name; nothing is imported."""
        full_name = f"{module}.{name}"
        if full_name in _STORAGES:
            return _STORAGES[full_name]
        if full_name in _IGNORED:
            return _Inert
        if full_name not in _BUILDERS:
            raise pickle.UnpicklingError(
                f"its pickle asks for {full_name}, which no tensor needs"
            )
        build = _BUILDERS[full_name]
        # A new function each time: a pickle may set the attributes of what it gets.
        return lambda *arguments: build(*arguments)

    def persistent_load(self, pid):
        """Returns the storage that an identifier stands for."""
        kind, dtype, key, *_ = pid
        if kind != "storage" or dtype not in _STORAGES.values() or any(pid[5:]):
            raise pickle.UnpicklingError(f"its pickle refers to {pid}, not a storage")
        if self.dtypes.setdefault(key, dtype) != dtype:
            raise pickle.UnpicklingError(
                f"its storage {key!r} is of {dtype} and of {self.dtypes[key]}"
            )
        return _Storage(dtype, key)


def _unpickle(file: IO[bytes]) -> tuple[Any, dict[str, str]]:
    """Reads the next pickle of a file, and the dtypes of its storages by their keys."""
    begin, highest = file.tell(), 0
    for code, argument, _ in pickletools.genops(file):
        if code.name in _MEMO:
            highest = max(highest, argument or 0)
    length = file.tell() - begin
    # The memo is an array that grows up to the highest index, whatever it is.
    if highest > length:
        raise pickle.UnpicklingError(
            f"its pickle of {length} bytes has a memo of {highest} entries"
        )
    file.seek(begin)
    unpickler = _Unpickler(io.BytesIO(file.read(length)))
    return unpickler.load(), unpickler.dtypes


def _plain(value, copies: dict[int, Any]) -> Any:
    """Copies plain values, each once; `_Inert` stands for one that is not plain."""
    if isinstance(value, _PLAIN):
        return value
    if id(value) in copies:
        return copies[id(value)]
    copies[id(value)] = _Inert  # where it lies in itself
    copy = _Inert
    if isinstance(value, dict):
        items = {k: _plain(x, copies) for k, x in value.items()}
        copy = {
            k: x for k, x in items.items() if isinstance(k, _PLAIN) and x is not _Inert
        }
    elif type(value) in (list, tuple):  # and no tensor, which is a named tuple
        items = [_plain(x, copies) for x in value]
        copy = _Inert if _Inert in items else type(value)(items)
    copies[id(value)] = copy
    return copy


def _state_dicts(content, levels: int = _LEVELS) -> dict[str, dict[str, _Tensor]]:
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
        if isinstance(name, str) and isinstance(x, _Tensor)
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


def _view(name: str, tensor: _Tensor, numbers: np.ndarray) -> np.ndarray:
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
