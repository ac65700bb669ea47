"""Names in a state dictionary."""

import numpy as np

from kseg.convert.recipe import count_of, modules_of


def test_names_are_read():
    names = ["a.0.weight", "a.0.bias", "a.10.weight", "b.weight", "scalar"]
    tensors = dict.fromkeys(names, np.zeros(1))
    assert modules_of(tensors, "a.") == ["0", "10"]
    assert count_of(tensors, r"a\.(\d+)\.") == 11
    assert count_of(tensors, r"c\.(\d+)\.") == 0
