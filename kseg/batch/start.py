"""A batch from its arguments to what became of its images."""

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kseg.batch.model import Segmenter, digest, find_model
from kseg.batch.naming import absolute, find_images
from kseg.optional import import_optional

# Says in a folder of masks which model they are of, and with which options.
_RECORD = "predicted_by.json"


def predict_batch(
    model: str,
    images: str,
    output: str,
    root: str | None = None,
    options: Mapping[str, Any] | None = None,
    beam_options: Sequence[str] = (),
):
    """Writes the masks of images that have none, by a pipeline of Apache Beam.

    A mask is `<output>/<place below the root>/<name of the image>_mask.png`, a palette
    PNG of class ids, or `_mask.tif` for images that are read by windows and for more
    than 256 classes. It appears when it is whole, and is then never made again: a run
    that was stopped goes on where it was. `failures.jsonl` names the images that the
    last run could not segment, and why; `labels.json` says what the ids mean.

    Args:
        model: As of `kseg predict`; all workers see its file under the same path.
        images: A folder, a pattern or a `.txt` file; see `kseg.batch.naming`.
        output: The folder for masks, on a disk or a URL. One run at a time.
        root: The folder below which masks keep their images' places.
        options: Those of `kseg.predict`.
        beam_options: Such as `["runner=FlinkRunner"]`; empty for this machine.

    Returns:
        The numbers `written`, `skipped` and `failed`.

    Raises:
        ImportError: If Beam is not installed.
        OSError: If the pipeline fails.
        ValueError: If there is no image, an argument is not as above, or the output
            has masks of another model or of other options.
    """
    import_optional("apache_beam", "beam")
    from kseg.batch import pipeline

    options = dict(options or {})
    output = absolute(output, os.getcwd())
    found, path = find_images(images, root), find_model(model)
    labels = Segmenter(path, options).labels
    record = {"file": Path(path).name, "sha256": digest(path), "options": options}
    _claim(output, record)
    _put_json({**labels.to_dict()}, f"{output}/labels.json", output)
    try:
        counts = pipeline.run(path, options, found, output, list(beam_options))
    except Exception as error:  # of Beam, a runner or a worker
        raise OSError(
            f"The pipeline must run to its end. Received: {error}. What is whole is "
            f"kept in {output}; mend the cause, and begin again."
        ) from error
    if not sum(counts):
        raise ValueError(f"There must be an image. Received: {images!r}, without one.")
    return counts


def _claim(output: str, ours: dict) -> None:
    """Notes whose masks a folder has, or raises if they are another's."""
    from apache_beam.io.filesystems import FileSystems

    record = f"{output}/{_RECORD}"
    ours = json.loads(json.dumps(ours))
    if not FileSystems.exists(record):
        _put_json(ours, record, output)
        return
    with FileSystems.open(record) as file:
        theirs = json.loads(file.read())
    if theirs != ours:
        raise ValueError(
            "A folder must hold the masks of one model with the same options. "
            f"Received: {output} with those of {theirs}, and now {ours}. Name another "
            "folder, or delete that one."
        )


def _put_json(value: dict, target: str, output: str) -> None:
    """Writes JSON that appears whole."""
    from kseg.batch.pipeline import put

    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch, "value")
        file.write_text(json.dumps(value, indent=2) + "\n")
        put(file, target, output)
