"""How CRF, graph cut, superpixels and weights of pixels grow."""

import functools
import math
from pathlib import Path

import numpy as np

from kseg.data import weight_map
from kseg.graph_cut import alpha_expansion, contrast_weights, grid_edges
from kseg.inference import dense_crf
from kseg.weak.scribblesup import propagate
from scale_laws.law import Law, Work, squares
from scale_laws.scenes import cells, label_map, photograph, probabilities

CLASSES = 21


def _crf(side: int, classes: int) -> Work:
    image, scores = photograph(side), probabilities(side, classes)
    return lambda: dense_crf(image, scores, iterations=3)


def _weights(side: int, count: int) -> Work:
    instances = cells(side, count)
    return lambda: weight_map(instances)


def _graph_cut(pixels: int, folder: Path) -> Work:
    side = math.isqrt(pixels)
    edges = grid_edges(side, side)
    weights = contrast_weights(photograph(side), edges)
    unary = -np.log(probabilities(side, 4).reshape(-1, 4) + 1e-6)
    return lambda: alpha_expansion(unary, edges, weights, max_cycles=1)


def _scribbles(pixels: int, folder: Path) -> Work:
    side = math.isqrt(pixels)
    rng = np.random.default_rng(0)
    drawn = rng.random((side, side)) < 0.03
    scribbles = np.where(drawn, label_map(side, 8), 255)
    return lambda: propagate(photograph(side), scribbles)


_law = functools.partial(Law, "post-processing")

LAWS = [
    _law(
        "dense CRF",
        "pixels",
        squares(32, 64, 128, 256, 512),
        lambda pixels, folder: _crf(math.isqrt(pixels), CLASSES),
        {"seconds": 1, "megabytes": 1},
        "the lattice has a few vertices a pixel",
    ),
    _law(
        "dense CRF",
        "classes",
        [2, 4, 8, 16, 32, 64, 128],
        lambda classes, folder: _crf(128, classes),
        {"seconds": 1},
        "a value a class and vertex",
    ),
    _law(
        "U-Net's weight map",
        "pixels",
        squares(64, 128, 256, 512, 1024),
        lambda pixels, folder: _weights(math.isqrt(pixels), pixels // 400),
        {"seconds": 1, "megabytes": 1},
        "a box a cell, and cells of one size",
    ),
    _law(
        "U-Net's weight map",
        "cells",
        [16, 64, 256, 1024, 4096],
        lambda count, folder: _weights(512, count),
        {"seconds": 1},
        "a box a cell, never smaller than what a weight reaches",
    ),
    _law(
        "graph cut",
        "pixels",
        squares(16, 32, 64, 128, 256),
        _graph_cut,
        {"seconds": 1.25, "megabytes": 1},
        "maximum flow, which has no linear bound",
    ),
    _law(
        "scribbles spread over superpixels",
        "pixels",
        squares(64, 128, 256, 512),
        _scribbles,
        {"seconds": 1.25, "megabytes": 1},
        "superpixels, n log n, and maximum flow over them",
    ),
]
