"""High-dimensional Gaussian filtering on the permutohedral lattice.

Adams, Baek and Davis, "Fast High-Dimensional Filtering Using the Permutohedral
Lattice", Eurographics 2010. Scales and the factor of the result are those of
Kraehenbuehl and Koltun's dense CRF, whose published parameters rely on them.

A point of d features lies in a simplex of d + 1 vertices of the lattice. Values are
splatted onto these vertices, blurred along the d + 1 directions of the lattice, and
sliced back; the weights of a point are its barycentric coordinates.
"""

import numpy as np
import scipy.sparse

# Points whose simplices are found at a time, to bound the memory.
_CHUNK = 1 << 16


class PermutohedralLattice:
    """The lattice around points, which filters any values at these points.

    The filter is `exp(-|f_i - f_j|^2 / 2)` of the features, up to a factor that is
    the same for all points and the errors of the lattice; a point counts itself.

    Args:
        features: Array `(points, d)` of finite numbers, in units of the standard
            deviation of the filter.
    """

    def __init__(self, features: np.ndarray):
        """Finds the simplex of every point and the neighbours of every vertex."""
        points, d = features.shape
        # A vertex is known by a random combination of its coordinates modulo 2^64.
        # It is linear, so that a step in the lattice is a number to add; two of a
        # million vertices share theirs with a probability below 1e-7.
        factors = np.random.default_rng(0).integers(1, 2**64 - 1, d, np.uint64)
        keys = np.empty((points, d + 1), np.uint64)
        weights = np.empty((points, d + 1), np.float32)
        for start in range(0, points, _CHUNK):
            part = slice(start, start + _CHUNK)
            keys[part], weights[part] = _simplices(features[part], factors)
        vertices, index = np.unique(keys, return_inverse=True)
        self._neighbours = _neighbours(vertices, factors)
        rows = np.arange(0, points * (d + 1) + 1, d + 1, dtype=np.int32)
        columns = index.ravel().astype(np.int32)
        self._slice = scipy.sparse.csr_matrix(
            (weights.ravel(), columns, rows), (points, len(vertices))
        )
        self._splat = self._slice.T.tocsr()
        self._factor = np.float32(1 / (1 + 2.0**-d))

    def filter(self, values: np.ndarray) -> np.ndarray:
        """Filters values.

        Args:
            values: float32 array `(points, channels)`.

        Returns:
            float32 array `(points, channels)`.
        """
        splatted = self._splat @ values
        # The last vertex is an empty one, a neighbour of those at the edge.
        grid = np.concatenate([splatted, np.zeros_like(splatted[:1])])
        for before, behind in self._neighbours:
            grid[:-1] += np.float32(0.5) * (grid[before] + grid[behind])
        return (self._slice @ grid[:-1]) * self._factor


def _simplices(
    features: np.ndarray, factors: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the keys of the vertices around points, and barycentric coordinates."""
    points, d = features.shape
    elevated = _elevate(features)
    # The nearest point whose coordinates are multiples of d + 1; they may not sum to 0.
    steps = elevated / (d + 1)
    up, down = np.ceil(steps) * (d + 1), np.floor(steps) * (d + 1)
    nearest = np.where(up - elevated < elevated - down, up, down)
    excess = np.rint(nearest.sum(axis=1) / (d + 1)).astype(np.int64)

    # The rank of every coordinate by how far it lies above; `excess` of them move on.
    order = np.argsort(nearest - elevated, axis=1, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(d + 1)[np.newaxis], axis=1)
    rank += excess[:, np.newaxis]
    nearest += (d + 1) * ((rank < 0).astype(np.int64) - (rank > d))
    rank %= d + 1

    # Barycentric coordinates are differences of neighbours in this order.
    above = (elevated - nearest) / (d + 1)
    weights = np.zeros((points, d + 2))
    rows = np.arange(points)[:, np.newaxis]
    weights[rows, d - rank] += above
    weights[rows, d + 1 - rank] -= above
    weights[:, 0] += 1 + weights[:, d + 1]

    # To vertex k a coordinate goes k up, the k highest ranks d + 1 - k down.
    keys = np.empty((points, d + 1), np.uint64)
    total = factors.sum(keepdims=True)  # an array, which wraps without a warning
    base = (nearest[:, :d].astype(np.int64).astype(np.uint64) * factors).sum(axis=1)
    for k in range(d + 1):
        falls = ((rank[:, :d] > d - k) * factors).sum(axis=1, dtype=np.uint64)
        keys[:, k] = base + np.uint64(k) * total - np.uint64(d + 1) * falls
    return keys, weights[:, : d + 1].astype(np.float32)


def _elevate(features: np.ndarray) -> np.ndarray:
    """Embeds points in the hyperplane of `d + 1` coordinates that sum to zero."""
    points, d = features.shape
    number = np.arange(1, d + 1)
    scale = np.sqrt(2 / 3) * (d + 1) / np.sqrt(number * (number + 1))
    scaled = features.astype(np.float64) * scale
    behind = np.zeros((points, d + 1))  # the sum of the scaled features from there on
    behind[:, :d] = np.cumsum(scaled[:, ::-1], axis=1)[:, ::-1]
    elevated = behind.copy()
    elevated[:, 1:] = behind[:, 1:] - number * scaled
    return elevated


def _neighbours(vertices: np.ndarray, factors: np.ndarray) -> list:
    """Returns the vertices before and behind every vertex, in every direction.

    Where there is none it is the number of vertices.
    """
    steps = np.append((len(factors) + 1) * factors, np.uint64(0)) - factors.sum()
    found = []
    for step in steps:
        pair = []
        for wanted in (vertices + step, vertices - step):
            place = np.searchsorted(vertices, wanted)
            place[place == len(vertices)] = 0
            missing = vertices[place] != wanted
            pair.append(np.where(missing, len(vertices), place).astype(np.int32))
        found.append(tuple(pair))
    return found
