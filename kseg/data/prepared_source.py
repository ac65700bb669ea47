"""A data set that `kseg prepare` made, as a source."""

import dataclasses
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from kseg.labels import Labels
from kseg.optional import import_optional


def prepared(split: str, path: str | Path) -> "PreparedSource":
    """Opens a folder that `kseg.data.prepare` made.

    Args:
        split: One that it has, or a part of one such as `"train[:80%]"`.
        path: The folder, of ArrayRecord files.

    Returns:
        The examples of the split, read by random access.

    Raises:
        FileNotFoundError: If the folder is not there, or not of `prepare`.
        ImportError: If TensorFlow Datasets or ArrayRecord is not installed.
        ValueError: If there is no such split, or the files are TFRecords.
    """
    path = Path(path)
    for name in ("dataset_info.json", "labels.json"):
        if not (path / name).is_file():
            raise FileNotFoundError(
                "`path` must be a folder that `kseg prepare` made. Received: "
                f"{path}, without {name}."
            )
    tfds = import_optional("tensorflow_datasets", extra="tensorflow")
    builder = tfds.builder_from_directory(path)
    if builder.info.file_format.value != "array_record":
        raise ValueError(
            "kseg reads examples in any order, which ArrayRecord files can. Received: "
            f"{path}, of {builder.info.file_format.value}. Prepare it with "
            "`--format array_record`."
        )
    raw = dict.fromkeys(("image", "segmentation_mask"), tfds.decode.SkipDecoding())
    try:
        records = builder.as_data_source(split=split, decoders=raw)
    except (KeyError, ValueError) as error:
        raise ValueError(
            f"{path} must have the split. Received: {split!r}; it has "
            f"{sorted(builder.info.splits)}."
        ) from error
    labels = Labels.from_dict(json.loads((path / "labels.json").read_text()))
    return PreparedSource(records, labels, f"{split} of {path}")


@dataclasses.dataclass(frozen=True)
class PreparedSource:
    """Examples in files of records.

    Args:
        records: Dictionaries of `"image"` and `"segmentation_mask"`, the bytes of
            pictures, and `"name"`.
        labels: The classes.
        where: What errors call the records.
    """

    records: Sequence[Mapping]
    labels: Labels
    where: str

    def __len__(self) -> int:
        """Returns the number of examples."""
        return len(self.records)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Reads an example.

        Raises:
            ValueError: If the record is broken.
        """
        record = self._record(index)
        image = _decoded(record["image"]).convert("RGB")
        return np.asarray(image), self._ids(record)

    def mask(self, index: int) -> np.ndarray:
        """Reads a mask alone."""
        return self._ids(self._record(index))

    def name(self, index: int) -> str:
        """Returns what the original called an example."""
        return self._record(index)["name"].decode()

    def _record(self, index: int) -> Mapping:
        try:
            return self.records[index]
        except (ArithmeticError, LookupError, RuntimeError, ValueError) as error:
            raise ValueError(
                f"A record must be whole. Received: record {index} in {self.where}, of "
                f"which reading says: {error}."
            ) from error

    def _ids(self, record: Mapping) -> np.ndarray:
        mask = np.asarray(_decoded(record["segmentation_mask"]))
        return mask.astype(self.labels.mask_dtype, copy=False)


def _decoded(data: bytes) -> Image.Image:
    """Decodes a picture of a record, which is upright and has no 16-bit colours."""
    return Image.open(io.BytesIO(data))
