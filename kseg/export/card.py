"""The model card: what a model is, how good it is, and what its files cost."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from kseg.export.verify import markdown_table
from kseg.files import whole_file
from kseg.labels import Labels


def write_card(
    path: str | Path,
    name: str,
    facts: Mapping[str, object],
    result: Mapping,
    rows: Sequence[Mapping],
    labels: Labels,
    picture: str | None = None,
) -> None:
    """Writes a model card in Markdown.

    Args:
        path: The file to write.
        name: What the model is called.
        facts: What else there is to say, title to text, in order.
        result: Scores as `kseg.inference.evaluate` returns them.
        rows: Rows of `kseg.export.verify`, or none.
        labels: The classes.
        picture: Name of a picture beside the card, or `None`.
    """
    parts = [
        f"# {name}",
        "",
        *(f"- **{title}**: {text}" for title, text in facts.items()),
    ]
    if picture:
        parts += ["", f"![image, mask and prediction]({picture})"]
    parts += ["", "## Scores", "", _protocol(result), "", _class_table(result, labels)]
    if rows:
        parts += ["", "## Files", "", _FILES, "", markdown_table(rows)]
    with whole_file(path) as temporary:
        temporary.write_text("\n".join(parts).rstrip() + "\n")


_FILES = (
    "Every file was run on the same images at the size of the files and compared with "
    "the Keras model. Shares are from 0 to 1; times are medians on the machine named "
    "above, from image to class ids."
)


def _protocol(result: Mapping) -> str:
    scores = ", ".join(
        f"{title} **{100 * result[key]:.2f}**"
        for title, key in (
            ("mean IoU", "mean_iou"),
            ("pixel accuracy", "pixel_accuracy"),
            ("mean accuracy", "mean_accuracy"),
            ("frequency-weighted IoU", "frequency_weighted_iou"),
            ("Dice", "mean_dice"),
            ("boundary F1", "boundary_f1"),
        )
    )
    return (
        f"{scores} (percent; {result['images']} validation images, each whole and at "
        "its own size, one scale, no flip; void pixels left out; one confusion matrix "
        "over all images; boundary tolerance 0.75 % of the diagonal)."
    )


def _class_table(result: Mapping, labels: Labels) -> str:
    lines = ["| id | class | colour | IoU | accuracy | boundary F1 |"]
    lines.append("| -: | ----- | ------ | --: | -------: | ----------: |")
    for i, (name, color) in enumerate(zip(labels.names, labels.colors, strict=True)):
        values = " | ".join(
            f"{100 * result[key][name]:.1f}"
            for key in ("class_iou", "class_accuracy", "class_boundary_f1")
        )
        lines.append(f"| {i} | {name} | #{bytes(color).hex()} | {values} |")
    return "\n".join(lines)
