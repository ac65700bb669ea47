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

from kseg.inference.parallel import in_threads, row_blocks


class PermutohedralLattice:
    """The lattice around points, which filters any values at these points.

    The filter is `exp(-|f_i - f_j|^2 / 2)` of the features, up to a factor that is
    the same for all points and the errors of the lattice; a point counts itself. It
    is `gather` of what `spread` returns.

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
        self._points = row_blocks(points)
        vertices, index, weights = _all_simplices(features, factors, self._points)
        begins = np.arange(0, len(index) + 1, d + 1, dtype=np.int32)
        rows = scipy.sparse.csr_matrix(
            (weights, index, begins), (points, len(vertices))
        )
        splat = rows.T.tocsr()
        # Vertices in the order of their first points: near in the image is near in
        # memory then, which is most of the time that splatting takes.
        order = np.argsort(np.minimum.reduceat(splat.indices, splat.indptr[:-1]))
        place = np.empty(len(vertices) + 1, np.int32)
        place[order] = np.arange(len(vertices))
        place[-1] = len(vertices)
        splat = splat[order]
        rows.indices = place[rows.indices]
        rows.data *= np.float32(1 / (1 + 2.0**-d))
        self._neighbours = [
            (place[before[order]], place[behind[order]])
            for before, behind in _neighbours(vertices, factors)
        ]
        self._vertices = row_blocks(len(vertices))
        self._slice = [rows[block] for block in self._points]
        self._splat = [splat[block] for block in self._vertices]
        # Written over again and again: new memory comes slowly. The last vertex is an
        # empty one, a neighbour of those at the edge.
        self._grids = np.zeros((2, len(vertices) + 1, 0), np.float32)

    def scale(self, before: np.ndarray, behind: np.ndarray) -> None:
        """Makes the filter multiply values by factors before and behind it.

        Args:
            before: Factors of the values of the points, float32 `(points,)`.
            behind: Factors of the filtered values.
        """
        for matrix in self._splat:
            matrix.data *= before[matrix.indices]
        for rows, matrix in zip(self._points, self._slice, strict=True):
            matrix.data *= np.repeat(behind[rows], np.diff(matrix.indptr))

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Splats values onto the lattice, and blurs them there.

        Args:
            values: float32 array `(points, channels)`.

        Returns:
            float32 array `(vertices, channels)`, for `gather`; it holds until the
            next call.
        """
        if self._grids.shape[2] != values.shape[1]:
            self._grids = np.zeros((*self._grids.shape[:2], values.shape[1]), "float32")
        grid, other = self._grids

        def splat(block):
            grid[self._vertices[block]] = self._splat[block] @ values

        in_threads(splat, range(len(self._splat)))
        for neighbours in self._neighbours:
            self._blur(grid, other, *neighbours)
            grid, other = other, grid
        return grid[:-1]

    def gather(self, grid: np.ndarray, block: int) -> np.ndarray:
        """Slices the filtered values of a block of points out of the lattice.

        Args:
            grid: What `spread` returned.
            block: Number of the block among `row_blocks(points)`.

        Returns:
            float32 array `(points of the block, channels)`.
        """
        return self._slice[block] @ grid

    def _blur(self, grid, blurred, before, behind) -> None:
        """Adds to every vertex half of its neighbours in one direction."""

        def blur(rows):
            x = grid.take(before[rows], axis=0)
            x += grid.take(behind[rows], axis=0)
            x *= np.float32(0.5)
            np.add(x, grid[rows], out=blurred[rows])

        in_threads(blur, self._vertices)


def _all_simplices(
    features: np.ndarray, factors: np.ndarray, blocks: list[slice]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Finds the vertices around all points, block by block.

    Returns:
        Keys of the vertices, uint64, each once; and of every point in turn its d + 1
        vertices by their positions, int32, and barycentric coordinates, float32.
    """

    def of_block(rows):
        keys, weights = _simplices(features[rows].T, factors)
        own, inside = np.unique(keys, return_inverse=True)
        return own, inside.ravel(), weights.ravel()

    # The vertices of each block first, on all cores, then those of all blocks.
    found = in_threads(of_block, blocks)
    own = [keys for keys, _, _ in found]
    vertices, merged = np.unique(np.concatenate(own), return_inverse=True)
    merged = np.split(merged.astype(np.int32), np.cumsum([len(keys) for keys in own]))
    index = [part[inside] for part, (_, inside, _) in zip(merged, found, strict=False)]
    weights = [weights for _, _, weights in found]
    return vertices, np.concatenate(index), np.concatenate(weights)


def _simplices(
    features: np.ndarray, factors: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Finds the vertices around points.

    Args:
        features: Array `(d, points)`.
        factors: Random uint64 numbers `(d,)`, which make keys of coordinates.

    Returns:
        Keys of the vertices, uint64 `(points, d + 1)`, and barycentric coordinates,
        float32 `(points, d + 1)`.
    """
    d, points = features.shape
    elevated = _elevate(features)
    # The nearest point whose coordinates are multiples of d + 1; they may not sum to 0.
    steps = elevated / (d + 1)
    up, down = np.ceil(steps) * (d + 1), np.floor(steps) * (d + 1)
    nearest = np.where(up - elevated < elevated - down, up, down)
    excess = np.rint(nearest.sum(axis=0) / (d + 1)).astype(np.int64)

    # The rank of every coordinate by how far it lies above; `excess` of them move on.
    above = elevated - nearest
    rank = np.repeat(excess[np.newaxis], d + 1, axis=0)
    for i in range(d + 1):
        for j in range(i + 1, d + 1):
            lower = above[i] < above[j]
            rank[i] += lower
            rank[j] += ~lower
    nearest += (d + 1) * ((rank < 0).astype(np.int64) - (rank > d))
    rank %= d + 1

    # Barycentric coordinates are differences of neighbours in this order.
    places = np.arange(points)
    ordered = np.empty_like(elevated)
    ordered[rank, places] = (elevated - nearest) / (d + 1)
    weights = np.empty((points, d + 1), np.float32)
    weights[:, 0] = ordered[d] + 1 - ordered[0]
    weights[:, 1:] = (ordered[d - 1 :: -1] - ordered[:0:-1]).T

    # To vertex k a coordinate goes k up, the k highest ranks d + 1 - k down.
    falls = np.empty((d + 1, points), np.uint64)
    falls[rank, places] = np.append(factors, np.uint64(0))[:, np.newaxis]
    keys = np.empty((points, d + 1), np.uint64)
    total = factors.sum(keepdims=True)  # an array, which wraps without a warning
    key = nearest[:d].astype(np.int64).astype(np.uint64).T @ factors
    for k in range(d + 1):
        keys[:, k] = key
        key += total - np.uint64(d + 1) * falls[d - k]
    return keys, weights


def _elevate(features: np.ndarray) -> np.ndarray:
    """Embeds points `(d, points)` in the plane of d + 1 numbers that sum to zero."""
    d, points = features.shape
    number = np.arange(1, d + 1)[:, np.newaxis]
    scale = np.sqrt(2 / 3) * (d + 1) / np.sqrt(number * (number + 1))
    scaled = features.astype(np.float64) * scale
    behind = np.zeros((d + 1, points))  # the sum of the scaled features from there on
    behind[:d] = np.cumsum(scaled[::-1], axis=0)[::-1]
    elevated = behind.copy()
    elevated[1:] = behind[1:] - number * scaled
    return elevated


def _neighbours(vertices: np.ndarray, factors: np.ndarray) -> list:
    """Returns the vertices before and behind every vertex, in every direction.

    Where there is none it is the number of vertices.
    """
    steps = np.append((len(factors) + 1) * factors, np.uint64(0)) - factors.sum()
    wanted = [vertices + step for step in steps] + [vertices - step for step in steps]

    def find(keys):
        place = np.searchsorted(vertices, keys)
        place[place == len(vertices)] = 0
        missing = vertices[place] != keys
        return np.where(missing, len(vertices), place).astype(np.int32)

    found = in_threads(find, wanted)
    return list(zip(found[: len(steps)], found[len(steps) :], strict=True))
