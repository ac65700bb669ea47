"""Checkpoints from which a run goes on as if it had never stopped.

A checkpoint is one file with everything that the next step depends on: weights and
the state of random numbers, the optimizer's variables with the moving average of the
weights, the metrics so far, the position in the data, and what is known of earlier
epochs. It appears whole or not at all, and the one before it is kept.
"""

import csv
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import keras
import numpy as np

from kseg.files import whole_file, write_json
from kseg.metrics import MeanIoU
from kseg.training.average import averaged_weights
from kseg.training.callbacks import collapsed_class
from kseg.training.devices import on_one_host, writes

_NEW = {
    "epochs": 0,
    "step": 0,
    "best": None,
    "best_epoch": None,
    "best_score": None,
    "history": [],
}
# What `state.json` leaves out.
_TRANSIENT = ("checkpoint", "history", "metrics")


class Checkpoints(keras.callbacks.Callback):
    """Writes a checkpoint after every epoch, and after every so many steps within.

    The best epoch's weights are in a file of their own. `state.json` says what there
    is, `log.csv` and `class_iou.csv` have a row an epoch; these are for people, a run
    goes on without them.

    Args:
        directory: Where the files go.
        monitor: The logged score that `best` is judged by; higher is better.
        metric: The validation's metric, whose IoU of each class is recorded.
        names: Names of the classes.
        steps: Steps after which a checkpoint is written within an epoch; `None` for
            none.
        state: What the run goes on from, as `restore` returns it.
        patience: Epochs without a better score after which the run ends; `None` for
            none.
    """

    def __init__(
        self,
        directory: Path,
        monitor: str,
        metric: MeanIoU | None = None,
        names: Sequence[str] = (),
        steps: int | None = None,
        state: Mapping | None = None,
        patience: int | None = None,
    ):
        """Stores the arguments."""
        super().__init__()
        self.directory = directory
        self.metric = metric
        self.names = names
        self.steps = steps
        self.patience = patience
        self.state = {**_NEW, **(state or {}), "monitor": monitor}
        self._metrics = self.state.pop("metrics", None)
        self._kept = {self.state.pop("checkpoint", None), self.state["best"]}
        self._first = self.state["step"]

    def on_epoch_begin(self, epoch, logs=None):
        """Gives the metrics of an epoch that was begun what they had summed up."""
        if self._metrics is not None:
            _assign(self.model.metrics_variables, self._metrics, "metrics")
            self._metrics = None

    def on_train_batch_end(self, batch, logs=None):
        """Writes a checkpoint within an epoch."""
        step = self._first + batch + 1
        last = batch + 1 == self.params["steps"]
        if self.steps and step % self.steps == 0 and not last:
            self._save({**self.state, "step": step})

    def on_epoch_end(self, epoch, logs=None):
        """Writes the checkpoint of the epoch; what it replaces is deleted."""
        logs = {key: float(value) for key, value in (logs or {}).items()}
        row = {"epoch": epoch + 1, **logs}
        if self.metric is not None:
            ious = map(float, self.metric.class_iou())
            row["class_iou"] = dict(zip(self.names, ious, strict=True))
            row["collapsed"] = collapsed_class(self.metric.confusion_matrix())
        state = {
            **self.state,
            "epochs": epoch + 1,
            "step": 0,
            "history": [*self.state["history"], row],
        }
        score = logs[self.state["monitor"]]
        if state["best"] is None or score > state["best_score"]:
            state["best"] = f"best-{epoch + 1}.npz"
            state["best_epoch"], state["best_score"] = epoch + 1, score
            with averaged_weights(self.model):
                _write(self.directory / state["best"], {"model": self.model.weights})
        self._first = 0
        self._save(state)
        self.state = state
        write_tables(self.directory, state)
        if is_over(state, self.params["epochs"], self.patience):
            # Sooner than all epochs where a better score does not come.
            self.model.stop_training = True

    def _save(self, state: dict) -> None:
        """Writes a checkpoint, and keeps it and the one before."""
        if keras.backend.backend() == "jax":
            self.model.jax_state_sync()
        if not writes():
            return
        name = f"checkpoint-{state['epochs']:06d}-{state['step']:08d}.npz"
        _write(self.directory / name, _groups(self.model), state)
        written = {name, state["best"]}
        for path in self.directory.glob("*.npz"):
            if path.name not in written | self._kept:
                path.unlink()
        self._kept = written


def is_over(state: Mapping, epochs: int, patience: int | None = None) -> bool:
    """Returns whether a run has all its epochs, or waits too long for a better one.

    Args:
        state: Of the run; empty for one that has not begun.
        epochs: Of the run.
        patience: Epochs to wait for a better score; `None` for any number.
    """
    done = state.get("epochs", 0)
    waited = done - (state.get("best_epoch") or done)
    return done >= epochs or (patience is not None and waited >= patience)


def checkpoints(directory: Path) -> list[Path]:
    """Returns the checkpoints of a run, the newest first."""
    return sorted(directory.glob("checkpoint-*.npz"), reverse=True)


def read_state(directory: Path) -> dict:
    """Returns where a run is, of its newest checkpoint that is whole.

    Args:
        directory: Where `Checkpoints` wrote.

    Returns:
        `epochs`, whole ones, `step`, those of the next one, `best`, the file of the
        best epoch, `best_epoch`, `best_score`, `monitor` and `history`, the logged
        values of each epoch; an empty dictionary where no checkpoint is.

    Raises:
        ValueError: If all checkpoints are damaged.
    """
    found = _newest(directory)
    return json.loads(found[1]["state"].tobytes()) if found else {}


def restore(directory: Path, model: keras.Model) -> dict:
    """Puts a compiled model into the state of its newest checkpoint that is whole.

    A checkpoint that is damaged is named and passed over.

    Args:
        directory: Where `Checkpoints` wrote.
        model: The model, compiled and with a built optimizer.

    Returns:
        The state as `read_state` returns it, with what `Checkpoints` goes on from:
        `checkpoint`, the file, and `metrics`, what the metrics had summed up within an
        epoch. An empty dictionary where no checkpoint is.

    Raises:
        ValueError: If the checkpoint is of another model or optimizer, or all are
            damaged.
    """
    found = on_one_host(lambda: _newest(directory))
    if not found:
        return {}
    path, arrays = found
    state = {**json.loads(arrays["state"].tobytes()), "checkpoint": path.name}
    for group, variables in _groups(model).items():
        values = _values(arrays, group)
        if group != "metrics":
            _assign(variables, values, str(path))
        elif state["step"]:
            # Keras makes the metrics' variables when it sees the first batch.
            state["metrics"] = values
    write_tables(directory, state)
    return state


def load_best(directory: Path, state: Mapping, model: keras.Model) -> None:
    """Gives a model the weights of the best epoch.

    Args:
        directory: Where `Checkpoints` wrote.
        state: Of the run.
        model: The model.

    Raises:
        ValueError: If the file is damaged or of another model.
    """
    path = directory / state["best"]
    arrays = on_one_host(lambda: _read(path))
    if arrays is None:
        raise ValueError(
            f"The weights of the best epoch must be whole. Received: {path}, which is "
            "damaged. Set fit.keep=last for those of the last epoch, or train again."
        )
    _assign(model.weights, _values(arrays, "model"), str(path))


def write_tables(directory: Path, state: Mapping) -> None:
    """Writes `state.json`, `log.csv` and `class_iou.csv`, for people to read.

    Args:
        directory: Where they go.
        state: Of the run.
    """
    if not writes():
        return
    shown = {k: v for k, v in state.items() if k not in _TRANSIENT}
    write_json(directory / "state.json", shown)
    rows = state["history"]
    other = ("class_iou", "collapsed")
    _write_csv(
        directory / "log.csv",
        [{k: v for k, v in row.items() if k not in other} for row in rows],
    )
    _write_csv(
        directory / "class_iou.csv",
        [{"epoch": r["epoch"], **r["class_iou"]} for r in rows if "class_iou" in r],
    )


def _write_csv(path: Path, rows: Sequence[Mapping]) -> None:
    """Writes a table whose columns are those of its rows."""
    if not rows:
        return
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with whole_file(path) as temporary, open(temporary, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for row in rows:
            values = (row.get(key, float("nan")) for key in columns[1:])
            writer.writerow([row["epoch"], *(f"{value:.6g}" for value in values)])


def _groups(model: keras.Model) -> dict[str, list]:
    """Returns all variables that the next step depends on."""
    return {
        "model": model.variables,
        "optimizer": model.optimizer.variables,
        "metrics": model.metrics_variables,
    }


def _write(path: Path, groups: Mapping[str, Sequence], state: Mapping = _NEW) -> None:
    """Writes variables and a state to a file that appears whole or not at all."""
    if not writes():
        return
    arrays = {
        f"{group}/{number}": keras.ops.convert_to_numpy(variable)
        for group, variables in groups.items()
        for number, variable in enumerate(variables)
    }
    text = np.frombuffer(json.dumps(state).encode(), np.uint8)
    with whole_file(path) as temporary:
        np.savez(temporary, state=text, **arrays)  # pyright: ignore[reportArgumentType]


def _newest(directory: Path) -> tuple[Path, dict[str, np.ndarray]] | None:
    """Returns the newest whole checkpoint and its arrays; names damaged ones."""
    found = checkpoints(directory)
    for path in found:
        arrays = _read(path)
        if arrays is not None:
            return path, arrays
        print(f"{path} is damaged and passed over")
    if found:
        raise ValueError(
            f"A run must have a checkpoint that is whole. Received: {directory}, whose "
            f"{len(found)} are damaged. Delete the folder to begin anew."
        )
    return None


def _read(path: Path) -> dict[str, np.ndarray] | None:
    """Returns the arrays of a file, whose checksums are verified, or `None`."""
    try:
        # `np.load` leaves a file open that it cannot read.
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            return dict(arrays)
    except PermissionError:
        raise
    except (zipfile.BadZipFile, ArithmeticError, LookupError, OSError, EOFError,
            RuntimeError, ValueError):  # fmt: skip
        return None


def _values(arrays: Mapping[str, np.ndarray], group: str) -> list[np.ndarray]:
    """Returns the arrays of a group, in order."""
    count = sum(name.startswith(f"{group}/") for name in arrays)
    return [arrays[f"{group}/{number}"] for number in range(count)]


def _assign(variables: Sequence, values: Sequence[np.ndarray], source: str) -> None:
    """Gives variables their values, all or none."""
    _check(variables, values, source)
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _check(variables: Sequence, values: Sequence[np.ndarray], source: str) -> None:
    """Raises if values are not those of the variables."""
    ours = [tuple(variable.shape) for variable in variables]
    theirs = [value.shape for value in values]
    if ours != theirs:
        pairs = zip(variables, ours, theirs, strict=False)
        other = [f"{v.path} {one}, there {two}" for v, one, two in pairs if one != two]
        raise ValueError(
            "A run must go on with the network and optimizer that it began with. "
            f"Received: {len(ours)} variables, and {len(theirs)} in {source}"
            f"{''.join(f'; {text}' for text in other[:3])}. Take the same config, or "
            "--directory for another run."
        )
