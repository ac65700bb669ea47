"""Weak supervision: masks of all pixels from scribbles and points."""

from kseg.weak.scribbles import read_scribbles
from kseg.weak.scribblesup import propagate
from kseg.weak.superpixels import adjacency, appearance, superpixels
from kseg.weak.synthetic import draw_points, draw_scribbles

__all__ = [
    "adjacency",
    "appearance",
    "draw_points",
    "draw_scribbles",
    "propagate",
    "read_scribbles",
    "superpixels",
]
