"""The losses of an image by their definitions, pixel by pixel and set by set."""

import math

import numpy as np
import scipy.special
from scipy.ndimage import distance_transform_edt


def pixels_of(mask, logits, factors, ignored=(255,)):
    """Returns the label, the probabilities and the factor of each valid pixel."""
    probabilities = scipy.special.softmax(logits.astype("f8"), axis=-1)
    rows = zip(
        mask.ravel(),
        probabilities.reshape(-1, logits.shape[-1]),
        factors.ravel().astype("f8"),
        strict=True,
    )
    return [row for row in rows if row[0] not in ignored]


def cross_entropy(mask, logits, factors, weights, label_smoothing=0.0, **options):
    pixels = pixels_of(mask, logits, factors, **options)
    total = 0.0
    for label, p, factor in pixels:
        target = np.full(len(p), label_smoothing / len(p))
        target[label] += 1 - label_smoothing
        total -= factor * weights[label] * (target @ np.log(p))
    return total / max(len(pixels), 1)


def focal(mask, logits, factors, weights, gamma=2.0, **options):
    pixels = pixels_of(mask, logits, factors, **options)
    losses = [
        -f * weights[k] * (1 - p[k]) ** gamma * math.log(p[k]) for k, p, f in pixels
    ]
    return sum(losses) / max(len(losses), 1)


def ohem(mask, logits, factors, weights, thresh=0.7, min_kept=1 / 16, **options):
    pixels = pixels_of(mask, logits, factors, **options)
    if not pixels:
        return 0.0
    count = math.ceil(min_kept * len(pixels)) if min_kept < 1 else min_kept
    in_order = sorted(pixels, key=lambda row: row[1][row[0]])
    kept = in_order[:count]
    kept += [row for row in in_order[count:] if row[1][row[0]] < thresh]
    return sum(-f * weights[k] * math.log(p[k]) for k, p, f in kept) / len(kept)


def tversky(
    mask, logits, factors, weights, alpha=0.3, beta=0.7, smooth=1.0, classes="present",
    **options,
):  # fmt: skip
    pixels = pixels_of(mask, logits, factors, **options)

    def loss(c):
        both = sum(f * p[c] for k, p, f in pixels if k == c)
        extra = sum(f * p[c] for k, p, f in pixels if k != c)
        missed = sum(f for k, _, f in pixels if k == c) - both
        return 1 - (both + smooth) / (both + alpha * extra + beta * missed + smooth)

    return mean_of_classes(loss, pixels, weights, classes)


def dice(mask, logits, factors, weights, smooth=1.0, classes="present", **options):
    pixels = pixels_of(mask, logits, factors, **options)

    def loss(c):
        both = sum(f * p[c] for k, p, f in pixels if k == c)
        predicted = sum(f * p[c] for k, p, f in pixels)
        true = sum(f for k, _, f in pixels if k == c)
        return 1 - (2 * both + smooth) / (predicted + true + smooth)

    return mean_of_classes(loss, pixels, weights, classes)


def jaccard(mask, logits, factors, weights, smooth=1.0, classes="present", **options):
    pixels = pixels_of(mask, logits, factors, **options)

    def loss(c):
        both = sum(f * p[c] for k, p, f in pixels if k == c)
        union = sum(f * (p[c] if k != c else 1) for k, p, f in pixels)
        return 1 - (both + smooth) / (union + smooth)

    return mean_of_classes(loss, pixels, weights, classes)


def lovasz(mask, logits, factors, weights, classes="present", **options):
    """The extension is the integral, over thresholds, of 1 - IoU of what is above."""
    pixels = pixels_of(mask, logits, factors, **options)

    def loss(c):
        errors = np.array([1 - p[k] if k == c else p[c] for k, p, _ in pixels])
        total = below = 0.0
        for threshold in np.unique(errors):
            total += (threshold - below) * miss(errors >= threshold, c, pixels)
            below = threshold
        return total

    return mean_of_classes(loss, pixels, weights, classes)


def miss(wrong, c, pixels):
    """Returns 1 - IoU of a class when some pixels are wrong."""
    rows = list(zip(wrong, pixels, strict=True))
    both = sum(f for w, (k, _, f) in rows if k == c and not w)
    union = sum(f for w, (k, _, f) in rows if k == c or w)
    return 1 - both / union if union else 0.0


def boundary(mask, logits, factors, weights, max_distance=np.inf, ignored=(255,)):
    p = scipy.special.softmax(logits.astype("f8"), axis=-1)
    valid = ~np.isin(mask, ignored)
    present = np.unique(mask[valid])
    if len(present) < 2:
        return 0.0
    distance = {
        c: np.minimum(distance_transform_edt((mask != c) | ~valid), max_distance)
        for c in present
    }
    total = 0.0
    for c in present:
        nearest = np.min([distance[k] for k in present if k != c], axis=0)
        signed = np.where((mask == c) & valid, 1 - nearest, distance[c])
        total += weights[c] * (p[..., c] * signed * factors)[valid].sum()
    return total / valid.sum() / logits.shape[-1]


def mean_of_classes(loss, pixels, weights, classes):
    present = {k for k, _, _ in pixels}
    counted = range(len(weights)) if classes == "all" and present else present
    total = sum(weights[c] for c in counted)
    return sum(weights[c] * loss(c) for c in counted) / total if total else 0.0
