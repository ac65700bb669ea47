"""Any data set converted to files of records, which `prepared` opens.

Thousands of small files become a few large ones that are copied and read in one go.
What is written is a data set of TensorFlow Datasets: `kseg` reads its ArrayRecord
files, and other programs what `tensorflow_datasets.builder_from_directory` opens.
"""

import contextlib
import os
import pickle
import re
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import tqdm

from kseg.data.sources import Source
from kseg.download import locked
from kseg.files import write_json
from kseg.optional import import_optional

FORMATS = ("array_record", "tfrecord")


class Written(NamedTuple):
    """What a split takes.

    Args:
        examples: Number of examples.
        files: Number of files.
        size: Bytes of the files together.
    """

    examples: int
    files: int
    size: int


def prepare(
    sources: Mapping[str, Source],
    path: str | os.PathLike[str],
    file_format: str = "array_record",
    num_shards: int | None = None,
    beam_options: Sequence[str] | None = None,
) -> dict[str, Written]:
    """Converts data sets to files of records.

    Examples keep their order and names. Images that are JPEG or PNG files keep their
    bytes where these decode to the same pixels everywhere (8 bits, upright, no
    transparency); others become PNG. Masks are grey PNGs of class ids, of 8 or 16 bits.

    Args:
        sources: Name of a split to its examples; all of the same classes.
        path: The folder to make. It appears when it is whole: what is half-written
            lies beside it, in a hidden folder that ends in `.part`.
        file_format: `"array_record"`, which kseg reads, or `"tfrecord"`, for
            `tf.data` elsewhere.
        num_shards: Files of each split, at most one an example; `None` for files of
            about 256 MB.
        beam_options: For a pipeline of Apache Beam, its options such as
            `["runner=DataflowRunner"]`; `[]` runs it here. Sources must pickle, and
            all workers see the folder and the sources' files under the same paths.
            `None` for this process alone.

    Returns:
        What each split takes.

    Raises:
        FileExistsError: If the folder holds something.
        ImportError: If TFDS, or Beam, is not installed.
        OSError: If the files cannot be written, or another process prepares the same
            folder.
        ValueError: If there is no split, a split is empty, has a name that TFDS does
            not take or other classes than the first, the folder is a URL, another
            argument is out of range, or an example cannot be read.
    """
    _check(sources, file_format, num_shards)
    if "://" in os.fspath(path):
        raise ValueError(
            "The folder must be on a disk that is mounted, as ArrayRecord wants it. "
            f"Received: {os.fspath(path)!r}. Mount it, or copy the folder afterwards."
        )
    path = Path(path).absolute()
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise FileExistsError(
            f"The folder must be new or empty. Received: {path}, which holds "
            "something. Delete it, or name another."
        )
    import_optional("tensorflow_datasets", extra="tensorflow")
    part = path.with_name(f".{path.name}.part")
    with locked(path, wait=False), _emptied(part) as temporary:
        made = _build(temporary, sources, file_format, num_shards, beam_options)
        labels = next(iter(sources.values())).labels
        write_json(made / "labels.json", labels.to_dict())
        written = {split: _measure(made, split, sources[split]) for split in sources}
        made.rename(path)
    return written


def _check(sources, file_format, num_shards) -> None:
    """Raises as `prepare` describes."""
    if file_format not in FORMATS:
        raise ValueError(
            f"`file_format` must be one of {FORMATS}. Received: {file_format!r}."
        )
    if num_shards is not None and num_shards < 1:
        raise ValueError(f"`num_shards` must be 1 or more. Received: {num_shards}.")
    if not sources:
        raise ValueError("There must be a split or more. Received: no source.")
    labels = next(iter(sources.values())).labels
    for split, source in sources.items():
        if not re.fullmatch(r"\w+", split, re.ASCII) or split.lower() == "all":
            raise ValueError(
                "The name of a split must be of letters, digits and _, and not 'all'. "
                f"Received: {split!r}."
            )
        if len(source) == 0:
            raise ValueError(
                f"A split must have one example or more. Received: {split!r}, empty."
            )
        if source.labels != labels:
            raise ValueError(
                "All splits must have the same classes. Received: "
                f"{source.labels} in {split!r} and {labels} in the first."
            )


def _build(temporary, sources, file_format, num_shards, beam_options) -> Path:
    """Lets TFDS make the data set, and returns its folder."""
    import tensorflow_datasets as tfds

    from kseg.data.prepare_builder import KsegPrepared

    config = tfds.download.DownloadConfig(num_shards=num_shards)
    pickled = None
    if beam_options is not None:
        options = import_optional("apache_beam.options.pipeline_options", extra="beam")
        config.beam_options = options.PipelineOptions([f"--{o}" for o in beam_options])
        # In a file, because runners limit the size of a pipeline; under a name of its
        # own, because workers keep what they read.
        pickled = temporary / f"{uuid.uuid4().hex}.pickle"
        pickled.write_bytes(pickle.dumps(dict(sources)))
    count = sum(len(source) for source in sources.values())
    with tqdm.tqdm(total=count, desc="prepare", disable=pickled is not None) as bar:
        builder = KsegPrepared(
            sources,
            num_shards,
            pickled,
            bar.update,
            data_dir=os.fspath(temporary),
            file_format=file_format,
        )
        try:
            with contextlib.redirect_stdout(None):  # which TFDS tells its paths
                builder.download_and_prepare(download_config=config)
        except (ImportError, OSError, ValueError):
            raise
        except Exception as error:  # of TensorFlow, ArrayRecord or Beam
            raise OSError(
                f"The records must be written whole. Received: {error}. Nothing is "
                "left of them; mend the cause, and begin again."
            ) from error
    return Path(builder.data_dir)


def _measure(folder: Path, split: str, source: Source) -> Written:
    """Returns what a split takes."""
    files = list(folder.glob(f"*-{split}.*-of-*"))
    return Written(len(source), len(files), sum(f.stat().st_size for f in files))


@contextlib.contextmanager
def _emptied(folder: Path) -> Iterator[Path]:
    """Gives a temporary folder, without what a process left that was killed."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
