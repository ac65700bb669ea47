"""Images that come twice, in one split or in two."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from kseg.data.check.findings import Finding
from kseg.data.check.hashes import nearest
from kseg.data.check.records import Record


def duplicate_findings(records: Mapping[str, Sequence[Record]]) -> list[Finding]:
    """Finds images that come twice.

    Args:
        records: What was read of the examples of each split.
    """
    everything = [record for split in records.values() for record in split]
    readable = [record for record in everything if record.is_read]
    return [*_equal(readable), *_alike(readable)]


def _equal(records: Sequence[Record]) -> list[Finding]:
    """Finds images whose pixels are equal."""
    by_hash = defaultdict(list)
    for record in records:
        by_hash[record.image_hash].append(record)
    leaks, copies = defaultdict(list), defaultdict(list)
    for same in by_hash.values():
        splits = sorted({record.split for record in same})
        if len(splits) > 1:
            leaks[", ".join(splits)].append(same)
        for split in splits:
            members = [record for record in same if record.split == split]
            if len(members) > 1:
                copies[split].append(members)
    return [
        _finding(kind, split, groups)
        for kind, found in (("leak", leaks), ("duplicate", copies))
        for split, groups in found.items()
    ]


def _finding(kind: str, split: str, groups: list[list[Record]]) -> Finding:
    """Words a finding of images that are equal."""
    first = " = ".join(record.file for record in groups[0][:3])
    found = f"{len(groups)} images come more than once, such as {first}"
    hashes = [{record.mask_hash for record in group} - {b""} for group in groups]
    if differ := sum(len(masks) > 1 for masks in hashes):
        found += f"; of {differ} the masks differ"
    members = [record for group in groups for record in group]
    return _of(kind, split, found, members)


def _alike(records: Sequence[Record]) -> list[Finding]:
    """Finds images that look alike and are not equal."""
    hashed = [record for record in records if record.look is not None]
    splits = sorted({record.split for record in hashed})
    # Copies are found already: one of each is enough.
    unique = list({(r.image_hash, r.split): r for r in hashed}.values())
    looks = np.array([record.look for record in unique], np.uint64)
    groups = np.array([splits.index(record.split) for record in unique], int)
    inside, across = nearest(looks, groups)
    leaks, twins = defaultdict(list), defaultdict(list)
    for record, twin, other in zip(unique, inside, across, strict=True):
        if other >= 0 and unique[other].image_hash != record.image_hash:
            both = sorted((record.split, unique[other].split))
            leaks[", ".join(both)].append((record, unique[other]))
        if twin >= 0:
            twins[record.split].append((record, unique[twin]))
    found = []
    for split, pairs in leaks.items():
        # The pair of an image comes from either side.
        pairs = list({frozenset((a.key, b.key)): (a, b) for a, b in pairs}.values())
        text = f"{len(pairs)} pairs, such as {pairs[0][0].file} ~ {pairs[0][1].file}"
        members = [record for pair in pairs for record in pair]
        found.append(_of("near_leak", split, text, members))
    for split, pairs in twins.items():
        count = sum(record.split == split for record in records)
        text = f"{len(pairs)} of {count} images, such as {pairs[0][0].file}"
        found.append(_of("near_duplicate", split, text, [p[0] for p in pairs]))
    return found


def _of(kind: str, split: str, found: str, members: Sequence[Record]) -> Finding:
    """Returns a finding with the files of its members, each once."""
    members = list({record.key: record for record in members}.values())
    return Finding(
        kind,
        split,
        found,
        tuple(record.file for record in members),
        tuple(record.key for record in members),
    )
