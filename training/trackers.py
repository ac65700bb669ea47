"""Trackers: what a run tells TensorBoard, MLflow and Weights & Biases, every epoch.

All are told the same: the experiment, the logged values and the learning rate, the
IoU of every class, the confusion matrix and a few validation images as pictures; and,
when the network is exported, its scores, `metrics.json` and the card.
"""

import importlib.util
import itertools
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
from PIL import Image

from kseg.data import fitted
from kseg.files import write_json
from kseg.inference import predict, side_by_side
from kseg.metrics import MeanIoU
from kseg.optional import import_optional
from kseg.registry import unknown
from kseg.training.average import averaged_weights
from kseg.training.matrix_picture import matrix_picture
from kseg.training.tracker_services import SERVICES, Service

_RESULTS = ("metrics.json", "README.md", "experiment.json", "overlay.png")


def check_trackers(names: Sequence[str] | None) -> list[str]:
    """Returns the names of trackers, once they are known to be right.

    Args:
        names: Of `"tensorboard"`, `"mlflow"` and `"wandb"`; `None` for TensorBoard
            where it is installed.

    Raises:
        ValueError: If one is unknown, or it is no list.
        ImportError: If the package of one is not installed.
    """
    if names is None:
        installed = importlib.util.find_spec("tensorboard") is not None
        return ["tensorboard"] if installed else []
    if isinstance(names, str):
        raise ValueError(
            f"`fit.trackers` must be a list of {list(SERVICES)}. Received: the text "
            f"{names!r}."
        )
    for name in names:
        if name not in SERVICES:
            raise ValueError(unknown("tracker", name, list(SERVICES)))
        import_optional(name, name)
    return list(dict.fromkeys(names))


def make_trackers(
    names: Sequence[str] | None,
    experiment,
    feeds,
    metric: MeanIoU,
    network: keras.Model,
    directory: Path,
    pictures: int = 3,
    every: int = 1,
) -> list[keras.callbacks.Callback]:
    """Makes the callbacks that record a run.

    Nothing is opened before the training begins. A run whose folder has a checkpoint
    goes on where it was recorded before, as `directory/run/trackers.json` says.

    Args:
        names: As in `check_trackers`.
        experiment: What is trained.
        feeds: On what; the pictures are of evenly spaced validation images.
        metric: The metric of the validation pass.
        network: From image to logits, with the layers that are trained; the pictures
            are its predictions.
        directory: The run's folder; event files and offline runs go to `run/` in it.
        pictures: How many validation images are shown; 0 for none.
        every: Epochs from one set of pictures to the next; the last one has them, too.

    Returns:
        One callback, or none without trackers.

    Raises:
        ValueError: As in `check_trackers`, or if a number is out of range.
        ImportError: As in `check_trackers`.
    """
    if pictures < 0 or every < 1:
        raise ValueError(
            "`pictures` must be 0 or more and `every` 1 or more. Received: "
            f"{pictures} and {every}."
        )
    names = check_trackers(names)
    if not names:
        return []
    facts = {
        f"{section}.{key}": value if _is_scalar(value) else json.dumps(value)
        for section, values in experiment.to_dict().items()
        for key, value in values.items()
    }
    shown = itertools.islice(
        fitted(feeds.val, feeds.val_examples.size, pictures or 1), pictures
    )
    labels = feeds.val.labels
    return [Track(names, facts, metric, labels, network, directory, shown, every)]


def log_results(directory: Path, metrics: dict) -> None:
    """Tells the trackers of a run what came out of it; they are closed then.

    Args:
        directory: The run's folder, or that of a training in rounds, whose last
            round is told; nothing is done where there were no trackers.
        metrics: What `metrics.json` holds.
    """
    rounds = sorted(directory.glob("rounds/*/run"), key=lambda p: int(p.parent.name))
    folder = (rounds or [directory / "run"])[-1]
    values = {
        f"result/{key}": value
        for key, value in metrics["validation"].items()
        if isinstance(value, int | float) and not math.isnan(value)
    }
    files = [directory / name for name in _RESULTS if (directory / name).is_file()]

    def finish(name: str, identity: str | None) -> None:
        service = SERVICES[name](folder, _run_name(folder.parent), identity)
        service.finish(values, files)

    told = _Told()
    for name, identity in _identities(folder).items():
        told.tell(name, finish, name, identity)


class Track(keras.callbacks.Callback):
    """Tells trackers about every epoch.

    A tracker that fails during the training is named once, and tried again at the
    next epoch: the training goes on.

    Args:
        names: Of `SERVICES`.
        facts: What the run was asked to do.
        metric: The metric of the validation pass.
        labels: The classes.
        network: From image to logits.
        directory: The run's folder.
        shown: Images and masks, of one size, that pictures are made of.
        every: Epochs from one set of pictures to the next.
    """

    def __init__(self, names, facts, metric, labels, network, directory, shown, every):
        """Stores the arguments."""
        super().__init__()
        self.names = names
        self.facts = facts
        self.metric = metric
        self.labels = labels
        self.network = network
        self.directory = directory
        self.shown = shown
        self.every = every
        self.services: dict[str, Service] = {}
        self._told = _Told()

    def on_train_begin(self, logs=None):
        """Opens the trackers, and tells them the experiment.

        Raises:
            RuntimeError: If one does not open; the training has not begun.
        """
        folder = self.directory / "run"
        folder.mkdir(parents=True, exist_ok=True)
        goes_on = (folder / "state.json").exists()
        known = _identities(folder) if goes_on else {}
        for name in self.names:
            try:
                service = SERVICES[name](
                    folder, _run_name(self.directory), known.get(name)
                )
                service.describe(self.facts)
            except Exception as error:
                raise RuntimeError(
                    f"The tracker {name!r} must open before the training begins. "
                    f"Received: {type(error).__name__}: {error}. Its environment "
                    "variables say where it records; fit.trackers leaves it out."
                ) from error
            self.services[name] = service
        identities = {name: s.identity for name, s in self.services.items()}
        write_json(folder / "trackers.json", {**known, **identities})

    def on_epoch_end(self, epoch, logs=None):
        """Records the epoch."""
        values = {key: float(value) for key, value in (logs or {}).items()}
        rate = self.model.optimizer.learning_rate
        values["learning_rate"] = float(keras.ops.convert_to_numpy(rate))
        for name, iou in zip(self.labels.names, self.metric.class_iou(), strict=True):
            values[f"class_iou/{name}"] = float(iou)
        values = {key: value for key, value in values.items() if math.isfinite(value)}
        last = epoch + 1 == self.params.get("epochs")
        pictures = self._pictures() if last or (epoch + 1) % self.every == 0 else {}
        for name, service in self.services.items():
            self._told.tell(name, service.log, values, pictures, epoch + 1)

    def on_train_end(self, logs=None):
        """Closes what can be opened again for the results."""
        for name, service in self.services.items():
            self._told.tell(name, service.pause)

    def _pictures(self) -> dict[str, Image.Image]:
        """Returns the confusion matrix, and the images with masks and predictions."""
        matrix = matrix_picture(self.metric.confusion_matrix(), self.labels.names)
        pictures = {"confusion_matrix": matrix}
        self.shown = list(self.shown)
        if self.shown:
            with averaged_weights(self.model):  # as in validation
                rows = [(x, mask, predict(self.network, x)) for x, mask in self.shown]
            pictures["overlay"] = side_by_side(rows, self.labels)
        return pictures


class _Told:
    """Tells trackers, and says once of each that it failed."""

    def __init__(self):
        self._failed: set[str] = set()

    def tell(self, name: str, action: Callable, *arguments) -> None:
        """Calls something that may fail in any way, as what needs a network does."""
        try:
            action(*arguments)
        except Exception as error:
            if name not in self._failed:
                self._failed.add(name)
                print(
                    f"The tracker {name!r} failed ({type(error).__name__}: {error}). "
                    "The run goes on; further failures of it are not shown."
                )


def _identities(folder: Path) -> dict[str, str | None]:
    """Returns the trackers of a run and what each calls it."""
    path = folder / "trackers.json"
    return json.loads(path.read_text()) if path.exists() else {}


def _run_name(directory: Path) -> str:
    """Returns what to call a run: its folder, and the round if it has those."""
    directory = directory.resolve()
    if directory.parent.name == "rounds":
        return f"{directory.parent.parent.name} round {directory.name}"
    return directory.name


def _is_scalar(value: object) -> bool:
    return value is None or isinstance(value, str | int | float)
