"""The generated street scenes as a source."""

from pathlib import Path

from kseg.data.sources import TfdsSource
from kseg.data.synthetic import LABELS


def synthetic(
    split: str,
    num_train: int = 400,
    num_val: int = 100,
    size: tuple[int, int] = (180, 240),
    scene_seed: int = 0,
    data_dir: str | Path | None = None,
) -> TfdsSource:
    """Opens the generated street scenes, made by a TFDS builder at first use.

    Args:
        split: `"train"` or `"val"`.
        num_train: Number of training scenes.
        num_val: Number of validation scenes.
        size: Height and width in pixels.
        scene_seed: What the scenes are drawn from.
        data_dir: Where TFDS keeps its data; `None` for kseg's cache.

    Returns:
        The scenes of the split, read by random access.

    Raises:
        ValueError: If the split is another.
    """
    from kseg.data import synthetic_builder
    from kseg.download import cache_dir

    splits = {"train": "train", "val": "validation"}
    if split not in splits:
        raise ValueError(f"`split` must be 'train' or 'val'. Received: {split!r}.")
    sources = synthetic_builder.prepare(
        data_dir or cache_dir() / "tfds",
        num_train,
        num_val,
        (size[0], size[1]),
        scene_seed,
    )
    return TfdsSource(sources[splits[split]], LABELS)
