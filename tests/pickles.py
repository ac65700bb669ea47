"""Checkpoints as PyTorch and safetensors write them, without these."""

import collections
import io
import json
import pickle
import struct
import zipfile

import numpy as np

DTYPES = {
    "Half": "float16",
    "Float": "float32",
    "Double": "float64",
    "Char": "int8",
    "Short": "int16",
    "Int": "int32",
    "Long": "int64",
    "Byte": "uint8",
    "Bool": "bool",
}


class Global:
    """A global name in a pickle that nothing here need have."""

    def __init__(self, name):
        self.name = name


class Call:
    """A call of a global in a pickle."""

    def __init__(self, name, *arguments):
        self.name, self.arguments = name, arguments


class Storage:
    """A storage by its identifier."""

    def __init__(self, kind, key, numel, *rest):
        self.pid = "storage", Global(f"torch {kind}Storage"), key, "cpu", numel, *rest


class Pickler(pickle._Pickler):
    """Writes the names of what is not here, as PyTorch would."""

    def persistent_id(self, value):
        return value.pid if isinstance(value, Storage) else None

    def save(self, value, save_persistent_id=True):
        if isinstance(value, Global):
            self.write(f"c{value.name.replace(' ', chr(10))}\n".encode())
        elif isinstance(value, Call):
            self.save(Global(value.name))
            self.save(value.arguments)
            self.write(pickle.REDUCE)
        else:
            super().save(value, save_persistent_id)


def pickled(value):
    file = io.BytesIO()
    Pickler(file, protocol=2).dump(value)
    return file.getvalue()


def tensor(key="0", size=(2, 3), stride=(3, 1), offset=0, kind="Float", numel=6):
    storage = Storage(kind, key, numel)
    arguments = storage, offset, size, stride, False, collections.OrderedDict()
    return Call("torch._utils _rebuild_tensor_v2", *arguments)


def write_zip(path, value, storages=None, byteorder=b"little", compression=0):
    """Writes what `torch.save` does; `value` may be a finished pickle."""
    if storages is None:
        storages = {"0": np.arange(6, dtype="<f4")}
    with zipfile.ZipFile(path, "w", compression) as archive:
        data = value if isinstance(value, bytes) else pickled(value)
        archive.writestr("archive/data.pkl", data)
        archive.writestr("archive/byteorder", byteorder)
        for key, numbers in storages.items():
            archive.writestr(f"archive/data/{key}", np.asarray(numbers).tobytes())
    return path


def write_legacy(path, value, storages):
    """Writes what `torch.save` did before 1.6."""
    with open(path, "wb") as file:
        for part in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}, value):
            file.write(pickled(part))
        file.write(pickled(list(storages)))
        for numbers in storages.values():
            file.write(struct.pack("<q", len(numbers)) + numbers.tobytes())
    return path


def write_either(path, form, value):
    """Writes a checkpoint whose storage "0" holds six numbers."""
    storages = {"0": np.arange(6, dtype="<f4")}
    return {"zip": write_zip, "legacy": write_legacy}[form](path, value, storages)


def write_safetensors(path, header, data=b""):
    header = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + data)
    return path


def assert_arrays(actual, expected):
    assert actual.keys() == expected.keys()
    for name, value in expected.items():
        assert actual[name].dtype == value.dtype, name
        assert actual[name].shape == value.shape, name
        np.testing.assert_array_equal(actual[name], value, err_msg=name)


SIX = np.arange(6, dtype="float32")
