"""Splits, opened although files have no partner or a split is not there."""

from collections.abc import Mapping, Sequence

from kseg.data.catalogue import open_source
from kseg.data.check.findings import Finding
from kseg.data.lenient import lenient
from kseg.data.sources import Source


def open_splits(
    name: str, splits: Sequence[str], options: Mapping
) -> tuple[dict[str, Source], list[Finding]]:
    """Opens the splits of a data set, and tells what is wrong with its files.

    Args:
        name: One of `kseg.data.names()`.
        splits: The splits.
        options: Those of the data set.

    Returns:
        The splits that could be opened, and findings.

    Raises:
        ValueError: If no split could be opened.
        OSError: Likewise.
    """
    sources: dict[str, Source] = {}
    findings: dict[str, Finding] = {}
    failed: list[Exception] = []
    for split in splits:
        with lenient() as errors:
            try:
                source = open_source(name, split, **options)
                if not len(source):
                    raise errors[0] if errors else ValueError(f"{split} is empty.")
                sources[split] = source
            except (ValueError, OSError) as error:
                failed.append(error)
                findings[str(error)] = Finding("open", split, str(error))
        for error in errors:
            # A folder without splits is paired anew for each.
            files = tuple(map(str, error.files))
            findings.setdefault(
                str(error), Finding(error.kind, split, str(error), files)
            )
    if not sources:
        raise failed[0]
    return sources, list(findings.values())
