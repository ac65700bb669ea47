"""What the class ids of a data set or a model mean: names, colours, void."""

import dataclasses
from collections.abc import Sequence

Color = tuple[int, int, int]


@dataclasses.dataclass(frozen=True)
class Labels:
    """The classes of a data set.

    Args:
        names: One name per class; the id is the position.
        colors: One RGB colour per class, 0 to 255.
        ignore_class: The id in masks of pixels that belong to no class (void).

    Raises:
        ValueError: If names and colours differ in number, a name comes twice,
            or `ignore_class` is the id of a class or none that a mask can hold.
    """

    names: tuple[str, ...]
    colors: tuple[Color, ...]
    ignore_class: int = 255

    def __post_init__(self):
        """Checks the rules of the class docstring."""
        if len(self.names) != len(self.colors):
            raise ValueError(
                "Every class must have one name and one colour. Received: "
                f"{len(self.names)} names and {len(self.colors)} colours."
            )
        if len(set(self.names)) != len(self.names):
            raise ValueError(f"Class names must differ. Received: {self.names}.")
        if not len(self.names) <= self.ignore_class < 2**16:
            raise ValueError(
                "`ignore_class` must be an id that is no class and that a mask can "
                f"hold, {len(self.names)} to 65535. Received: {self.ignore_class}. "
                "255 is usual."
            )

    @property
    def num_classes(self) -> int:
        """The number of classes; void does not count."""
        return len(self.names)

    @property
    def mask_dtype(self) -> str:
        """The integer type of masks: `"uint8"`, or `"uint16"` where void is beyond."""
        return "uint8" if self.ignore_class < 256 else "uint16"

    @property
    def are_numbered(self) -> bool:
        """Whether the names are those of `numbered`, which say nothing."""
        return self.names == _numbered_names(self.num_classes)

    @classmethod
    def numbered(cls, num_classes: int, ignore_class: int | None = None) -> "Labels":
        """Returns classes called `class_0`, `class_1`, ... in default colours.

        Args:
            num_classes: How many.
            ignore_class: The id of void; `None` for 255, or 65535 where 255 is a class.
        """
        return cls.named(_numbered_names(num_classes), ignore_class)

    @classmethod
    def of(
        cls, classes: int | Sequence[str], ignore_class: int | None = None
    ) -> "Labels":
        """Returns classes by their number or by their names.

        Args:
            classes: The number or the names.
            ignore_class: As in `numbered`.

        Raises:
            ValueError: If `classes` is a text.
        """
        if isinstance(classes, str):
            raise ValueError(
                "`classes` must be a number or a list of names such as "
                f"['road', 'car']. Received: the text {classes!r}."
            )
        if isinstance(classes, int):
            return cls.numbered(classes, ignore_class)
        return cls.named(classes, ignore_class)

    @classmethod
    def named(cls, names: Sequence[str], ignore_class: int | None = None) -> "Labels":
        """Returns the given classes in default colours.

        Args:
            names: The names.
            ignore_class: As in `numbered`.
        """
        if ignore_class is None:
            ignore_class = 255 if len(names) <= 255 else 65535
        return cls(tuple(names), default_colors(len(names)), ignore_class)

    def to_dict(self) -> dict:
        """Returns a dictionary that JSON can hold; `from_dict` reads it."""
        return {
            "classes": [
                {"id": i, "name": name, "color": list(color)}
                for i, (name, color) in enumerate(
                    zip(self.names, self.colors, strict=True)
                )
            ],
            "ignore_class": self.ignore_class,
        }

    @classmethod
    def from_dict(cls, data: dict) -> "Labels":
        """Returns the classes that `to_dict` wrote.

        Args:
            data: Its dictionary.

        Raises:
            ValueError: If it is another.
        """
        try:
            classes = sorted(data["classes"], key=lambda entry: entry["id"])
            names = tuple(entry["name"] for entry in classes)
            colors = tuple((r, g, b) for r, g, b in (x["color"] for x in classes))
            ignore_class = data["ignore_class"]
        except (KeyError, TypeError) as error:
            raise ValueError(
                "Classes must be as kseg writes them, with `classes`, a list of `id`, "
                f"`name` and `color`, and `ignore_class`. Received: {str(data)[:80]}."
            ) from error
        return cls(names, colors, ignore_class)


def _numbered_names(num_classes: int) -> tuple[str, ...]:
    return tuple(f"class_{i}" for i in range(num_classes))


def id_dtype(num_classes: int) -> str:
    """Returns the integer type of predicted ids: `"uint8"`, or `"uint16"` beyond 256.

    Args:
        num_classes: How many classes; predictions have no void.
    """
    return "uint8" if num_classes <= 256 else "uint16"


def default_colors(num_classes: int) -> tuple[Color, ...]:
    """Returns the PASCAL VOC colour map: class 0 black, then far-apart colours.

    The bits of the id, lowest first, go in turn to red, green and blue, highest
    bit of the colour first (the development kit of PASCAL VOC 2012).

    Args:
        num_classes: How many colours.

    Example:
    >>> default_colors(4)
    ((0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0))
    """
    colors = []
    for identity in range(num_classes):
        channels = [0, 0, 0]
        for bit in range(8):
            for channel in range(3):
                channels[channel] |= ((identity >> (3 * bit + channel)) & 1) << (
                    7 - bit
                )
        colors.append((channels[0], channels[1], channels[2]))
    return tuple(colors)
