"""The check of a data set, whole, and what it says in a terminal and as JSON."""

import dataclasses
import itertools
import shutil
import textwrap
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from kseg.data.check.duplicates import duplicate_findings
from kseg.data.check.findings import SEVERITIES, Finding, ranked
from kseg.data.check.records import Record, read_records
from kseg.data.check.statistics import (
    Statistics,
    class_findings,
    count,
    size_findings,
    split_findings,
    suggestions,
)
from kseg.data.sources import FileSource, Source, TfdsSource
from kseg.labels import Labels

# Files that the terminal names of each finding.
_SHOWN = 3


@dataclasses.dataclass(frozen=True)
class Report:
    """What a check found.

    Args:
        labels: The classes.
        findings: In the order in which one would mend them.
        statistics: Of each split.
        suggestions: What a config could say.
        records: What was read of each example, by split.
    """

    labels: Labels
    findings: Sequence[Finding]
    statistics: Sequence[Statistics]
    suggestions: Sequence[str]
    records: Mapping[str, Sequence[Record]]

    def to_dict(self) -> dict:
        """Returns a dictionary that JSON can hold."""
        return {
            "findings": [finding.to_dict() for finding in self.findings],
            "splits": {s.split: s.to_dict(self.labels) for s in self.statistics},
            "suggestions": list(self.suggestions),
        }


def check_data(
    sources: Mapping[str, Source],
    crop: tuple[int, int] | None = None,
    workers: int | None = None,
    known: Sequence[Finding] = (),
) -> Report:
    """Reads every example of a data set once, and looks for mistakes.

    A broken example is a finding, and the others are read on.

    Args:
        sources: Name of each split to its examples; all of the same classes.
        crop: Height and width of the training crops in pixels, which images should
            have; `None` if it is not known.
        workers: How many threads read; `None` for one a processor.
        known: Findings that are known before reading, such as files without partner.

    Returns:
        What was found, and statistics.

    Raises:
        ValueError: If there is no split, or splits differ in their classes.
    """
    labels = {source.labels for source in sources.values()}
    if len(labels) != 1:
        raise ValueError(
            "The splits of a data set must have the same classes. Received: "
            f"{len(labels)} different ones of {list(sources)}."
        )
    (classes,) = labels
    records = {
        split: read_records(source, split, workers) for split, source in sources.items()
    }
    everything = [record for members in records.values() for record in members]
    counted = [count(members, split, classes) for split, members in records.items()]
    findings = [
        *known,
        *problem_findings(everything, classes),
        *itertools.chain.from_iterable(
            split_findings(records[split], classes, _is_untranslated(source))
            for split, source in sources.items()
        ),
        *class_findings(counted, classes),
        *size_findings(everything, crop),
        *duplicate_findings(records),
    ]
    train = next((c for c in counted if c.split == "train"), counted[0])
    return Report(
        classes, ranked(findings), counted, suggestions(train, classes), records
    )


def _is_untranslated(source: Source) -> bool:
    """Whether ids are the values in files, and nobody said what these mean."""
    if isinstance(source, FileSource):
        return not source.values and source.color_map is None
    return isinstance(source, TfdsSource) and not source.values


def problem_findings(records: Sequence[Record], labels: Labels) -> list[Finding]:
    """Puts the problems of single examples together, one finding a kind and split."""
    members = defaultdict(list)
    for record in records:
        for problem in record.problems:
            members[problem.kind, record.split].append((problem, record))
    found = []
    for (kind, split), pairs in members.items():
        problems = [problem for problem, _ in pairs]
        records_of = {record.key: record for _, record in pairs}
        text = problems[0].found
        if problems[0].file not in text:
            text = f"{problems[0].file}: {text}"
        if len(problems) > 1:
            text = f"{len(problems)} files, such as {text}"
        found.append(
            Finding(
                kind,
                split,
                text,
                tuple(problem.file for problem in problems),
                tuple(records_of),
                _advice(records_of.values(), labels) if kind == "label" else "",
            )
        )
    return found


def _advice(records, labels: Labels) -> str:
    """Guesses what values in masks mean that are no class."""
    values = sorted({int(v) for r in records if r.values is not None for v in r.values})
    known, void = labels.num_classes, labels.ignore_class
    classes = [value for value in values if value != void]
    if len(classes) == known and classes[-1] >= 2 * known:
        pairs = ", ".join(f"{value}: {i}" for i, value in enumerate(classes))
        return (
            f"There are as many values as classes. If they are grey values of the "
            f"classes in their order, give `values={{{pairs}}}`."
        )
    if values and classes and classes[-1] == known:
        ids = ", ".join(f"{i}: {i - 1}" for i in range(1, known + 1))
        return (
            f"The ids seem to be 1 to {known}. Give `values={{0: {void}, {ids}}}` if 0 "
            f"is unlabelled; or there is one class more than was said."
        )
    return (
        "Name all classes, or give `values={value in the file: class id}` with "
        f"{void} for what to ignore."
    )


def tally(findings: Sequence[Finding]) -> list[str]:
    """Returns how many findings there are of each severity, in words.

    Example:
    >>> tally([Finding("leak", "train, val", "")])
    ['1 error', '0 warnings', '0 notes']
    """
    found = Counter(finding.severity for finding in findings)
    return [f"{found[s]} {s}{'s' * (found[s] != 1)}" for s in SEVERITIES]


def table(report: Report) -> str:
    """Returns the report for a terminal."""
    width = min(shutil.get_terminal_size((88, 24)).columns, 100)
    lines = []
    for finding in report.findings:
        place = f" [{finding.split}]" if finding.split else ""
        lines.append(f"{finding.severity.upper()}: {finding.title}{place}")
        lines += textwrap.wrap(
            finding.found, width, initial_indent="  ", subsequent_indent="  "
        )
        lines += [f"    {file}" for file in finding.files[:_SHOWN]]
        more = len(finding.files) - _SHOWN
        lines += [f"    and {more} more"] * (more > 0)
        lines += textwrap.wrap(
            f"-> {finding.fix}", width, initial_indent="  ", subsequent_indent="     "
        )
    lines += ["" for _ in report.findings[:1]]
    for statistics in report.statistics:
        lines += _split_lines(statistics, report.labels)
    lines += [f"suggestion: {text}" for text in report.suggestions]
    lines.append(", ".join(tally(report.findings)))
    return "\n".join(lines)


def _split_lines(statistics: Statistics, labels: Labels) -> list[str]:
    """Returns the table of the classes of a split."""
    sizes = [
        f"{h}x{w} ({n})" if len(statistics.sizes) > 1 else f"{h}x{w}"
        for (h, w), n in list(statistics.sizes.items())[:_SHOWN]
    ]
    more = len(statistics.sizes) - len(sizes)
    sizes += [f"{more} other sizes"] * (more > 0)
    mean, std = (
        " ".join(f"{x:.2f}" for x in a) for a in (statistics.mean, statistics.std)
    )
    longest = max(map(len, labels.names))
    lines = [
        f"{statistics.split}: {statistics.readable} of {statistics.examples} images "
        f"read, {', '.join(sizes)}; void {statistics.void:.1%}",
        f"  RGB mean {mean}, std {std}",
        f"  {'class':<{longest}}  {'pixels':>8}  images",
    ]
    largest = max(float(statistics.shares.max()), np.finfo(float).tiny)
    for name, share, images in zip(
        labels.names, statistics.shares, statistics.images, strict=True
    ):
        bar = "#" * round(20 * float(share) / largest)
        lines.append(f"  {name:<{longest}}  {share:>8.3%}  {images:>6}  {bar}".rstrip())
    return [*lines, ""]
