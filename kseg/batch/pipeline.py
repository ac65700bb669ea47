"""The pipeline of Apache Beam that writes the masks.

https://beam.apache.org/documentation/
"""

import functools
import json
import posixpath
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import apache_beam as beam
from apache_beam.io import fileio
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems
from apache_beam.metrics.metric import Metrics, MetricsFilter
from apache_beam.utils.shared import Shared

from kseg.batch.model import Segmenter
from kseg.batch.naming import ENDINGS, Images, absolute, is_image, mask_name
from kseg.raster import is_large, read_image, write_bands, write_mask

# Below the output: what is not whole yet, and what failed.
_PARTS, _FAILURES = ".parts", "failures.jsonl"
_NAMESPACE = "kseg"


class Counts(NamedTuple):
    """What became of the images.

    Args:
        written: Of how many a mask was written.
        skipped: How many had one.
        failed: How many have none.
    """

    written: int
    skipped: int
    failed: int


class Segment(beam.DoFn):
    """Writes the masks of images that have none; yields those that fail.

    Args:
        model: Path of the model.
        options: Those of `kseg.predict`.
        root: As of `Images`.
        output: The folder for masks.
        shared: A handle: threads of a worker share the model.
    """

    def __init__(
        self, model: str, options: Mapping, root: str, output: str, shared: Shared
    ):
        """Stores the arguments."""
        self._open = functools.partial(Segmenter, model, options)
        self._root, self._output, self._shared = root, output, shared
        names = ("written", "skipped", "failed")
        self._counters = {name: Metrics.counter(_NAMESPACE, name) for name in names}

    def setup(self):
        """Opens the model, once in a worker."""
        self._segmenter = self._shared.acquire(self._open)

    def process(self, image: str) -> Iterator[dict[str, str]]:
        """Writes a mask, if there is none."""
        try:
            name = mask_name(image, self._root)
            if any(FileSystems.exists(f"{self._output}/{name}{x}") for x in ENDINGS):
                self._counters["skipped"].inc()
                return
        except ValueError as error:
            self._counters["failed"].inc()
            yield {"image": image, "reason": str(error)}
            return
        with tempfile.TemporaryDirectory() as scratch:
            try:
                mask = self._predict(image, Path(scratch))
            except Exception as error:  # whatever a broken image leads to
                self._counters["failed"].inc()
                yield {"image": image, "reason": str(error) or type(error).__name__}
                return
            # What cannot be written is no fault of the image: it ends the pipeline.
            put(mask, f"{self._output}/{name}{mask.name}", self._output)
        self._counters["written"].inc()

    def _predict(self, image: str, scratch: Path) -> Path:
        """Returns a file of the class ids of an image, called as masks end."""
        path = _fetch(image, scratch)
        png, tif = (scratch / ending for ending in ENDINGS)
        if is_large(path):
            self._segmenter.write_large(path, str(tif))
            return tif
        ids = self._segmenter(read_image(path))
        labels = self._segmenter.labels
        if labels.num_classes > 256:  # more than a PNG has colours for
            write_bands(tif, [ids], (ids.shape[0], ids.shape[1]), labels)
            return tif
        write_mask(png, ids, labels)
        return png


def run(
    model: str, options: Mapping, images: Images, output: str, beam_options: list[str]
) -> Counts:
    """Runs the pipeline to its end.

    Args:
        model: Path of the model, as all workers see it.
        options: Those of `kseg.predict`.
        images: Where the images are.
        output: The folder for masks: a path, as all workers see it, or a URL.
        beam_options: Such as `["runner=FlinkRunner"]`.

    Returns:
        What became of the images.
    """
    from apache_beam.options.pipeline_options import PipelineOptions

    drop_parts(output)
    pipeline = beam.Pipeline(options=PipelineOptions([f"--{o}" for o in beam_options]))
    segment = Segment(model, options, images.root, output, Shared())
    failures = (
        pipeline
        | "Find" >> _Find(images, output)
        # Each once; and what has been found is spread over the workers.
        | "Once" >> beam.Distinct()
        | "Segment" >> beam.ParDo(segment)
        | "Join" >> beam.combiners.ToList()
    )
    _ = failures | "Note" >> beam.Map(_write_failures, output)
    result = pipeline.run()
    result.wait_until_finish()
    drop_parts(output)
    found = {
        counter.key.metric.name: counter.result
        for counter in result.metrics().query(
            MetricsFilter().with_namespace(_NAMESPACE)
        )["counters"]
    }
    return Counts(*(found.get(name, 0) for name in Counts._fields))


class _Find(beam.PTransform):
    """The paths of the images."""

    def __init__(self, images: Images, output: str):
        """Stores where they are, and where none of them is."""
        super().__init__()
        self._images, self._output = images, output

    def expand(self, begin):
        """Reads the list, or lists the files."""
        if self._images.listed is None:
            return (
                begin
                | fileio.MatchFiles(self._images.pattern)
                | beam.Map(lambda found: found.path)
                | beam.Filter(is_image, self._output)
            )
        folder = posixpath.dirname(self._images.listed)
        return (
            begin
            | beam.io.ReadFromText(self._images.listed)
            | beam.Map(str.strip)
            | beam.Filter(bool)
            | beam.Map(absolute, folder)
        )


def put(file: Path, target: str, output: str) -> None:
    """Copies a file to where it appears whole or not at all.

    Args:
        file: A file on this machine.
        target: A path or a URL below the output.
        output: The output, which keeps what is not whole in a hidden folder.
    """
    part = f"{output}/{_PARTS}/{uuid.uuid4().hex}"
    plain = CompressionTypes.UNCOMPRESSED
    with (
        file.open("rb") as source,
        FileSystems.create(part, compression_type=plain) as copy,
    ):
        shutil.copyfileobj(source, copy)
    folder = posixpath.dirname(target)
    if not FileSystems.exists(folder):
        try:
            FileSystems.mkdirs(folder)
        except OSError:  # another worker was first
            if not FileSystems.exists(folder):
                raise
    FileSystems.rename([part], [target])


def drop_parts(output: str) -> None:
    """Deletes what a run left that was stopped.

    Args:
        output: The output.
    """
    folder = f"{output}/{_PARTS}"
    if FileSystems.exists(folder):  # which object stores do not have
        FileSystems.delete([folder])
    elif left := FileSystems.match([f"{folder}/*"])[0].metadata_list:
        FileSystems.delete([file.path for file in left])


def _fetch(image: str, scratch: Path) -> str:
    """Returns a path of an image on this machine."""
    if FileSystems.get_scheme(image) is None:
        return image
    copy = scratch / posixpath.basename(image)
    plain = CompressionTypes.UNCOMPRESSED
    with (
        FileSystems.open(image, compression_type=plain) as source,
        copy.open("wb") as file,
    ):
        shutil.copyfileobj(source, file)
    return str(copy)


def _write_failures(failures: list[dict[str, str]], output: str) -> None:
    """Writes a line of JSON for each image that failed."""
    lines = sorted(json.dumps(failure) for failure in failures)
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch, "failures")
        file.write_text("".join(f"{line}\n" for line in lines))
        put(file, f"{output}/{_FAILURES}", output)
