"""Pickles of PyTorch, read without PyTorch: no code out of a file.

A pickle may call any function there is. The one here knows a short list of names: those
that tensors are built of, and a few harmless ones that often stand beside them. Any
other is refused by its name and never imported. Tensors are left as views of storages,
whose numbers lie elsewhere (`torch/_utils.py` and `torch/serialization.py`).
"""

import io
import pickle
import pickletools
from collections.abc import Callable
from typing import IO, Any, NamedTuple

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
_MEMO = ("PUT", "BINPUT", "LONG_BINPUT")


class Storage(NamedTuple):
    """Numbers of one dtype in a row, by the name that the file has for them."""

    dtype: str
    key: str


class Tensor(NamedTuple):
    """A view of a storage, before it is read; all lengths are in elements."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


class _Dictionary(dict):
    """A dictionary that takes no attributes: PyTorch keeps versions in some."""

    def __setstate__(self, _):
        """Leaves the attributes out."""


class Inert:
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
    "torch._utils._rebuild_tensor": Tensor,
    "torch._utils._rebuild_tensor_v2": lambda *arguments: Tensor(*arguments[:4]),
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
            return Inert
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
        return Storage(dtype, key)


def unpickle(file: IO[bytes]) -> tuple[Any, dict[str, str]]:
    """Reads the next pickle of a file.

    Args:
        file: A file that can be sought, at the beginning of a pickle.

    Returns:
        What the pickle holds, with a `Tensor` for each tensor and an `Inert` for what
        is not looked at; and the dtypes of its storages by their keys.

    Raises:
        pickle.UnpicklingError: If it asks for anything but tensors, containers and
            numbers. A broken pickle may raise any other error.
    """
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
