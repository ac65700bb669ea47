"""Calibration: are pixels as often right as they are confident?

Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, section 2.
https://arxiv.org/abs/1706.04599. The confidence of a pixel is the probability of its
predicted class. Pixels are put into M bins of equal width, bin m holding confidences
above (m - 1) / M up to m / M. The expected calibration error (ECE) is the mean, over
pixels, of the gap between the accuracy and the mean confidence of their bin, the
maximum calibration error (MCE) the largest gap. The pixels of all images are one
sample.

The Brier score is the mean over pixels of the sum, over classes, of the squared
differences from the true distribution, as in Brier 1950: from 0 to 2. In the negative
log likelihood, in nats, a probability is at least 1e-7, as in Keras's cross entropy.
"""

from typing import Any

import numpy as np

from kseg.metrics.averages import ratio
from kseg.metrics.class_ids import IgnoreClass, scored_pixels

_SMALLEST = 1e-7
SUM_TOLERANCE = 1e-2  # of half precision over a thousand classes


class CalibrationScores:
    """Collects probabilities of a data set, image by image; keeps only sums over bins.

    Args:
        num_classes: Number of classes, at least 2: void does not count.
        ignore_class: The label, or labels, of void pixels; `None` for no void.
        bins: Number of bins.

    Raises:
        ValueError: If `bins` is below 1.

    Example:
    >>> probabilities = np.array([[[0.8, 0.2], [0.8, 0.2], [0.0, 1.0]]])
    >>> collected = CalibrationScores(2, bins=10)
    >>> collected.update(np.array([[0, 1, 1]]), probabilities)
    >>> round(collected.result()["expected_calibration_error"], 6)  # 2 / 3 of 0.3
    0.2
    """

    def __init__(
        self, num_classes: int, ignore_class: IgnoreClass = 255, bins: int = 15
    ):
        """Starts with nothing collected."""
        check_bins(bins)
        self.num_classes = num_classes
        self.ignore_class = ignore_class
        self.bins = bins
        # By predicted class and bin: pixels, right ones, and the sum of confidences.
        self.sums = np.zeros((3, num_classes, bins))
        self.losses = np.zeros(2)  # sums of Brier score and negative log likelihood

    def update(self, labels: np.ndarray, probabilities: np.ndarray) -> None:
        """Adds an image.

        Args:
            labels: True class ids, integers `(height, width)`.
            probabilities: Floats `(height, width, num_classes)`, 0 to 1, that sum to 1
                at each pixel that is not void.

        Raises:
            ValueError: If a shape is wrong, a label out of range, or these are no
                probabilities: NaN, infinite, negative or of another sum.
        """
        labels, probabilities = np.asarray(labels), np.asarray(probabilities)
        if probabilities.shape != (*labels.shape, self.num_classes):
            raise ValueError(
                "`probabilities` must have one channel for each class, of the shape "
                f"{(*labels.shape, self.num_classes)} as the labels and `num_classes` "
                f"say. Received: {probabilities.shape}."
            )
        nothing = np.zeros(labels.shape, np.uint8)  # ids to check: there are none yet
        scored = scored_pixels(labels, nothing, self.num_classes, self.ignore_class)
        labels, values = labels[scored], probabilities[scored].astype(np.float64)
        _check_probabilities(values)
        predicted = values.argmax(axis=-1)
        confidence = np.minimum(values.max(axis=-1, initial=0), 1.0)
        own = values[np.arange(len(values)), labels.astype(np.int64)]
        cells = predicted * self.bins + bin_of(confidence, self.bins)
        for total, weights in zip(
            self.sums, (None, predicted == labels, confidence), strict=True
        ):
            counted = np.bincount(cells, weights, self.num_classes * self.bins)
            total += counted.reshape(total.shape)
        brier = (values**2).sum(axis=-1) - 2 * own + 1
        likelihood = -np.log(np.clip(own, _SMALLEST, 1.0))
        self.losses += brier.sum(), likelihood.sum()

    def result(self) -> dict[str, Any]:
        """Returns the scores.

        Returns:
            `expected_calibration_error`, `maximum_calibration_error`, `brier_score`,
            `negative_log_likelihood`, `accuracy` and `confidence`, floats;
            `bin_count`, `bin_confidence` and `bin_accuracy` `(bins,)`, the reliability
            diagram; and `class_expected_calibration_error` `(num_classes,)`, of the
            pixels that are predicted as a class. NaN where nothing was there to score.
        """
        pixels = np.array(self.sums[0].sum())
        brier, likelihood = ratio(np, self.losses, pixels).tolist()
        return {
            "expected_calibration_error": float(calibration_error(self.sums.sum(1))),
            "brier_score": brier,
            "negative_log_likelihood": likelihood,
            "accuracy": float(ratio(np, self.sums[1].sum(), pixels)),
            "confidence": float(ratio(np, self.sums[2].sum(), pixels)),
            **reliability(self.sums),
            "class_expected_calibration_error": calibration_error(self.sums),
        }


def check_bins(bins: int) -> None:
    """Raises unless this is a number of bins."""
    if bins < 1:
        raise ValueError(f"`bins` must be 1 or more. Received: {bins}.")


def bin_of(confidence: np.ndarray, bins: int) -> np.ndarray:
    """Returns the bin, from 0 on, of each confidence; upper edges are within."""
    return np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)


def calibration_error(sums: np.ndarray) -> np.ndarray:
    """Returns the expected calibration error.

    Args:
        sums: `(3, ..., bins)`: pixels, right pixels, and sums of their confidences.

    Returns:
        float64 `(...)`; NaN without a pixel.
    """
    pixels, right, confidence = sums
    return ratio(np, np.abs(right - confidence).sum(axis=-1), pixels.sum(axis=-1))


def reliability(sums: np.ndarray) -> dict[str, Any]:
    """Returns the reliability diagram of all classes together.

    Args:
        sums: `(3, num_classes, bins)`: pixels, right pixels, sums of confidences.

    Returns:
        `bin_count`, int64, `bin_confidence` and `bin_accuracy` `(bins,)`, NaN in empty
        bins, and `maximum_calibration_error`, NaN without a pixel.
    """
    pixels, right, confidence = sums.sum(axis=1)
    accuracy, confidence = (ratio(np, part, pixels) for part in (right, confidence))
    gaps = np.abs(accuracy - confidence)[pixels > 0]
    return {
        "bin_count": pixels.astype(np.int64),
        "bin_confidence": confidence,
        "bin_accuracy": accuracy,
        "maximum_calibration_error": float(gaps.max()) if gaps.size else float("nan"),
    }


def _check_probabilities(values: np.ndarray) -> None:
    """Raises unless `(pixels, num_classes)` are probabilities."""
    if not np.isfinite(values).all():
        raise ValueError(
            "`probabilities` must be finite at pixels that are not void. Received: NaN "
            "or infinity."
        )
    total = values.sum(axis=-1)
    if values.size and (values.min() < 0 or np.abs(total - 1).max() > SUM_TOLERANCE):
        raise ValueError(
            "`probabilities` must be 0 or more and sum to 1 at each pixel. Received: "
            f"minimum {values.min():g}, sums from {total.min():g} to {total.max():g}. "
            "Take the softmax of logits."
        )
