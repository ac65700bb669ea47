"""Milliseconds of every augmentation, beside albumentations' where it has the same.

python benchmarks/augmentation.py

One thread, an image of 480x360 with a mask of 11 classes, as CamVid's; the best of
several rounds. Albumentations (`pip install albumentations`) is left out if missing.
"""

import time
from collections.abc import Callable

import cv2
import numpy as np

from kseg.data import presets
from kseg.data.geometry import Example

SIZE = (360, 480)
REQUIRED = {
    # What changes an image in every call.
    "flip": {"probability": 1.0},
    "grayscale": {"probability": 1.0},
    "photometric": {"each": 1.0},
    "copy_paste": {"classes": (3, 4)},
    "scale_crop": {"size": SIZE},
    "some_of": {
        "augmentations": presets.find_preset("randaugment")[-1]["augmentations"]
    },
}


def is_ours(name: str) -> bool:
    """Returns whether an augmentation needs no other package."""
    return not name.startswith("keras_cv")


def example() -> Example:
    """Returns a smooth image and its mask."""
    noise = np.random.default_rng(0).integers(0, 256, (*SIZE, 3)).astype(np.uint8)
    image = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, 0, 255, 32)
    return Example(image, image[..., 0] // 24)


def milliseconds(function: Callable[[], object], rounds: int = 7) -> float:
    """Returns the best time of ten calls, each."""
    function()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(10):
            function()
        times.append((time.perf_counter() - start) * 100)
    return min(times)


def ours() -> dict[str, Callable[[], object]]:
    """Returns a call of every augmentation and mix by its name."""
    pair, rng, calls = example(), np.random.default_rng(0), {}
    for name in filter(is_ours, presets.AUGMENTATIONS):
        made = presets.make({"name": name, **REQUIRED.get(name, {})}, {})
        calls[name] = lambda made=made: made(pair, rng)
    for name in filter(is_ours, presets.MIXES):
        mix = presets.make_mix({"name": name, **REQUIRED.get(name, {})})
        examples = [pair] * (1 + mix.partners)
        calls[name] = lambda mix=mix, examples=examples: mix(examples, rng)
    return calls


def theirs() -> dict[str, Callable[[], object]]:
    """Returns a call of albumentations' by the name of ours; none if it is missing."""
    try:
        import albumentations as peer
    except ImportError:
        return {}
    made = {
        "affine": peer.Affine(
            scale=(0.8, 1.25), rotate=(-10, 10), shear=(-5, 5), fill=127, p=1
        ),
        "clahe": peer.CLAHE((1, 4), p=1),
        "color_jitter": peer.ColorJitter(0.2, 0.2, 0.2, 0, p=1),
        "cutout": peer.CoarseDropout((1, 3), (0.1, 0.3), (0.1, 0.3), p=1),
        "elastic": peer.ElasticTransform(10, 30, p=1),
        "equalize": peer.Equalize(p=1),
        "flip": peer.HorizontalFlip(p=1),
        "gamma": peer.RandomGamma((70, 140), p=1),
        "gaussian_blur": peer.GaussianBlur((0, 0), (0.3, 2), p=1),
        "gaussian_noise": peer.GaussNoise((0.01, 0.05), p=1),
        "grayscale": peer.ToGray(p=1),
        "jpeg": peer.ImageCompression(quality_range=(30, 95), p=1),
        "motion_blur": peer.MotionBlur((3, 9), p=1),
        "posterize": peer.Posterize((4, 7), p=1),
        "quarter_turn": peer.RandomRotate90(p=1),
        "rotation": peer.Rotate((-180, 180), fill=127, p=1),
        "sharpness": peer.Sharpen(p=1),
        "solarize": peer.Solarize((0.5, 1.0), p=1),
    }
    pair = example()
    return {
        name: lambda each=each: each(image=pair.image, mask=pair.mask)
        for name, each in made.items()
    }


def main() -> None:
    """Prints a line for each augmentation."""
    cv2.setNumThreads(1)
    peers = theirs()
    print(f"{'name':16} {'kseg':>6} {'albumentations':>15}")
    for name, call in ours().items():
        peer = f"{milliseconds(peers[name]):15.2f}" if name in peers else ""
        print(f"{name:16} {milliseconds(call):6.2f} {peer}")


if __name__ == "__main__":
    main()
