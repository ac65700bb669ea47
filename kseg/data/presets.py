"""Augmentations by name: what a config says, and presets of several.

A description is a dictionary of a name and arguments, such as
`dict(name="gaussian_blur", sigma=(0.3, 1.5), probability=0.2)`. Every augmentation
takes a `probability` of being applied, but for the ones that make the size.
"""

import inspect
from collections.abc import Callable, Mapping

from kseg.data import augment, from_keras
from kseg.data.augment.mixes import Mix
from kseg.registry import unknown

AUGMENTATIONS: dict[str, Callable] = {
    "affine": augment.RandomAffine,
    "auto_contrast": augment.AutoContrast,
    "clahe": augment.RandomClahe,
    "color_jitter": augment.ColorJitter,
    "cutout": augment.Cutout,
    "elastic": augment.ElasticDeformation,
    "equalize": augment.Equalize,
    "flip": augment.RandomFlip,
    "gamma": augment.RandomGamma,
    "gaussian_blur": augment.GaussianBlur,
    "gaussian_noise": augment.GaussianNoise,
    "grayscale": augment.RandomGrayscale,
    "keras_cv_rand_augment": from_keras.rand_augment,
    "jpeg": augment.JpegCompression,
    "motion_blur": augment.MotionBlur,
    "photometric": augment.PhotometricDistortion,
    "posterize": augment.RandomPosterize,
    "quarter_turn": augment.RandomQuarterTurn,
    "rotation": augment.RandomRotation,
    "scale_crop": augment.RandomScaleCrop,
    "sharpness": augment.RandomSharpness,
    "solarize": augment.RandomSolarize,
    "some_of": augment.SomeOf,
}
MIXES: dict[str, Callable] = {
    "class_mix": augment.ClassMix,
    "copy_paste": augment.CopyPaste,
    "cut_mix": augment.CutMix,
    "keras_cv_mosaic": from_keras.mosaic,
    "mix_up": augment.MixUp,
    "mosaic": augment.Mosaic,
}

# The operations of "RandAugment", table 6, at about 10 of its 30 steps of magnitude.
# Invert is left out, as it is by most who train with it, and so is the identity.
_RAND_AUGMENT = (
    dict(name="affine", degrees=10.0, scale=(1.0, 1.0), shear=0.0, translation=0.0),
    dict(name="affine", degrees=0.0, scale=(1.0, 1.0), shear=6.0, translation=0.0),
    dict(name="affine", degrees=0.0, scale=(1.0, 1.0), shear=0.0, translation=0.1),
    dict(name="color_jitter", brightness=0.3, contrast=0.0, saturation=0.0),
    dict(name="color_jitter", brightness=0.0, contrast=0.3, saturation=0.0),
    dict(name="color_jitter", brightness=0.0, contrast=0.0, saturation=0.3),
    dict(name="sharpness", factor=(0.7, 1.3)),
    dict(name="posterize", bits=(5, 8)),
    dict(name="solarize", threshold=(170.0, 256.0)),
    dict(name="auto_contrast"),
    dict(name="equalize"),
)
_CROP = (dict(name="scale_crop"), dict(name="flip"))

# Each is all of a training's augmentation, in order.
PRESETS: dict[str, tuple[dict, ...]] = {
    "light": (*_CROP, dict(name="color_jitter")),
    # What mmsegmentation's and most papers' recipes do beside the crop and the flip.
    "medium": (*_CROP, dict(name="photometric")),
    "strong": (
        dict(name="affine", probability=0.5),
        *_CROP,
        dict(name="photometric"),
        dict(name="grayscale", probability=0.05),
        dict(name="gamma", probability=0.2),
        dict(name="gaussian_blur", probability=0.2),
        dict(name="motion_blur", probability=0.1),
        dict(name="gaussian_noise", probability=0.2),
        dict(name="jpeg", probability=0.2),
        dict(name="cutout", probability=0.3),
    ),
    "randaugment": (
        *_CROP,
        dict(name="some_of", count=2, augmentations=_RAND_AUGMENT),
    ),
    # keras-cv's own, which needs TensorFlow and its time.
    "keras_cv": (*_CROP, dict(name="keras_cv_rand_augment")),
    # Seen from above, up is as good as any direction.
    "aerial": (
        dict(name="quarter_turn"),
        dict(name="scale_crop", scale=(0.75, 1.5)),
        dict(name="flip"),
        dict(name="photometric"),
    ),
    # Tissue is soft, and has no up; a little data goes a long way with deformations.
    "microscopy": (
        dict(name="quarter_turn"),
        dict(name="elastic", border="mirror"),
        dict(name="scale_crop", scale=(0.75, 1.5)),
        dict(name="flip"),
        dict(name="gamma"),
        dict(name="gaussian_noise", probability=0.2),
    ),
}


def preset(
    name: str, size: tuple[int, int], ignore_class: int = 255, border: str = "void"
) -> list[Callable]:
    """Returns the augmentations of a preset.

    Args:
        name: One of `PRESETS`.
        size: Height and width of the training crops in pixels.
        ignore_class: What the mask gets beyond a void border.
        border: `"void"` or `"mirror"`.

    Raises:
        ValueError: If the name is unknown.

    Example:
    >>> [type(each).__name__ for each in preset("medium", (360, 480))]
    ['RandomScaleCrop', 'RandomFlip', 'PhotometricDistortion']
    """
    filled = dict(size=size, ignore_class=ignore_class, border=border)
    return [make(each, filled) for each in find_preset(name)]


def find_preset(name: str) -> tuple[dict, ...]:
    """Returns the descriptions of a preset.

    Args:
        name: One of `PRESETS`.

    Raises:
        ValueError: If the name is unknown.
    """
    if name not in PRESETS:
        raise ValueError(unknown("preset of augmentations", name, sorted(PRESETS)))
    return PRESETS[name]


def make(description: Mapping, filled: Mapping) -> Callable:
    """Makes an augmentation from its description.

    Args:
        description: Its name and arguments.
        filled: Arguments that it gets if it has them and they are not given.

    Raises:
        ValueError: If the name or an argument is unknown, or an argument is wrong.
    """
    kind, arguments = _look_up(description, AUGMENTATIONS, "augmentation")
    known = _arguments(kind)
    if kind is augment.SomeOf and "augmentations" in arguments:
        arguments["augmentations"] = tuple(
            make(each, filled) for each in arguments["augmentations"]
        )
    probability = None
    if "probability" not in known and kind is not augment.RandomScaleCrop:
        known |= {"probability"}
        probability = arguments.pop("probability", None)
    made = _call(kind, arguments, known, filled, description["name"])
    return made if probability is None else augment.Sometimes(made, probability)


def make_mix(description: Mapping | str, ignore_class: int = 255) -> Mix:
    """Makes a mix from its description, or from its name alone.

    Args:
        description: Its name and arguments.
        ignore_class: What counts as no class.

    Raises:
        ValueError: If the name or an argument is unknown, or an argument is wrong.

    Example:
    >>> make_mix("cut_mix")
    CutMix(alpha=1.0, probability=0.5)
    """
    if isinstance(description, str):
        description = {"name": description}
    kind, arguments = _look_up(description, MIXES, "mix")
    filled = {"ignore_class": ignore_class}
    return _call(kind, arguments, _arguments(kind), filled, description["name"])


def describe(augmentation: Callable) -> dict:
    """Returns the description of an augmentation, which `make` makes it from.

    Args:
        augmentation: One of kseg's.

    Raises:
        ValueError: If it has no description.
    """
    if isinstance(augmentation, augment.Sometimes):
        inner = describe(augmentation.augmentation)
        if "probability" in inner:
            raise ValueError(
                "An augmentation has one probability. Received: "
                f"{augmentation!r}. Set that of the inner one alone."
            )
        return {**inner, "probability": augmentation.probability}
    names = {kind: name for name, kind in AUGMENTATIONS.items()}
    if type(augmentation) not in names:
        raise ValueError(
            f"Only augmentations of kseg can be described. Received: {augmentation!r}."
        )
    description = {"name": names[type(augmentation)], **vars(augmentation)}
    if isinstance(augmentation, augment.SomeOf):
        description["augmentations"] = [
            describe(each) for each in augmentation.augmentations
        ]
    return description


def check_description(description: object, what: str) -> None:
    """Raises unless a description is a dictionary with a name.

    Args:
        description: What was received.
        what: What it describes, for the message: `"mix"`.

    Raises:
        ValueError: If it is something else.
    """
    if not isinstance(description, Mapping) or "name" not in description:
        raise ValueError(
            f"The description of a {what} must be a dictionary with a `name`. "
            f"Received: {description!r}."
        )


def _look_up(
    description, table: Mapping[str, Callable], what: str
) -> tuple[Callable, dict]:
    """Returns what a description calls, and its arguments."""
    check_description(description, what)
    arguments = dict(description)
    name = arguments.pop("name")
    if name not in table:
        raise ValueError(unknown(what, name, sorted(table)))
    return table[name], arguments


def _call(kind: Callable, arguments: dict, known: set, filled: Mapping, name: str):
    """Calls a class or a function with arguments that are checked and completed."""
    for key in arguments:
        if key not in known:
            raise ValueError(unknown(f"argument of {name!r}", key, sorted(known)))
    filled = {k: v for k, v in filled.items() if k in _arguments(kind)}
    arguments = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in {**filled, **arguments}.items()
    }
    try:
        return kind(**arguments)
    except (TypeError, IndexError) as error:
        raise ValueError(
            f"The arguments of {name!r} must be {sorted(known)}, of their types. "
            f"Received: {arguments} ({error})."
        ) from error


def _arguments(kind: Callable) -> set[str]:
    """Returns the names of the arguments of a class or a function."""
    return set(inspect.signature(kind).parameters)
