"""What a check finds: a mistake, where it is, and what to do about it."""

import dataclasses
from collections.abc import Iterable
from typing import NamedTuple

SEVERITIES = ("error", "warning", "note")


class Rule(NamedTuple):
    """A kind of mistake.

    Args:
        severity: One of `SEVERITIES`. An error spoils training or its scores, a
            warning may, and a note is worth knowing.
        title: What the mistake is.
        fix: What to do about it.
    """

    severity: str
    title: str
    fix: str


# In the order in which one would mend them.
RULES = {
    "open": Rule("error", "A split cannot be opened", "See the message."),
    "unpaired": Rule(
        "error",
        "Pictures without a partner",
        "Add the missing picture, or delete the lone one; image and mask pair by "
        "their names without ending.",
    ),
    "unreadable": Rule(
        "error",
        "Files that cannot be read",
        "Copy them again from where they come from, or delete image and mask.",
    ),
    "turned": Rule(
        "error",
        "Masks that lie across their images",
        "Turn the mask as the image is shown: kseg, like every viewer, applies the "
        "camera's orientation (EXIF), and labelling tools often do not. Or the mask "
        "was saved with height and width exchanged.",
    ),
    "size": Rule(
        "error",
        "Masks of another size than their images",
        "Export the masks at the images' size, or resize one of the two; masks by the "
        "nearest pixel only.",
    ),
    "color": Rule(
        "error",
        "Masks in colour that no colour map explains",
        "Give `color_map={class name: [red, green, blue]}` with 'void' for what to "
        "ignore, or save class ids as grey values or palette indices.",
    ),
    "smeared": Rule(
        "error",
        "Masks that were interpolated or saved as JPEG",
        "Make them anew from the original masks: resize by the nearest pixel, save as "
        "PNG. What interpolation has mixed at the borders cannot be told apart again.",
    ),
    "binary": Rule(
        "error",
        "Binary masks of 0 and 255",
        "Say `values={0: 0, 255: 1}` if 255 is class 1; as it is, 255 is void, and "
        "training would see class 0 alone.",
    ),
    "label": Rule("error", "Values in masks that are no class", ""),
    "leak": Rule(
        "error",
        "The same image in two splits",
        "Keep it in one of them: scores on images that were trained on say nothing.",
    ),
    "void": Rule(
        "error",
        "A split in which every pixel is void",
        "Nothing can be learned or scored; look at what the masks hold, and at "
        "`ignore_class`.",
    ),
    "augment": Rule(
        "error",
        "An augmentation that invents class ids",
        "It must move masks by the nearest pixel and leave their ids alone.",
    ),
    "near_leak": Rule(
        "warning",
        "Almost the same image in two splits",
        "Look at the pairs: copies at another size or quality, and neighbours in a "
        "video, belong into one split.",
    ),
    "ramps": Rule(
        "warning",
        "Masks that go from class to class by way of a class between them",
        "Right where a class is a thin border between two others, such as 0 outside, 1 "
        "the cell's border, 2 inside. If not, the masks were interpolated: make them "
        "anew from the original ones, resized by the nearest pixel.",
    ),
    "duplicate": Rule(
        "warning",
        "The same image more than once in a split",
        "Delete the copies; where their masks differ, find out which one is right.",
    ),
    "orientation": Rule(
        "warning",
        "Images that the camera's orientation turns, beside masks without one",
        "Look at the overlays: the mask must lie on the upright image.",
    ),
    "palette": Rule(
        "warning",
        "Palettes whose colours are those of other classes",
        "The indices count, not the colours. If the colours are right, an editor has "
        "sorted the palette: give `color_map`, which reads them.",
    ),
    "gap": Rule("warning", "Class ids that never occur, below ones that do", ""),
    "absent": Rule(
        "warning",
        "Classes that a split does not show",
        "A class that is not in train is not learned; one that is not in val is not "
        "scored. Split anew, or leave the class out.",
    ),
    "empty": Rule(
        "warning",
        "Masks that are void everywhere",
        "They count nothing; label the images, or delete them.",
    ),
    "one_class": Rule(
        "warning",
        "Most masks show one class alone",
        "Look whether objects are missing; if it is so, weigh the classes.",
    ),
    "mostly_void": Rule(
        "warning",
        "Most pixels are void",
        "Look whether void was meant to be a class, such as the background.",
    ),
    "small": Rule(
        "warning",
        "Images that are smaller than a crop",
        "What is missing is filled with void; choose a smaller crop.",
    ),
    "unequal": Rule(
        "warning",
        "Images of very unequal sizes",
        "Objects come at very different scales; resize the images alike, or widen "
        "the random scale.",
    ),
    "single": Rule(
        "note",
        "Masks that show one class alone",
        "Right where an image shows nothing else.",
    ),
    "near_duplicate": Rule(
        "note",
        "Images that look like another of their split",
        "Neighbours in a video: fewer different images than files.",
    ),
}


class Problem(NamedTuple):
    """What is wrong with one example.

    Args:
        kind: A key of `RULES`.
        found: What was found, in a few words.
        file: The file, or the name of the example.
    """

    kind: str
    found: str
    file: str


@dataclasses.dataclass(frozen=True)
class Finding:
    """A mistake in a split, and everything that shares it.

    Args:
        kind: A key of `RULES`.
        split: The split, or two with a comma; empty for the whole data set.
        found: What was found.
        files: The files, or names of examples; may be none.
        examples: Split and position of examples that show it.
        advice: What to do about it, where that depends on what was found.
    """

    kind: str
    split: str
    found: str
    files: tuple[str, ...] = ()
    examples: tuple[tuple[str, int], ...] = ()
    advice: str = ""

    @property
    def severity(self) -> str:
        """One of `SEVERITIES`."""
        return RULES[self.kind].severity

    @property
    def title(self) -> str:
        """What the mistake is."""
        return RULES[self.kind].title

    @property
    def fix(self) -> str:
        """What to do about it."""
        return self.advice or RULES[self.kind].fix

    def to_dict(self) -> dict:
        """Returns a dictionary that JSON can hold."""
        return {
            "kind": self.kind,
            "severity": self.severity,
            "split": self.split,
            "title": self.title,
            "found": self.found,
            "fix": self.fix,
            "files": list(self.files),
        }


def ranked(findings: Iterable[Finding]) -> list[Finding]:
    """Returns findings in the order in which one would mend them."""
    kinds = list(RULES)
    return sorted(
        findings,
        key=lambda f: (SEVERITIES.index(f.severity), kinds.index(f.kind), f.split),
    )


def exit_code(findings: Iterable[Finding], strict: bool = False) -> int:
    """Returns 1 if there is an error, or with `strict` a warning, and 0 otherwise.

    Example:
    >>> warning = Finding("empty", "train", "1 of 9 masks")
    >>> exit_code([warning]), exit_code([warning], strict=True)
    (0, 1)
    """
    found = {finding.severity for finding in findings}
    return int("error" in found or (strict and "warning" in found))
