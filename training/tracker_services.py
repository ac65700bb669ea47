"""TensorBoard, MLflow and Weights & Biases, seen as one: where a run is recorded.

Each is opened with the folder of the run's files, a name for the run and, for one
that goes on, the identity that it had. What they need besides (servers, projects,
accounts, being offline) is said by their own environment variables.
"""

import io
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from PIL import Image

from kseg.optional import import_optional


class Service(Protocol):
    """What a run is told to."""

    identity: str | None

    def describe(self, facts: Mapping[str, Any]) -> None:
        """Records what the run was asked to do, such as `fit.epochs`."""
        ...

    def log(
        self,
        values: Mapping[str, float],
        pictures: Mapping[str, Image.Image],
        step: int,
    ) -> None:
        """Records an epoch, counted from 1."""
        ...

    def pause(self) -> None:
        """Ends the training; the results may follow."""
        ...

    def finish(self, values: Mapping[str, float], files: Sequence[Path]) -> None:
        """Records the scores of the trained network and the files that tell more."""
        ...


class TensorBoard:
    """Event files, written by the package `tensorboard`, without TensorFlow's help.

    As Keras does it, training and validation are two runs of the same tags.
    """

    def __init__(self, directory: Path, name: str, identity: str | None):
        """Opens nothing yet: `directory/tensorboard` gets a file at the first event."""
        import_optional("tensorboard.summary.writer.event_file_writer", "tensorboard")
        self.identity: str | None = None
        self._directory = directory / "tensorboard"
        self._writers: dict[str, Any] = {}
        self._started: set[str] = set()

    def describe(self, facts: Mapping[str, Any]) -> None:
        """Writes a table, as text."""
        rows = [f"| {key} | {value} |" for key, value in facts.items()]
        self._text("experiment", "\n".join(["| key | value |", "|---|---|", *rows]))

    def log(self, values, pictures, step):
        """Writes scalars and pictures."""
        for tag, value in values.items():
            run = "validation" if tag.startswith(("val_", "class_iou")) else "train"
            self._write(run, step, tag=tag.removeprefix("val_"), simple_value=value)
        for tag, picture in pictures.items():
            data = io.BytesIO()
            picture.save(data, "PNG")
            image = {
                "height": picture.height,
                "width": picture.width,
                "colorspace": 3,  # RGB
                "encoded_image_string": data.getvalue(),
            }
            self._write("validation", step, tag=tag, image=image)
        for writer in self._writers.values():
            writer.flush()

    def pause(self):
        """Closes the files."""
        for writer in self._writers.values():
            writer.close()
        self._writers = {}

    def finish(self, values, files):
        """Writes what the card says."""
        for file in files:
            if file.suffix == ".md":
                self._text(file.stem, file.read_text())
        self.pause()

    def _text(self, tag: str, text: str) -> None:
        metadata = {"plugin_data": {"plugin_name": "text"}}
        tensor = {
            "dtype": "DT_STRING",
            "string_val": [text.encode()],
            "tensor_shape": {"dim": [{"size": 1}]},
        }
        self._write("validation", None, tag=tag, tensor=tensor, metadata=metadata)

    def _write(self, run: str, step: int | None, **value) -> None:
        """Adds an event to a run."""
        from tensorboard.compat.proto import event_pb2, summary_pb2
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        if run not in self._writers:
            self._writers[run] = EventFileWriter(str(self._directory / run))
        writer = self._writers[run]
        if step is not None and run not in self._started:
            # Epochs that an earlier file has from here on were lost: drop them.
            start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
            event = event_pb2.Event(wall_time=time.time(), step=step, session_log=start)
            writer.add_event(event)
            self._started.add(run)
        summary = summary_pb2.Summary(value=[summary_pb2.Summary.Value(**value)])
        event = event_pb2.Event(wall_time=time.time(), step=step or 0, summary=summary)
        writer.add_event(event)


class MLflow:
    """A run of MLflow: `MLFLOW_TRACKING_URI` says where, or a file `mlflow.db` here.

    https://mlflow.org/docs/latest/ml/tracking/
    """

    def __init__(self, directory: Path, name: str, identity: str | None):
        """Begins a run, or goes on with one; a run that is active stays around it."""
        self._mlflow = import_optional("mlflow", "mlflow")
        self._new = identity is None
        run = self._mlflow.start_run(
            run_id=identity,
            run_name=name if self._new else None,
            nested=self._mlflow.active_run() is not None,
        )
        self.identity: str | None = run.info.run_id

    def describe(self, facts: Mapping[str, Any]) -> None:
        """Writes parameters; of a run that goes on those that differ become tags."""
        known = {}
        if not self._new:  # parameters cannot be changed
            known = self._mlflow.get_run(self.identity).data.params
        self._mlflow.log_params({k: v for k, v in facts.items() if k not in known})
        changed = {k: v for k, v in facts.items() if str(v) != known.get(k, str(v))}
        self._mlflow.set_tags({f"resumed.{key}": v for key, v in changed.items()})

    def log(self, values, pictures, step):
        """Writes metrics and pictures."""
        self._mlflow.log_metrics(_allowed(values), step=step)
        for key, picture in pictures.items():
            self._mlflow.log_image(picture, key=key, step=step, synchronous=True)

    def pause(self):
        """Ends the run; `finish` opens it again."""
        self._mlflow.end_run()

    def finish(self, values, files):
        """Writes metrics and artifacts, and ends the run."""
        self._mlflow.log_metrics(_allowed(values))
        for file in files:
            self._mlflow.log_artifact(str(file))
        self._mlflow.end_run()


class WeightsAndBiases:
    """A run of Weights & Biases: `WANDB_PROJECT` and `WANDB_MODE` say where and how.

    https://docs.wandb.ai/models/ref/python
    """

    def __init__(self, directory: Path, name: str, identity: str | None):
        """Begins a run, or goes on with one."""
        self._wandb = import_optional("wandb", "wandb")
        open_run = self._wandb.run
        if identity is not None and open_run is not None and open_run.id == identity:
            self._run = open_run
        else:
            self._run = self._wandb.init(
                id=identity,
                resume=None if identity is None else "allow",
                name=name,
                dir=os.environ.get("WANDB_DIR", str(directory)),
                reinit="finish_previous",
            )
        self.identity: str | None = self._run.id

    def describe(self, facts: Mapping[str, Any]) -> None:
        """Writes the configuration."""
        self._run.config.update(dict(facts), allow_val_change=True)

    def log(self, values, pictures, step):
        """Writes metrics and pictures."""
        images = {key: self._wandb.Image(picture) for key, picture in pictures.items()}
        self._run.log({**values, **images}, step=step)

    def pause(self):
        """Leaves the run open: offline, each opening would be a run to upload."""

    def finish(self, values, files):
        """Writes the summary and an artifact, and ends the run."""
        self._run.summary.update(dict(values))
        artifact = self._wandb.Artifact(f"results-{self.identity}", type="results")
        for file in files:
            artifact.add_file(str(file))
        self._run.log_artifact(artifact)
        self._run.finish()


SERVICES: dict[str, Callable[[Path, str, str | None], Service]] = {
    "mlflow": MLflow,
    "tensorboard": TensorBoard,
    "wandb": WeightsAndBiases,
}


def _allowed(values: Mapping[str, float]) -> dict[str, float]:
    """Returns values under names that MLflow takes: class names may be any text."""
    return {re.sub(r"[^\w\-. /]", "_", key): value for key, value in values.items()}
