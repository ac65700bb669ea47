"""U-Net's weight map: kseg's boxes against a distance transform per cell.

python benchmarks/weight_map.py

Both run in turn in one process on the same 512x512 mask of 400 cells; what is printed
is the ratio of their medians, which is steadier than seconds are.
"""

import statistics
import time

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from kseg.data import weight_map


def cells(side: int = 512, count: int = 400) -> np.ndarray:
    """Returns ids of cells around random points, with background between them."""
    points = np.random.default_rng(0).uniform(0, side, (count, 2))
    pixels = np.mgrid[:side, :side].reshape(2, -1).T
    distance, nearest = cKDTree(points).query(pixels, k=2)
    ids = np.where(distance[:, 1] - distance[:, 0] < 3, 0, nearest[:, 0] + 1)
    return ids.reshape(side, side)


def per_cell(instances: np.ndarray, w0: float = 10.0, sigma: float = 5.0) -> np.ndarray:
    """Returns the weight map by a distance transform of the whole mask per cell."""
    nearest = np.full(instances.shape, np.inf)
    second = np.full(instances.shape, np.inf)
    for identity in np.unique(instances[instances > 0]):
        distance = ndimage.distance_transform_edt(instances != identity)
        second = np.minimum(second, np.maximum(nearest, distance))
        nearest = np.minimum(nearest, distance)
    term = w0 * np.exp(-((nearest + second) ** 2) / (2 * sigma**2))
    return 1.0 + np.where(instances == 0, term, 0.0)


def main(rounds: int = 3) -> None:
    """Prints the medians, their ratio and the largest difference."""
    instances = cells()
    seconds: dict[str, list[float]] = {"kseg": [], "per cell": []}
    results = {}
    for _ in range(rounds):
        for name, function in (("kseg", weight_map), ("per cell", per_cell)):
            start = time.perf_counter()
            results[name] = function(instances)
            seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    for name, median in medians.items():
        print(f"{name:>8}: {median:.3f} s, median of {rounds}")
    print(f"ratio of medians: {medians['per cell'] / medians['kseg']:.1f}")
    difference = np.abs(results["kseg"] - results["per cell"]).max()
    print(f"largest difference: {difference:.1e}")


if __name__ == "__main__":
    main()
