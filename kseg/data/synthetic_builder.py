"""The drawn streets as a TFDS data set, stored for random access.

The records are ArrayRecord files: example `i` is scene `i`, and any example can be read
without those before it. Nothing is downloaded. Neither writing nor reading imports
TensorFlow, only the packages `tensorflow-datasets` and `array-record`.
"""

import contextlib
import dataclasses
import io
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from typing import cast

import numpy as np
import tensorflow_datasets as tfds
import tqdm
from PIL import Image

from kseg.data.synthetic import LABELS, scene


@dataclasses.dataclass(eq=False)
class SceneConfig(tfds.core.BuilderConfig):
    """Which scenes a data set holds; the name says it all, and names the folder.

    Args:
        num_train: Number of training scenes.
        num_validation: Number of validation scenes.
        size: Height and width, pixels.
        seed: The seed of the scenes.
    """

    name: str = ""
    num_train: int = 400
    num_validation: int = 100
    size: tuple[int, int] = (180, 240)
    seed: int = 0

    def __post_init__(self):
        """Derives the name."""
        height, width = self.size
        self.name = (
            f"train{self.num_train}_validation{self.num_validation}"
            f"_{height}x{width}_seed{self.seed}"
        )


class KsegSynthetic(tfds.core.GeneratorBasedBuilder):
    """Drawn street scenes with their masks."""

    # A change of what `scene` draws is a new version: stored scenes would differ.
    VERSION = tfds.core.Version("1.0.0")

    @property
    def _scenes(self) -> SceneConfig:
        """Which scenes this builder is for."""
        return cast(SceneConfig, self.builder_config)

    def _info(self) -> tfds.core.DatasetInfo:
        """Returns the features."""
        height, width = self._scenes.size
        features = tfds.features.FeaturesDict(
            {
                "image": tfds.features.Image(shape=(height, width, 3)),
                "segmentation_mask": tfds.features.Image(shape=(height, width, 1)),
                "index": tfds.features.Scalar(np.int64),
            }
        )
        return tfds.core.DatasetInfo(
            builder=self,
            description=f"Drawn street scenes. Classes: {', '.join(LABELS.names)}.",
            features=features,
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager) -> dict:
        """Returns the generators of the splits."""
        config = self._scenes
        return {
            "train": self._generate_examples("train", config.num_train),
            "validation": self._generate_examples("validation", config.num_validation),
        }

    def _generate_examples(self, split: str, count: int) -> Iterator[tuple[int, dict]]:
        """Yields the scenes of a split."""
        config = self._scenes
        # Past `_quiet` and on the first line, which TFDS's silent bars also claim.
        shown = {"file": sys.__stderr__, "position": 0, "leave": False}
        for index in tqdm.trange(count, desc=f"draw {split} scenes", **shown):
            image, mask = scene(index, split, config.seed, config.size)
            yield (
                index,
                {
                    "image": _png(image),
                    "segmentation_mask": _png(mask),
                    "index": index,
                },
            )


def prepare(
    data_dir: str | os.PathLike[str],
    num_train: int = 400,
    num_validation: int = 100,
    size: tuple[int, int] = (180, 240),
    seed: int = 0,
) -> dict[str, Sequence]:
    """Opens the drawn streets, and draws them first if they are not there yet.

    Args:
        data_dir: Where TFDS keeps its data sets. The folder of this one appears
            when it is whole; another one made in the meantime is used.
        num_train: Number of training scenes, at least 1.
        num_validation: Number of validation scenes, at least 1.
        size: Height and width, pixels.
        seed: The seed of the scenes.

    Returns:
        The splits `"train"` and `"validation"`: sequences of dictionaries with an
        `"image"`, uint8 `(height, width, 3)`, a `"segmentation_mask"`, uint8
        `(height, width, 1)`, and the `"index"` of the scene.

    Raises:
        ValueError: If a number of scenes is below 1.
    """
    if num_train < 1 or num_validation < 1:
        raise ValueError(
            "`num_train` and `num_validation` must be 1 or more. Received: "
            f"{num_train} and {num_validation}."
        )
    config = SceneConfig(
        num_train=num_train, num_validation=num_validation, size=size, seed=seed
    )
    with _quiet():
        builder = _builder(data_dir, config)
        try:
            builder.download_and_prepare()
        except OSError:
            builder = _builder(data_dir, config)
            if not builder.is_prepared():  # and no other process was faster
                raise
        sources = cast(dict[str, Sequence], builder.as_data_source())
        _ = sources["train"][0]  # the first read gives its advice in here
    return sources


def _builder(data_dir: str | os.PathLike[str], config: SceneConfig) -> KsegSynthetic:
    """Returns the builder, with the information of what is already there."""
    return KsegSynthetic(
        data_dir=os.fspath(data_dir), config=config, file_format="array_record"
    )


def _png(pixels: np.ndarray) -> io.BytesIO:
    """Returns a picture as PNG, because TFDS encodes arrays with TensorFlow."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG")
    file.seek(0)
    return file


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silences TFDS's progress bars, prints and advice; errors still raise."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with (
            open(os.devnull, "w") as sink,
            contextlib.redirect_stdout(sink),
            contextlib.redirect_stderr(sink),
        ):
            yield
    finally:
        logger.setLevel(level)
