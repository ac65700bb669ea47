"""Weak supervision: masks of all pixels from scribbles and points."""

from kseg.weak.scribbles import read_scribbles
from kseg.weak.scribblesup import check_options, propagate
from kseg.weak.superpixels import adjacency, appearance, superpixels
from kseg.weak.synthetic import draw_points, draw_scribbles

__all__ = [
    "adjacency",
    "appearance",
    "check_options",
    "draw_points",
    "draw_scribbles",
    "propagate",
    "read_scribbles",
    "superpixels",
]
