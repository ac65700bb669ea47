"""How a model came about: its training, its card, software and machine."""

import math
from html import escape

from kseg.inference.report import plots
from kseg.inference.report.card import card_to_html
from kseg.inference.report.html import cell, row, table
from kseg.inference.report.run_folder import RunFolder

# What is drawn of a log, and whether it is a share of 1.
_CURVES = {
    "loss": ("loss", "val_loss", False),
    "mean IoU": ("mean_iou", "val_mean_iou", True),
}


def training(run: RunFolder | None) -> str:
    """Returns curves over the epochs.

    Args:
        run: What lies beside the model, if a run wrote it.
    """
    if run is None:
        return "<p>No run of kseg lies beside the model.</p>"
    drawn = "".join(
        f"<figure>{plots.training_curves(*curve)}</figure>"
        for curve in _curves(run.log)
    )
    if not drawn:
        return "<p>No log of two epochs or more, run/log.csv, is beside the model.</p>"
    return (
        f"{plots.series_legend(['training', 'validation'])}"
        f'<div class="plots">{drawn}</div>'
    )


def _curves(log: dict[str, list[float]]):
    """Yields what `training_curves` takes, of what a log has."""
    epochs = log.get("epoch", [])
    if len(epochs) < 2 or not all(map(math.isfinite, epochs)) or len(set(epochs)) < 2:
        return
    unknown = [math.nan] * len(epochs)
    for label, (ours, theirs, share) in _CURVES.items():
        series = [log.get(name, unknown) for name in (ours, theirs)]
        if any(math.isfinite(value) for values in series for value in values):
            yield epochs, series, label, share


def card(run: RunFolder | None) -> str:
    """Returns the model card.

    Args:
        run: What lies beside the model, if a run wrote it.
    """
    if run is None or not run.card.strip():
        return "<p>No card, README.md, lies beside the model.</p>"
    return f'<div class="card">{card_to_html(run.card)}</div>'


def environment(run: RunFolder | None) -> str:
    """Returns software, machine and commits of the training.

    Args:
        run: What lies beside the model, if a run wrote it.
    """
    facts = {}
    if run is not None:
        commits = {f"commit of {name}": text for name, text in run.commits.items()}
        facts = {**run.environment, **commits}
    if not facts:
        return "<p>Nothing is known of the machine that trained the model.</p>"
    rows = [row(escape(name), [cell(escape(text))]) for name, text in facts.items()]
    return table("Software and machine", ["", ""], rows, sortable=False)
