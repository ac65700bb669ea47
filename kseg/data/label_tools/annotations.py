"""What the readers of label tools share: objects become masks when they are read."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from kseg.data.label_tools.fields import class_labels
from kseg.data.label_tools.shapes import Shape, draw
from kseg.data.sources import check_pair
from kseg.labels import Color, Labels, default_colors
from kseg.raster import picture_size, read_image
from kseg.registry import unknown

VOID = ("ignore", "void", "__ignore__")
OVERLAPS = ("last", "small", "void")


@dataclasses.dataclass(frozen=True)
class Object:
    """An object of an image.

    Args:
        label: What it is called, a class or another label.
        index: Its position in the file, or the name that it has there.
        make: Function that returns the shape; objects that are not drawn may have none.
        crowd: Whether it is void, whatever its label, and under all else.
    """

    label: str
    index: object
    make: Callable[[], Shape]
    crowd: bool = False

    def __str__(self) -> str:
        """Returns what messages call it."""
        return f"object {self.index} ({self.label!r})"

    def draw(self, size: tuple[int, int]) -> tuple[tuple[slice, slice], np.ndarray]:
        """Returns a window of an image and which pixels of it are the object.

        Args:
            size: Height and width of the image.

        Raises:
            ValueError: If the shape is broken.
        """
        try:
            shape = self.make()
        except KeyError as error:
            raise ValueError(f"{error} is missing.") from error
        except (TypeError, IndexError, AttributeError) as error:
            raise ValueError(str(error)) from error
        return draw(shape, size)


@dataclasses.dataclass(frozen=True)
class Annotated:
    """An image and what a label tool says of it.

    Args:
        image: The file.
        where: The file of the annotations, for messages.
        size: Height and width as the annotations say; `None` where they do not.
        read: Function of height and width that returns the objects.
    """

    image: Path
    where: str
    size: tuple[int, int] | None
    read: Callable[[tuple[int, int]], Sequence[Object]]


@dataclasses.dataclass(frozen=True)
class Rules:
    """How objects become masks.

    Args:
        classes: Names of the classes in the order of their ids; `None` for those of
            the files.
        background: The class of pixels that no object covers, which comes before the
            others where they do not have it; `None` makes these pixels void.
        void: Labels whose pixels count nothing.
        skip: Labels that are not drawn.
        overlap: Of objects that overlap, `"last"` shows the later one, `"small"` the
            one of fewer pixels, and `"void"` makes what two classes cover void.
        ignore_class: Class id of pixels that count nothing.
    """

    classes: Sequence[str] | None
    background: str | None
    void: Sequence[str]
    skip: Sequence[str]
    overlap: str
    ignore_class: int

    def __post_init__(self):
        """Checks the names of the rules."""
        if self.overlap not in OVERLAPS:
            raise ValueError(unknown("overlap", self.overlap, list(OVERLAPS)))
        for name in ("classes", "void", "skip"):
            if isinstance(getattr(self, name), str | int):
                raise ValueError(
                    f"`{name}` must be a list of names such as ['road', 'car']. "
                    f"Received: {getattr(self, name)!r}."
                )


@dataclasses.dataclass(frozen=True)
class AnnotationSource:
    """Images with the annotations of a label tool, drawn when they are read.

    Args:
        items: The images.
        labels: The classes.
        rules: How objects become masks.
    """

    items: Sequence[Annotated]
    labels: Labels
    rules: Rules

    def __len__(self) -> int:
        """Returns the number of images."""
        return len(self.items)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Reads an image and draws its mask.

        Raises:
            ValueError: If the image or the annotations are broken.
        """
        image, mask = read_image(self.items[index].image), self.mask(index)
        check_pair(image, mask, self.items[index].image, self.items[index].where)
        return image, mask

    def mask(self, index: int) -> np.ndarray:
        """Draws a mask; of the image only the header is read."""
        size = self._size(self.items[index])
        ignore, names = self.labels.ignore_class, self.labels.names
        rest = self.rules.background
        first = names.index(rest) if rest in names else ignore
        ids = np.full(size, first, self.labels.mask_dtype)
        covered = np.zeros(size, bool)
        for value, window, bits, crowd in self._drawn(self.items[index], size):
            part, before = ids[window], covered[window]
            clash = bits & before & (part != value)
            part[bits] = value
            if self.rules.overlap == "void":
                part[clash] = ignore
            before |= bits & (not crowd)
        return ids

    def name(self, index: int) -> str:
        """Returns the image file's name without its ending."""
        return self.items[index].image.stem

    def image_path(self, index: int) -> Path:
        """Returns the file of an image."""
        return self.items[index].image

    def objects(self, index: int) -> list[Object]:
        """Returns the objects that are drawn, in their files' order.

        Raises:
            ValueError: If one has a label that is neither a class nor void.
        """
        item = self.items[index]
        return self._known(item, self._size(item))

    def _known(self, item: Annotated, size: tuple[int, int]) -> list[Object]:
        """Returns the objects of an image that are drawn."""
        names, void = self.labels.names, self.rules.void
        found = []
        for one in item.read(size):
            if one.label in names or one.label in void:
                found.append(one)
            elif one.label not in self.rules.skip:
                raise ValueError(
                    unknown("label", one.label, [*names, *void])
                    + f" It is of {one} in {item.where}. `skip` names labels "
                    "that are not drawn, `void` those that count nothing."
                )
        return found

    def _size(self, item: Annotated) -> tuple[int, int]:
        """Returns height and width of an image, which must be as annotated."""
        size = picture_size(item.image)
        if item.size not in (None, size):
            raise ValueError(
                "An image must be of the size that its annotations say. Received: "
                f"{item.image} of {size} (height, width), and {item.where} with "
                f"{item.size}."
            )
        return size

    def _drawn(self, item: Annotated, size: tuple[int, int]):
        """Returns id, window, pixels of the objects, and crowd; the undermost first."""
        names, drawn = self.labels.names, []
        for one in self._known(item, size):
            known = one.label in names and not one.crowd
            value = names.index(one.label) if known else self.labels.ignore_class
            try:
                drawn.append((value, *one.draw(size), one.crowd))
            except ValueError as error:
                raise ValueError(f"{one} in {item.where} is broken: {error}") from error
        if self.rules.overlap == "small":
            drawn.sort(key=lambda entry: -int(entry[2].sum()))
        return sorted(drawn, key=lambda entry: not entry[3])


def open_items(
    items: Sequence[Annotated],
    rules: Rules,
    found: Callable[[], Iterable[str]],
    path: Path,
    colors: Mapping[str, Color] | None = None,
) -> AnnotationSource:
    """Returns the source of annotated images.

    Args:
        items: The images.
        rules: How objects become masks.
        found: As of `find_labels`.
        path: As of `find_labels`.
        colors: As of `find_labels`.

    Raises:
        ValueError: If there is no image or no class.
    """
    if not items:
        raise ValueError(f"There must be an annotated image. Received: {path}.")
    return AnnotationSource(items, find_labels(rules, found, path, colors), rules)


def find_labels(
    rules: Rules,
    found: Callable[[], Iterable[str]],
    path: Path,
    colors: Mapping[str, Color] | None = None,
) -> Labels:
    """Returns the classes of files.

    Args:
        rules: How objects become masks.
        found: Function that returns the labels of the files in the order of their ids,
            for rules without classes.
        path: The folder, whose `labels.json` says the classes if the rules do not.
        colors: Label to RGB colour.

    Raises:
        ValueError: If there is no class.
    """
    known = (path if path.is_dir() else path.parent) / "labels.json"
    if rules.classes is None and known.is_file() and (own := class_labels(known)):
        return own
    leave = {*rules.void, *rules.skip}
    names = [str(name) for name in rules.classes or ()]
    if not names:
        names = [name for name in dict.fromkeys(found()) if name not in leave]
        names.sort(key=lambda name: name != rules.background)
    if rules.background is not None and rules.background not in names:
        names.insert(0, rules.background)
    if not names:
        raise ValueError(f"There must be a class. Received: {path}, without a label.")
    own = default_colors(len(names))
    chosen = [(colors or {}).get(n, own[i]) for i, n in enumerate(names)]
    return Labels(tuple(names), tuple(chosen), rules.ignore_class)
