"""What happens at the end of a batch or an epoch of a run."""

import csv
import json
import math
from pathlib import Path

import keras
import numpy as np

from kseg.files import whole_file, write_json
from kseg.labels import Labels
from kseg.metrics import MeanIoU


class StopOnNaN(keras.callbacks.Callback):
    """Stops with an error as soon as the loss is not a number."""

    def on_train_batch_end(self, batch, logs=None):
        """Raises if the loss is not finite."""
        loss = float((logs or {}).get("loss", 0.0))
        if not math.isfinite(loss):
            rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
            raise FloatingPointError(
                f"The loss must stay finite. Received: {loss} at batch {batch + 1} of "
                f"this epoch, at learning rate {rate:.3g}. The last good epoch is "
                "kept and --resume starts from it; lower optimizer.learning_rate, "
                "set optimizer.clip_norm, or train in float32."
            )


class ClassScores(keras.callbacks.Callback):
    """Prints the IoU of every class after each epoch, and writes it to a table.

    When the network has collapsed to one class, it says so, which and since when.

    Args:
        metric: The metric of the validation pass.
        labels: Names of the classes.
        path: CSV file that gets a row per epoch.
    """

    def __init__(self, metric: MeanIoU, labels: Labels, path: Path):
        """Stores the arguments."""
        super().__init__()
        self.metric = metric
        self.labels = labels
        self.path = path
        self.collapsed: int | None = None
        self.since = 0

    def on_epoch_end(self, epoch, logs=None):
        """Prints and writes the scores of the validation pass."""
        self.metric.check()
        matrix = self.metric.confusion_matrix()
        scores = self.metric.class_iou()
        print(
            "IoU %: "
            + " · ".join(
                f"{name} {100 * score:.1f}"
                for name, score in zip(self.labels.names, scores, strict=True)
            )
        )
        self._warn_of_collapse(epoch, matrix)
        _append_row(self.path, epoch, dict(zip(self.labels.names, scores, strict=True)))

    def _warn_of_collapse(self, epoch: int, matrix: np.ndarray) -> None:
        """Prints what a network that calls nearly all one class needs, if it does."""
        collapsed = collapsed_class(matrix)
        if collapsed != self.collapsed:
            self.collapsed, self.since = collapsed, epoch + 1
        if collapsed is None:
            return
        pixels = matrix.sum()
        print(
            f"Collapsed since epoch {self.since}: "
            f"{matrix[:, collapsed].sum() / pixels:.1%} of the validation pixels are "
            f"called {self.labels.names[collapsed]!r}, which "
            f"{matrix[collapsed].sum() / pixels:.1%} are. If that stays so, look at "
            "the masks (`kseg check`) and lower optimizer.learning_rate; against rare "
            "classes that are never predicted, set loss.class_weights="
            "median_frequency, add a 'dice' term to the loss, or set "
            "data.rare_classes=0.33."
        )


def collapsed_class(matrix: np.ndarray) -> int | None:
    """Returns the class that a network calls nearly everything.

    Args:
        matrix: Pixels by true and predicted class, integers `(classes, classes)`.

    Returns:
        The class that 99 % or more of the pixels are called, if less than 1 % of the
        pixels of all other classes are right; `None` if there is none, or the masks
        hold one class only.
    """
    called = int(matrix.sum(axis=0).argmax())
    others = matrix.sum() - matrix[called].sum()
    right = np.trace(matrix) - matrix[called, called]
    nearly_all = matrix[:, called].sum() >= 0.99 * matrix.sum()
    return called if nearly_all and right < 0.01 * others else None


class Log(keras.callbacks.Callback):
    """Writes the logged values of every epoch to a table.

    Keras's `CSVLogger` keeps its file open when a run ends by an error.

    Args:
        path: CSV file that gets a row per epoch.
    """

    def __init__(self, path: Path):
        """Stores the path."""
        super().__init__()
        self.path = path

    def on_epoch_end(self, epoch, logs=None):
        """Appends the row of the epoch."""
        _append_row(self.path, epoch, logs or {})


class EpochSeeds(keras.callbacks.Callback):
    """Seeds dropout anew at every epoch, from the run's seed and the epoch.

    Checkpoints do not hold the state of dropout's random numbers; so a resumed
    run draws the same as one that was not interrupted.

    Args:
        seed: The run's seed.
    """

    def __init__(self, seed: int):
        """Stores the seed."""
        super().__init__()
        self.seed = seed

    def on_epoch_begin(self, epoch, logs=None):
        """Sets the state of every layer that draws random numbers."""
        for position, layer in enumerate(self.model.layers):
            generator = getattr(layer, "seed_generator", None)
            if generator is not None:
                draw = np.random.default_rng((self.seed, epoch, position))
                generator.state.assign([draw.integers(2**31), 0])


class Checkpoints(keras.callbacks.Callback):
    """Keeps the last and the best state of a run, so that it can go on.

    Files appear only when they are whole. `state.json` names them and is written
    last; a run that is stopped at any moment finds the last whole epoch.

    Args:
        directory: Where the files go.
        monitor: The logged score that `best` is judged by; higher is better.
    """

    def __init__(self, directory: Path, monitor: str):
        """Stores the arguments."""
        super().__init__()
        self.directory = directory
        self.monitor = monitor
        self.state = read_state(directory)

    def on_epoch_end(self, epoch, logs=None):
        """Saves the epoch, and what it replaces is deleted."""
        score = float((logs or {})[self.monitor])
        state = {
            "epochs": epoch + 1,
            "last": f"last-{epoch + 1}.weights.h5",
            "best": self.state.get("best"),
            "best_epoch": self.state.get("best_epoch"),
            "best_score": self.state.get("best_score"),
            "monitor": self.monitor,
        }
        self._save(state["last"])
        if state["best"] is None or score > state["best_score"]:
            state["best"] = f"best-{epoch + 1}.weights.h5"
            state["best_epoch"], state["best_score"] = epoch + 1, score
            self._save(state["best"])
        write_json(self.directory / "state.json", state)
        self.state = state
        for file in self.directory.glob("*.weights.h5"):
            if file.name not in (state["last"], state["best"]):
                file.unlink()

    def _save(self, name: str) -> None:
        with whole_file(self.directory / name) as temporary:
            self.model.save_weights(temporary)


def _append_row(path: Path, epoch: int, values: dict) -> None:
    """Appends a row to a CSV file, and the header to a new one."""
    new = not path.exists()
    with open(path, "a", newline="") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(["epoch", *values])
        writer.writerow([epoch + 1, *(f"{value:.6g}" for value in values.values())])


def read_state(directory: Path) -> dict:
    """Returns what `Checkpoints` wrote about a run, or an empty dictionary."""
    path = directory / "state.json"
    return json.loads(path.read_text()) if path.exists() else {}
