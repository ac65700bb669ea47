"""The dense CRF: kseg's lattice beside pydensecrf2.

python benchmarks/dense_crf.py [photo] [--repeats 5]

Both run in turn in one process on a photo of 375x500 pixels with 21 classes and ten
iterations, at the parameters of three publications; what is printed is the ratio of
their medians, which is steadier than seconds are, the share of pixels whose
probabilities agree to 1e-3, and the most memory that kseg's took. The photo is a cup
of coffee of scikit-image's where none is given. `pip install "kseg[image,peers]"`.
"""

import argparse
import importlib.metadata
import statistics
import time
import tracemalloc

import numpy as np
import scipy.ndimage
import skimage.data
from PIL import Image
from pydensecrf import densecrf

from kseg.inference import CRF_PARAMETERS, dense_crf

SIZE = (375, 500)
NUM_CLASSES = 21
ITERATIONS = 10
PUBLISHED = ("kraehenbuehl", "deeplabv2", "deeplabv2_resnet101")


def network_output(seed: int) -> np.ndarray:
    """Makes smooth probabilities, as those of a network of stride 8."""
    height, width = SIZE
    rng = np.random.default_rng(seed)
    coarse = rng.normal(0, 3, (-(-height // 32), -(-width // 32), NUM_CLASSES))
    factors = (height / coarse.shape[0], width / coarse.shape[1], 1)
    logits = scipy.ndimage.zoom(coarse, factors, order=1)
    exponents = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return (exponents / exponents.sum(axis=-1, keepdims=True)).astype("float32")


def theirs(image: np.ndarray, scores: np.ndarray, parameters: dict) -> np.ndarray:
    """Runs pydensecrf2."""
    height, width, num_classes = scores.shape
    crf = densecrf.DenseCRF2D(width, height, num_classes)
    energy = -np.log(np.maximum(scores, 1e-30)).reshape(-1, num_classes).T
    crf.setUnaryEnergy(np.ascontiguousarray(energy))
    after = parameters.get("normalization") == "after"
    rule = densecrf.NORMALIZE_AFTER if after else densecrf.NORMALIZE_SYMMETRIC
    crf.addPairwiseGaussian(
        sxy=parameters.get("s_gamma", 3),
        compat=parameters.get("w2", 3),
        normalization=rule,
    )
    crf.addPairwiseBilateral(
        sxy=parameters["s_alpha"],
        srgb=parameters["s_beta"],
        rgbim=image,
        compat=parameters["w1"],
        normalization=rule,
    )
    return np.array(crf.inference(ITERATIONS)).T.reshape(scores.shape)


def main() -> None:
    """Runs the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photo", nargs="?")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    if arguments.photo:
        photo = Image.open(arguments.photo).convert("RGB")
    else:
        photo = Image.fromarray(skimage.data.coffee())
    image = np.array(photo.resize(SIZE[::-1]))
    scores = network_output(0)
    print(f"pydensecrf2 {importlib.metadata.version('pydensecrf2')}")
    for name in PUBLISHED:
        parameters = dict(CRF_PARAMETERS[name])
        ways = {
            "kseg": lambda p=parameters: dense_crf(
                image, scores, iterations=ITERATIONS, **p
            ),
            "pydensecrf2": lambda p=parameters: theirs(image, scores, p),
        }
        results = {way: run() for way, run in ways.items()}
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        # Turn by turn, so that what else the machine does weighs on both.
        for _ in range(arguments.repeats):
            for way, run in ways.items():
                start = time.perf_counter()
                run()
                seconds[way].append(time.perf_counter() - start)
        tracemalloc.start()
        ways["kseg"]()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        ours, other = (statistics.median(seconds[way]) for way in ways)
        apart = np.abs(results["kseg"] - results["pydensecrf2"]).max(axis=-1)
        print(
            f"{name}: kseg {ours:.2f} s, pydensecrf2 {other:.2f} s, ratio "
            f"{ours / other:.2f}; {(apart < 1e-3).mean():.2%} of pixels agree to 1e-3; "
            f"{peak / 2**20:.0f} MiB"
        )


if __name__ == "__main__":
    main()
