"""Augmentations: functions of `(example, rng)` that return an `Example`.

They run on NumPy and OpenCV, so `tf.data` and the TensorFlow-free loader share them.
Those that move pixels move image, mask and weights alike; what they find beyond the
border of an image is said in `kseg.data.geometry`. Any function of the same arguments
is an augmentation too, such as
`lambda example, rng: example._replace(image=255 - example.image)`. It must not write
into its example, which may be kept for the next time.

Rotation and deformation are best put in front of `RandomScaleCrop`, so that they
bring in what is beside the crop, and the border of the image only where it ends.
Ronneberger et al., "U-Net", section 3.1, shifts (the place of the crop), rotates,
deforms elastically and varies grey values (`ColorJitter`). All else is faster behind
the crop.
"""

from kseg.data.augment.affine import RandomAffine, RandomRotation
from kseg.data.augment.chance import SomeOf, Sometimes
from kseg.data.augment.color import (
    ColorJitter,
    PhotometricDistortion,
    RandomClahe,
    RandomGamma,
    RandomGrayscale,
)
from kseg.data.augment.cutout import Cutout
from kseg.data.augment.degradation import (
    GaussianBlur,
    GaussianNoise,
    JpegCompression,
    MotionBlur,
)
from kseg.data.augment.elastic import ElasticDeformation
from kseg.data.augment.mixes import ClassMix, CopyPaste, CutMix, Mix, MixUp, Mosaic
from kseg.data.augment.scale_crop import RandomScaleCrop
from kseg.data.augment.symmetry import RandomFlip, RandomQuarterTurn
from kseg.data.augment.tone import (
    AutoContrast,
    Equalize,
    RandomPosterize,
    RandomSharpness,
    RandomSolarize,
)

__all__ = [
    "AutoContrast",
    "ClassMix",
    "ColorJitter",
    "CopyPaste",
    "CutMix",
    "Cutout",
    "ElasticDeformation",
    "Equalize",
    "GaussianBlur",
    "GaussianNoise",
    "JpegCompression",
    "Mix",
    "MixUp",
    "Mosaic",
    "MotionBlur",
    "PhotometricDistortion",
    "RandomAffine",
    "RandomClahe",
    "RandomFlip",
    "RandomGamma",
    "RandomGrayscale",
    "RandomPosterize",
    "RandomQuarterTurn",
    "RandomRotation",
    "RandomScaleCrop",
    "RandomSharpness",
    "RandomSolarize",
    "SomeOf",
    "Sometimes",
]
