"""Markov random fields by graph cut, over pixels, superpixels or any other graph."""

from kseg.graph_cut.grid import contrast_weights, grid_edges
from kseg.graph_cut.moves import alpha_beta_swap, alpha_expansion, energy

__all__ = [
    "alpha_beta_swap",
    "alpha_expansion",
    "contrast_weights",
    "energy",
    "grid_edges",
]
