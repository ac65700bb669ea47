"""What a run leaves: scores, model files, pictures and a card."""

import inspect
import itertools
from collections.abc import Sequence
from pathlib import Path

import keras

from kseg.data import fitted
from kseg.export import (
    CALIBRATION_IMAGES,
    USUAL_FORMATS,
    check_formats,
    deploy,
    markdown_table,
)
from kseg.export.card import write_card
from kseg.files import whole_file, write_json
from kseg.inference import (
    evaluate,
    evaluate_edges,
    evaluate_membranes,
    predict,
    score_table,
    side_by_side,
)
from kseg.labels import Labels
from kseg.metrics import DatasetScores
from kseg.optional import import_optional
from kseg.raster import write_image
from kseg.registry import unknown
from kseg.training.provenance import commits, environment, fingerprint
from kseg.training.trackers import log_results

# What `export.scores` knows: the scores of a task beside those of all.
SCORES = {"edges": evaluate_edges, "membranes": evaluate_membranes}
# Of the boundary F1, as a share of an image's diagonal.
_TOLERANCE = inspect.signature(DatasetScores).parameters["tolerance"].default


def check_options(
    formats: Sequence[str] = USUAL_FORMATS,
    output: str = "logits",
    scores: Sequence[str] = (),
    size: Sequence[int] | None = None,
    pictures: int = 3,
    note: str = "",
) -> None:
    """Raises if `export` would refuse these, before a model is trained.

    Args:
        formats: As in `export`.
        output: As in `export`.
        scores: As in `export`.
        size: As in `export`.
        pictures: As in `export`.
        note: As in `export`.

    Raises:
        ValueError: If one is unknown or of another type.
    """
    check_formats(formats, output)
    if size is not None and not (
        isinstance(size, list | tuple)
        and len(size) == 2
        and all(isinstance(side, int) and side > 0 for side in size)
    ):
        raise ValueError(
            f"`export.size` must be a height and a width in pixels. Received: {size!r}."
        )
    if not isinstance(pictures, int) or pictures < 0:
        raise ValueError(
            f"`export.pictures` must be a number, 0 for none. Received: {pictures!r}."
        )
    if not isinstance(note, str):
        raise ValueError(f"`export.note` must be a text. Received: {note!r}.")
    if isinstance(scores, str):
        raise ValueError(
            f"`scores` must be a list of {list(SCORES)}. Received: the text {scores!r}."
        )
    for name in scores:
        if name not in SCORES:
            raise ValueError(unknown("score", name, list(SCORES)))


def check_scores(scores: Sequence[str], labels: Labels) -> None:
    """Raises if scores cannot be computed on the data.

    Args:
        scores: As in `export`.
        labels: The classes of the data.

    Raises:
        ValueError: If the data has not the classes that a score is about.
        ImportError: If a package is missing that a score needs.
    """
    if "edges" in scores:
        if labels.num_classes != 2:
            raise ValueError(
                "The score 'edges' needs two classes, the second of which is edges. "
                f"Received: {list(labels.names)}."
            )
        import_optional("skimage")
    if "membranes" in scores and "cell" not in labels.names:
        raise ValueError(
            "The score 'membranes' needs a class 'cell'. Received: "
            f"{list(labels.names)}."
        )


def export(
    name: str,
    experiment,
    model,
    feeds,
    directory: Path,
    state: dict,
    formats: Sequence[str] = USUAL_FORMATS,
    size: tuple[int, int] | None = None,
    output: str = "logits",
    scores: Sequence[str] = (),
    pictures: int = 3,
    note: str = "",
) -> dict:
    """Evaluates the network, writes its files, verifies them, writes the card.

    Args:
        name: What the model is called.
        experiment: What it was made by.
        model: The trained network.
        feeds: The data it was trained and is judged on.
        directory: Where everything goes.
        state: Of the training, as `kseg.training.callbacks.read_state` returns it.
        formats: As in `kseg.export.deploy`; on a backend without TensorFlow none are
            written.
        size: Height and width of the LiteRT files; `None` for that of validation.
        output: What the LiteRT files return: `"logits"`, `"probabilities"` or
            `"class_map"`.
        scores: What else to measure: `"edges"`, the ODS, OIS and AP of edge maps, and
            `"membranes"`, the Rand and information scores of ISBI 2012.
        pictures: How many validation images the overlay picture shows; 0 for no
            picture, where they must not be passed on.
        note: What the card says of licence and use.

    Returns:
        The scores, as `metrics.json` holds them.
    """
    val, labels = feeds.val, feeds.val.labels
    height, width = size or feeds.val_examples.size
    size = (height, width)
    info = {"name": name, "input_size": list(size), "labels": labels.to_dict()}
    write_json(directory / f"{name}.json", info)
    with whole_file(directory / f"{name}.keras") as temporary:
        model.save(temporary)

    examples = (val[i] for i in range(len(val)))
    result = evaluate(lambda image: predict(model, image), examples, labels, len(val))
    print(score_table(result))
    special = {score: SCORES[score](model, val) for score in scores}
    for score, values in special.items():
        print(f"{score}: {_listed(values)}")

    if pictures:
        shown = list(itertools.islice(fitted(val, size, pictures), pictures))
        panels = [(image, mask, predict(model, image)) for image, mask in shown]
        write_image(directory / "overlay.png", side_by_side(panels, labels))

    rows = []
    if formats and keras.backend.backend() == "tensorflow":
        calibration = [i for i, _ in fitted(feeds.train, size, CALIBRATION_IMAGES)]
        rows = deploy(
            model, name, directory, size, labels, formats, output, calibration,
            fitted(val, size),
        )  # fmt: skip
        print(markdown_table(rows))

    metrics = {
        "name": name,
        "validation": result,
        **special,
        "boundary_tolerance": _TOLERANCE,
        "parameters": model.count_params(),
        "files": rows,
        "best_epoch": state["best_epoch"],
        "epochs": state["epochs"],
        "environment": environment(),
        "git": commits(),
        "data": {"train": fingerprint(feeds.train), "val": fingerprint(val)},
        "experiment": experiment.to_dict(),
    }
    write_json(directory / "metrics.json", metrics)
    write_card(
        directory / "README.md",
        name,
        card_facts(name, experiment, model, metrics, note),
        result,
        rows,
        labels,
        "overlay.png" if pictures else None,
    )
    log_results(directory, metrics)
    print(f"{directory} holds the model, its files, metrics.json and a card, README.md")
    return metrics


def card_facts(
    name: str, experiment, model, metrics: dict, note: str
) -> dict[str, str]:
    """Returns what the model card says in front of the scores."""
    network = dict(experiment.network)
    if network.get("weights") not in (None, "imagenet"):
        network["weights"] = "from a file"
    described = ", ".join(f"{key} {value}" for key, value in network.items())
    facts = {
        "Network": f"{described}; {metrics['parameters']:,} parameters",
        "Input": "RGB images in 0 to 255; normalisation is inside the graph",
        "Data": ", ".join(
            f"{key} {value}"
            for key, value in experiment.data.items()
            if key not in ("path", "data_dir")
        ),
        "Command": f"`kseg train {name}`; the experiment is in experiment.json",
        "Weights": _kept(experiment, metrics),
        "Environment": ", ".join(f"{k} {v}" for k, v in metrics["environment"].items()),
    }
    commit = metrics["git"]["kseg"]
    if commit is not None:
        facts["Commit"] = commit["commit"] + (", with changes" * commit["dirty"])
    if experiment.weak:
        options = ", ".join(f"{key} {value}" for key, value in experiment.weak.items())
        facts["Labels"] = (
            f"spread from scribbles by graph cut, as ScribbleSup; {options}"
        )
    for score in experiment.export.get("scores", ()):
        facts[score.capitalize()] = _listed(metrics[score])
    return {**facts, "Note": note} if note else facts


def _kept(experiment, metrics: dict) -> str:
    """Says which epoch's weights a model has."""
    if experiment.fit.get("keep", "best") == "last":
        return f"of the last of {metrics['epochs']} epochs"
    return (
        f"of epoch {metrics['best_epoch']} of {metrics['epochs']}, the best by mean "
        "IoU on the validation images that the scores below are on"
    )


def _listed(values: dict) -> str:
    """Words the numbers among scores."""
    return ", ".join(
        f"{key.replace('_', ' ')} {value:.4g}"
        for key, value in values.items()
        if isinstance(value, int | float)
    )
