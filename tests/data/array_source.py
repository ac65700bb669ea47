"""A source in memory."""

import numpy as np

from kseg.labels import Labels


class ArraySource:
    """Images and masks that are arrays, and a count of how often they are read."""

    def __init__(self, pairs, labels):
        self.pairs = pairs
        self.labels = labels
        self.reads = 0

    def __len__(self):
        return len(self.pairs)

    def __getitem__(self, index):
        self.reads += 1
        return self.pairs[index]

    def mask(self, index):
        return self.pairs[index][1]

    def name(self, index):
        return str(index)


def numbered(count, size=(8, 10), num_classes=20):
    """A source whose example i has i in all pixels of image and mask."""
    pairs = [
        (np.full((*size, 3), i, np.uint8), np.full(size, i, np.uint8))
        for i in range(count)
    ]
    return ArraySource(pairs, Labels.numbered(num_classes))
