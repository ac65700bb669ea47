"""Does a dense CRF sharpen borders? A trained model without and with it.

python benchmarks/crf_borders.py <model> --data camvid [--path <folder>]

The settings are searched on every other validation image, up to `--images` of them, and
measured on the other half, which had no say. Prints the scores without the CRF, with
the parameters of DeepLab's second version and with those found, and all settings that
were tried; `--plot` draws mean IoU in bands of 1 to 40 pixels along the borders, as
figure 6 of Chen et al. 2015, and `--pictures` shows some images before and after.
`pip install "kseg[tensorflow,image,dev]"`.
"""

import argparse
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import tqdm

from kseg import models
from kseg.data import open_source
from kseg.inference import (
    CRF_PARAMETERS,
    dense_crf,
    predict_probabilities,
    search_dense_crf,
    side_by_side,
)
from kseg.metrics import DatasetScores, TrimapScores
from kseg.raster import write_image

PUBLISHED = "deeplabv2"


class Predicted:
    """Images, a model's probabilities in half precision, and masks, by position."""

    def __init__(self, model, source, indices):
        """Runs the model on all of them."""
        self.source, self.indices = source, list(indices)
        self.probabilities = [
            predict_probabilities(model, source[i][0]).astype("float16")
            for i in tqdm.tqdm(self.indices, desc="predict", leave=False)
        ]

    def __len__(self):
        """Returns their number."""
        return len(self.indices)

    def __getitem__(self, position):
        """Returns an image, its probabilities and its mask."""
        image, mask = self.source[self.indices[position]]
        scores = self.probabilities[position].astype("float32")
        return image, scores / scores.sum(axis=-1, keepdims=True), mask


def measure(examples, labels, parameters):
    """Returns the scores with a CRF of these parameters, `None` for none."""
    all_scores = DatasetScores(labels)
    bands = TrimapScores(labels.num_classes, ignore_class=labels.ignore_class)
    begin = time.perf_counter()
    for position in tqdm.trange(len(examples), desc="measure", leave=False):
        image, scores, mask = examples[position]
        if parameters is not None:
            scores = dense_crf(image, scores, **parameters)
        ids = scores.argmax(axis=-1)
        all_scores.update(mask, ids)
        bands.update(mask, ids)
    seconds = (time.perf_counter() - begin) / len(examples)
    return all_scores.result(), bands.result(), seconds


def main() -> None:
    """Runs the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--data", required=True)
    parser.add_argument("--path")
    parser.add_argument("--images", type=int, default=25)
    parser.add_argument("--w1", type=float, nargs="+", default=[2, 4, 8])
    parser.add_argument("--alpha", type=float, nargs="+", default=[10, 30, 60])
    parser.add_argument("--beta", type=float, nargs="+", default=[3, 6, 12])
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--pictures", type=Path)
    arguments = parser.parse_args()
    source = open_source(arguments.data, "val", path=arguments.path)
    model, labels = models.load(arguments.model), source.labels
    half = range(0, len(source), 2)
    searched = Predicted(model, source, half[:: -(-len(half) // arguments.images)])
    found = search_dense_crf(
        searched,
        labels.ignore_class,
        arguments.w1,
        arguments.alpha,
        arguments.beta,
    )
    print(f"settings tried on {len(searched)} images:")
    for entry in found:
        print("  " + ", ".join(f"{key} {value:g}" for key, value in entry.items()))
    best = next(entry for entry in found if entry["w1"])
    best = {key: best[key] for key in ("w1", "s_alpha", "s_beta")}

    examples = Predicted(model, source, range(1, len(source), 2))
    ways = {
        "without CRF": None,
        f"CRF of {PUBLISHED}": dict(CRF_PARAMETERS[PUBLISHED]),
        "CRF as found": best,
    }
    figure, axes = plt.subplots(figsize=(6, 4))
    for way, parameters in ways.items():
        result, bands, seconds = measure(examples, labels, parameters)
        axes.plot(bands["widths"], 100 * np.array(bands["mean_iou"]), label=way)
        classes = ", ".join(f"{k} {v:.1%}" for k, v in result["class_iou"].items())
        print(
            f"{way} {parameters or ''}: mean IoU {result['mean_iou']:.2%}, pixel "
            f"accuracy {result['pixel_accuracy']:.2%}, boundary F1 "
            f"{result['boundary_f1']:.2%}, mean IoU within 1, 5 and 20 pixels "
            f"{bands['mean_iou'][0]:.2%}, {bands['mean_iou'][4]:.2%}, "
            f"{bands['mean_iou'][19]:.2%}, {seconds:.2f} s an image\n  IoU: {classes}"
        )
    if arguments.plot:
        axes.set(xlabel="width of the band (pixels)", ylabel="mean IoU in the band (%)")
        name = Path(arguments.model).stem
        axes.set_title(f"{name}, {len(examples)} images of {arguments.data}")
        axes.grid(alpha=0.3)
        axes.legend()
        figure.savefig(arguments.plot, bbox_inches="tight", metadata={"Date": None})
    if arguments.pictures:
        arguments.pictures.mkdir(parents=True, exist_ok=True)
        for position in range(0, len(examples), max(len(examples) // 4, 1)):
            image, scores, mask = examples[position]
            sharp = dense_crf(image, scores, **best).argmax(axis=-1)
            for name, ids in (("before", scores.argmax(axis=-1)), ("after", sharp)):
                path = arguments.pictures / f"{position:03d}_{name}.png"
                write_image(path, side_by_side([(image, mask, ids)], labels))


if __name__ == "__main__":
    main()
