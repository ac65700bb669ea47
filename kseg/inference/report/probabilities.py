"""What probabilities are worth: calibration, and precision over recall."""

from collections.abc import Sequence
from html import escape

from kseg.inference.report import plots
from kseg.inference.report.html import cell, class_name, percent, row, score_cell, table
from kseg.inference.report.judge import Judged
from kseg.labels import Labels

# Classes whose curves are unfolded.
_UNFOLDED = 24


def probabilities(models: Sequence[Judged], labels: Labels) -> str:
    """Returns the reliability diagrams, and a curve for each class.

    Args:
        models: The model, and the one it is compared with, if any.
        labels: The classes.
    """
    having = [model for model in models if model.curves and model.calibration]
    without = "".join(
        f"<p>{escape(model.name)} gives class ids and no probabilities, without which "
        "there are neither curves nor calibration.</p>"
        for model in models
        if model not in having
    )
    if not having:
        return without
    columns = ["model", "mean average precision", "ECE", "MCE"]
    columns += ["Brier score", "negative log likelihood"]
    rows = [row(escape(model.name), _cells(model)) for model in having]
    return (
        f"{without}{table('Scores of probabilities', columns, rows, sortable=False)}"
        f"<h3>Reliability</h3>{_reliability(having)}"
        f"<h3>Precision and recall</h3>{_curves(having, labels)}"
    )


def _cells(model: Judged) -> list[str]:
    """Returns the scores of a model's probabilities."""
    curves, found = model.curves or {}, model.calibration or {}
    return [
        score_cell(curves["mean_average_precision"]),
        score_cell(found["expected_calibration_error"]),
        score_cell(found["maximum_calibration_error"]),
        cell(f"{found['brier_score']:.4f}"),
        cell(f"{found['negative_log_likelihood']:.4f}"),
    ]


def _reliability(models: Sequence[Judged]) -> str:
    """Returns a diagram for each model, and its numbers."""
    parts = []
    for model in models:
        found = model.calibration or {}
        total = max(int(found["bin_count"].sum()), 1)
        count = len(found["bin_count"])
        rows = [
            row(
                f"{index / count:.0%} to {(index + 1) / count:.0%}",
                [
                    cell(f"{100 * int(found['bin_count'][index]) / total:.2f}"),
                    score_cell(float(found["bin_confidence"][index])),
                    score_cell(float(found["bin_accuracy"][index])),
                ],
            )
            for index in range(count)
        ]
        columns = ["confidence", "share of pixels", "mean confidence", "right"]
        label = f"Reliability of {model.name}"
        error = percent(found["expected_calibration_error"])
        numbers = table(label, columns, rows, sortable=False)
        spread = plots.confidences(found, f"Confidence of {model.name}")
        parts.append(
            f"<p>{escape(model.name)}: ECE {error} %</p>"
            f'<div class="plots"><figure>{plots.reliability_diagram(found, label)}'
            f"</figure><figure>{spread}"
            f"</figure></div><details><summary>Numbers</summary>{numbers}</details>"
        )
    return (
        '<p class="dim">Bars: of the pixels of a confidence, how many are right. '
        "Dashes: how confident they are on average; a bar that ends below its dash is "
        "too confident. The expected calibration error (ECE) is the mean gap between "
        "the two over all pixels, the maximum one (MCE) the largest.</p>"
        + "".join(parts)
    )


def _curves(models: Sequence[Judged], labels: Labels) -> str:
    """Returns precision over recall of each class."""
    panels = []
    for index, name in enumerate(labels.names):
        curves = [model.curves or {} for model in models]
        pairs = [(c["recall"][index], c["precision"][index]) for c in curves]
        averages = [float(c["average_precision"][index]) for c in curves]
        panels.append(
            f"<figure><figcaption>{class_name(labels, index)}: "
            f"{', '.join(map(percent, averages))}</figcaption>"
            f"{plots.precision_recall_panel(name, pairs)}</figure>"
        )
    legend = plots.series_legend([m.name for m in models]) if len(models) > 1 else ""
    opened = " open" * (labels.num_classes <= _UNFOLDED)
    return (
        '<p class="dim">Of each class against all others, at every threshold of its '
        "probability; beside its name the average precision in percent.</p>"
        f"{legend}<details{opened}><summary>Curves <small>{labels.num_classes} classes"
        f'</small></summary><div class="plots small">{"".join(panels)}</div></details>'
    )
