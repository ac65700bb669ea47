"""Checkpoints of PyTorch as NumPy arrays: no PyTorch, and no code out of a file.

A file of `torch.save` is a pickle, and a pickle may call any function there is. The
one here knows a short list of names: those that tensors are built of, and a few
harmless ones that often stand beside them. Any other is refused by its name and never
imported. The forms are described by `torch/serialization.py` (the zip archive since
PyTorch 1.6, and the row of pickles before) and by
https://huggingface.co/docs/safetensors/index#format.
"""

import io
import json
import math
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

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
    "collections.defaultdict",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray.scalar",
    "numpy.dtype",
    "torch.Size",
    "torch.device",
    *(f"torch.{dtype}" for dtype in _STORAGES.values()),
}
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
# Where training scripts keep the state dictionary; files may nest them.
_NESTED = ("state_dict", "model_state_dict", "model")


def read_state_dict(path: str | Path) -> dict[str, np.ndarray]:
    """Reads the tensors of a PyTorch checkpoint or of a safetensors file.

    Args:
        path: A file of `torch.save` (often `.pt`, `.pth` or `.bin`), of any version,
            or a `.safetensors` file; the content decides which. The state
            dictionary may lie under `"state_dict"`, `"model_state_dict"` or
            `"model"`; what is no tensor (epochs, states of optimizers) is left out.

    Returns:
        The name of every tensor to a new array of its shape and dtype, float32
        where it is bfloat16. A prefix `module.` that all names have is taken away.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is of another kind, cut short, or asks for anything
            but tensors, containers and numbers.
    """
    path = Path(path)
    with open(path, "rb") as file:
        try:
            tensors = _read(file)
        except Exception as error:  # a broken pickle may raise anything
            raise ValueError(
                "A checkpoint must be a whole file of `torch.save` or .safetensors "
                f"that holds a state dictionary. Received: {path}: {error}. Fetch it "
                "again if it is cut short; if it holds more than tensors and you trust "
                "it, save it anew in PyTorch: `torch.save(model.state_dict(), path)`."
            ) from error
    if all(name.startswith("module.") for name in tensors):
        return {name.removeprefix("module."): x for name, x in tensors.items()}
    return tensors


def _read(file: IO[bytes]) -> dict[str, np.ndarray]:
    """Reads a file of any of the three forms."""
    start = file.read(9)
    file.seek(0)
    if start.startswith(b"PK"):
        return _read_zip(file)
    if start.startswith(b"\x80"):
        return _read_legacy(file)
    if start[8:] == b"{":
        return _read_safetensors(file)
    raise ValueError(f"the file begins with {start!r}, which is neither")


def _read_zip(file: IO[bytes]) -> dict[str, np.ndarray]:
    """Reads the archive of PyTorch 1.6 and later: a pickle, and a file a storage."""
    with zipfile.ZipFile(file) as archive:
        files = archive.namelist()
        pickled = [name for name in files if name.endswith("/data.pkl")]
        if len(pickled) != 1:
            raise ValueError(f"a zip archive of {files[:3]}, without a data.pkl")
        folder = pickled[0].removesuffix("data.pkl")
        if f"{folder}byteorder" in files:
            order = archive.read(f"{folder}byteorder")
            if order != b"little":
                raise ValueError(f"the bytes are in the order {order!r}, not b'little'")
        content = _Unpickler(io.BytesIO(archive.read(pickled[0]))).load()
        return _arrays(content, lambda key: archive.read(f"{folder}data/{key}"))


def _read_legacy(file: IO[bytes]) -> dict[str, np.ndarray]:
    """Reads the form before PyTorch 1.6: five pickles, then all storages in a row."""
    if _Unpickler(file).load() != _LEGACY_MAGIC:
        raise ValueError("a pickle that is not of torch.save")
    for _ in ("version of the form", "what the machine was"):
        _Unpickler(file).load()
    unpickler = _Unpickler(file)
    content = unpickler.load()
    storages = {}
    for key in _Unpickler(file).load():
        (length,) = struct.unpack("<q", file.read(8))
        length *= _itemsize(unpickler.dtypes[key])
        storages[key] = file.read(max(length, 0))
    return _arrays(content, storages.__getitem__)


def _read_safetensors(file: IO[bytes]) -> dict[str, np.ndarray]:
    """Reads a length of eight bytes, a JSON header of that length, and the data."""
    (length,) = struct.unpack("<Q", file.read(8))
    rest = file.read()
    if length > len(rest):
        raise ValueError(f"a header of {length} bytes, where {len(rest)} are left")
    header, data = json.loads(rest[:length]), memoryview(rest)[length:]
    header.pop("__metadata__", None)
    arrays = {}
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


_BUILDERS: dict[str, Callable] = {
    "collections.OrderedDict": _Dictionary,
    "torch._utils._rebuild_parameter": lambda tensor, *_: tensor,
    "torch._utils._rebuild_parameter_with_state": lambda tensor, *_: tensor,
    "torch._utils._rebuild_tensor": _Tensor,
    "torch._utils._rebuild_tensor_v2": lambda *arguments: _Tensor(*arguments[:4]),
    "torch.nn.parameter.Parameter": lambda tensor, *_: tensor,
    **dict.fromkeys(_IGNORED, lambda *_: _Dictionary()),
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
        self.dtypes[key] = dtype
        return _Storage(dtype, key)


def _arrays(content, data: Callable[[str], bytes]) -> dict[str, np.ndarray]:
    """Finds the state dictionary in what a pickle held, and reads its tensors."""
    while isinstance(content, dict):
        nested = [x for key in _NESTED if isinstance(x := content.get(key), dict)]
        if not nested:
            break
        content = nested[0]
    if not isinstance(content, dict):
        raise ValueError(f"a {type(content).__name__}, not a dictionary of tensors")
    tensors = {
        name: x
        for name, x in content.items()
        if isinstance(name, str) and isinstance(x, _Tensor)
    }
    if not tensors:
        raise ValueError(f"no tensors, but {list(content)[:5]}")
    needed = {x.storage for x in tensors.values()}
    storages = {each: _decode(data(each.key), each.dtype) for each in needed}
    return {name: _view(name, x, storages[x.storage]) for name, x in tensors.items()}


def _view(name: str, tensor: _Tensor, numbers: np.ndarray) -> np.ndarray:
    """Copies one tensor out of its storage, which must hold all of it."""
    _, offset, size, stride = tensor
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    within = min(offset, *size, *stride, 0) >= 0 and last < len(numbers)
    if not within and 0 not in size:
        raise ValueError(
            f"{name!r} of shape {tuple(size)}, strides {tuple(stride)} and offset "
            f"{offset} is not within its {len(numbers)} numbers"
        )
    if 0 in size:
        return np.zeros(size, numbers.dtype)
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
