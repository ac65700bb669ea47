"""A patch classifier window by window, and all windows at once.

python benchmarks/sliding_window.py [--size 240 320] [--repeats 5]

Prints the medians, their ratio and the largest difference of scores, for a classifier
with `valid` convolutions and one with `same` convolutions on windows of 65 pixels at
the stride of the network, 4. Times hold for one machine, ratios for more.
"""

import argparse
import statistics
import time

import keras
import numpy as np
from keras import layers

from kseg.inference import (
    convolutionalise,
    network_stride,
    slide_classifier,
    slide_convolutional,
)

WINDOW = 65


def classifier(padding: str) -> keras.Model:
    """Builds a patch classifier of three convolutions and two dense layers."""
    image = keras.Input((WINDOW, WINDOW, 3))
    x = layers.Rescaling(1 / 127.5, -1)(image)
    for filters in (24, 48):
        x = layers.Conv2D(filters, 4, padding=padding, activation="relu")(x)
        x = layers.MaxPooling2D(padding=padding)(x)
    x = layers.Conv2D(48, 4, padding=padding, activation="relu")(x)
    x = layers.Dense(96, activation="relu")(layers.Flatten()(x))
    return keras.Model(image, layers.Dense(11)(x))


def main() -> None:
    """Runs the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, nargs=2, default=(240, 320))
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    keras.utils.set_random_seed(0)
    image = np.random.default_rng(0).integers(0, 256, (*arguments.size, 3), np.uint8)
    for padding in ("valid", "same"):
        model = classifier(padding)
        convolutional = convolutionalise(model)
        stride = network_stride(convolutional, WINDOW)
        ways = {
            "windows": lambda m=model, s=stride: slide_classifier(m, image, WINDOW, s),
            "at once": lambda m=convolutional: slide_convolutional(m, image, WINDOW),
        }
        # Turn by turn, so that what else the machine does weighs on both.
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        scores = {name: way() for name, way in ways.items()}  # compiles too
        for _ in range(arguments.repeats):
            for name, way in ways.items():
                start = time.perf_counter()
                way()
                seconds[name].append(time.perf_counter() - start)
        slow, fast = (statistics.median(seconds[name]) for name in ways)
        apart = np.abs(scores["windows"] - scores["at once"]).max()
        print(
            f"{padding}: {scores['windows'].shape[:2]} windows, one by one "
            f"{slow:.2f} s, at once {fast:.3f} s, ratio {slow / fast:.0f}; scores up "
            f"to {apart:.1e} apart, standard deviation {scores['windows'].std():.1e}"
        )


if __name__ == "__main__":
    main()
