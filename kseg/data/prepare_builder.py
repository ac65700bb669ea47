"""Any sources as a TFDS data set: encoded pictures in sharded files of records.

On one machine the shards are written one after another as the examples are read, so
that neither memory nor disk holds more than a shard twice; TensorFlow is imported only
for TFRecord. With options of Apache Beam a pipeline reads and writes in parallel. Both
ways give the same examples in the same order.
"""

import functools
import io
import math
import pickle
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image, UnidentifiedImageError

from kseg.data.images import check_ids
from kseg.data.sources import Source, check_pair, image_file
from kseg.raster import check_image

# About what a shard holds: enough to be read in one go, little enough for memory.
SHARD_BYTES = 2**28
# Examples that a worker of Beam reads at a time.
_BLOCK = 16
# Pictures that decode to the same pixels everywhere.
_KEPT = {("JPEG", "L"), ("JPEG", "RGB"), ("PNG", "L"), ("PNG", "RGB")}


class KsegPrepared(tfds.core.ShardBasedBuilder, tfds.core.GeneratorBasedBuilder):
    """The examples of sources, a split for each.

    Args:
        sources: Name of a split to its examples, all of the same classes.
        num_shards: Files of each split; `None` for a number by their size.
        pickled: A file of the pickled sources, for workers of Beam; `None` for one
            process without Beam, which calls `progress` after every example.
        progress: Called without arguments.
        **options: Arguments of TFDS's builders.
    """

    VERSION = tfds.core.Version("1.0.0")

    def __init__(
        self,
        sources: Mapping[str, Source],
        num_shards: int | None = None,
        pickled: Path | None = None,
        progress: Callable[[], object] = lambda: None,
        **options,
    ):
        """Keeps the sources."""
        self._sources = sources
        self._num_shards = num_shards
        self._pickled = pickled
        self._progress = progress
        super().__init__(**options)

    def _info(self) -> tfds.core.DatasetInfo:
        """Returns the features."""
        labels = next(iter(self._sources.values())).labels
        picture = tfds.features.Image
        features = {
            "image": picture(shape=(None, None, 3)),
            "segmentation_mask": picture(
                shape=(None, None, 1),
                dtype=np.dtype(labels.mask_dtype),
                encoding_format="png",
            ),
            "name": tfds.features.Text(),
            "index": tfds.features.Scalar(np.int64),
        }
        return tfds.core.DatasetInfo(
            builder=self,
            description=(
                f"Images and masks of class ids. Classes: {', '.join(labels.names)}; "
                f"{labels.ignore_class} is void."
            ),
            features=tfds.features.FeaturesDict(features),
            disable_shuffling=True,
        )

    def _download_and_prepare(self, dl_manager, download_config) -> None:
        """Writes shard by shard, or through Beam."""
        kind = tfds.core.ShardBasedBuilder
        if self._pickled is not None:
            kind = tfds.core.GeneratorBasedBuilder
        kind._download_and_prepare(self, dl_manager, download_config)

    def _shard_iterators_per_split(self, dl_manager) -> dict:
        """Returns what generates each shard of each split."""
        found = {}
        for split, source in self._sources.items():
            count = len(source)
            shards = min(self._num_shards or _shards_of(source, split), count)
            ends = [count * i // shards for i in range(shards + 1)]
            found[split] = [
                functools.partial(self._shard, split, range(*pair))
                for pair in zip(ends[:-1], ends[1:], strict=True)
            ]
        return found

    def _shard(self, split: str, indices: range) -> Iterator[tuple[int, dict]]:
        """Yields the examples of a shard."""
        for index in indices:
            yield index, read_record(self._sources[split], split, index)
            self._progress()

    def _split_generators(self, dl_manager) -> dict:
        """Returns the pipelines of the splits."""
        return {split: self._generate_examples(split) for split in self._sources}

    def _generate_examples(self, split: str):
        """Returns a transform that makes the examples of a split."""
        import apache_beam as beam

        read = functools.partial(_read_block, str(self._pickled), split)
        starts = beam.Create(range(0, len(self._sources[split]), _BLOCK))
        return starts | f"Read({split})" >> beam.FlatMap(read)


def read_record(source: Source, split: str, index: int) -> dict:
    """Reads an example and encodes it.

    Args:
        source: The examples.
        split: What the error calls them.
        index: Which one.

    Returns:
        The features of a record, pictures as bytes. An image that is a JPEG or PNG file
        keeps the file's bytes if they decode to what the source returns; any other is
        encoded as PNG.

    Raises:
        ValueError: If the example cannot be read, or is not what a source returns.
    """
    try:
        image, mask = source[index]
        name = source.name(index)
        check_image(image)
        check_pair(image, mask, "an image", "its mask")
        check_ids(mask, source.labels, "its mask")
        kept = _file_bytes(source, index, image)
    except Exception as error:
        raise ValueError(
            "Every example must be whole. Received: "
            f"{_name(source, index)}, example {index} of {split}, of which reading "
            f"says: {str(error).removesuffix('.')}. Mend or delete it, and begin again."
        ) from error
    return {
        "image": _png(image) if kept is None else kept,
        "segmentation_mask": _png(mask.astype(source.labels.mask_dtype)),
        "name": name,
        "index": index,
    }


def _name(source: Source, index: int) -> str:
    """Returns the name of an example that may have none."""
    try:
        return repr(source.name(index))
    except Exception:
        return "one without a name"


def _file_bytes(source: Source, index: int, image: np.ndarray) -> bytes | None:
    """Returns the bytes of an image's file if anyone would decode them to the image."""
    file = image_file(source, index)
    if file is None:
        return None
    data = file.read_bytes()
    try:
        with Image.open(io.BytesIO(data)) as picture:
            # The pixels as stored: those of a turned or a 16-bit picture differ.
            if (picture.format, picture.mode) not in _KEPT:
                return None
            same = np.array_equal(np.asarray(picture.convert("RGB")), image)
    except UnidentifiedImageError:  # another package has read it
        return None
    return data if same else None


def _png(pixels: np.ndarray) -> bytes:
    """Returns an array as PNG, because TFDS encodes arrays with TensorFlow."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG")
    return file.getvalue()


def _shards_of(source: Source, split: str) -> int:
    """Returns how many shards examples fill, by some of them."""
    count = len(source)
    some = range(0, count, -(-count // 8))
    sizes = [
        sum(len(record[key]) for key in ("image", "segmentation_mask"))
        for record in (read_record(source, split, index) for index in some)
    ]
    return math.ceil(np.mean(sizes) * count / SHARD_BYTES)


@functools.lru_cache(maxsize=2)
def _unpickled(file: str) -> dict[str, Source]:
    """Returns the sources of a pipeline, once in a worker."""
    return pickle.loads(Path(file).read_bytes())


def _read_block(file: str, split: str, start: int) -> Iterator[tuple[int, dict]]:
    """Yields some examples of a pipeline."""
    source = _unpickled(file)[split]
    for index in range(start, min(start + _BLOCK, len(source))):
        yield index, read_record(source, split, index)
