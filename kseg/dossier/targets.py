"""Which operators the files of a dossier have, and which targets take them."""

from collections.abc import Iterator, Mapping
from html import escape

from kseg.inference.report.html import attribute, cell, percent, row, table


def targets(files: Mapping[str, Mapping]) -> Iterator[str]:
    """Yields the part of a dossier about operators.

    Args:
        files: As `kseg.dossier.measure` returns them.
    """
    known = {
        key: target["title"]
        for file in files.values()
        for key, target in file["placement"].items()
    }
    rows = [
        row(escape(title), [_share(file["placement"][key]) for file in files.values()])
        for key, title in known.items()
    ]
    yield (
        '<p class="dim">The share of the operators that a target would run, by what '
        "its documents say, and into how many parts they fall: each border between "
        "parts costs a copy. The device has the last word.</p>"
    )
    yield table("Targets", ["target", *map(escape, files)], rows, sortable=False)
    for name, file in files.items():
        yield _fallbacks(name, file["placement"])
    yield _operators(files)


def _share(target: Mapping) -> str:
    """Returns the cell of a target and a file."""
    parts = target["partitions"]
    words = f"{parts} part{'s' * (parts != 1)}"
    return cell(f"{percent(target['share'], 0)} % <small>{words}</small>")


def _fallbacks(name: str, placement: Mapping[str, Mapping]) -> str:
    """Returns what targets do not take of a file, or do not take for certain."""
    rows = [
        row(
            escape(target["title"]),
            [
                cell(f"{found['count']} × {escape(found['operator'])}"),
                cell(escape(found["reason"]) + doubt, more=' class="words"'),
                cell(f'<a href="{attribute(found["source"])}">source</a>'),
            ],
        )
        for target in placement.values()
        for kind, doubt in (("falls_back", ""), ("uncertain", ", perhaps"))
        for found in target[kind]
    ]
    if not rows:
        return f"<p>{escape(name)}: every target takes all of it.</p>"
    columns = ["target", "operators", "why not", ""]
    label = f"What falls back of {name}"
    return (
        f"<details><summary>What falls back of {escape(name)}</summary>"
        f"{table(label, columns, rows, sortable=False)}</details>"
    )


def _operators(files: Mapping[str, Mapping]) -> str:
    """Returns how often each operator is in each file."""
    names = sorted({name for file in files.values() for name in file["operators"]})
    rows = [
        row(
            escape(name),
            [_count(file["operators"].get(name, 0)) for file in files.values()],
        )
        for name in names
    ]
    return (
        "<details><summary>Operators of the files</summary>"
        f"{table('Operators', ['operator', *map(escape, files)], rows)}</details>"
    )


def _count(number: int) -> str:
    return cell(str(number) if number else "–", number)
