"""Examples in threads: in order, all of them, and not all at once."""

import threading
import time

import pytest

from kseg.data import in_threads as module
from kseg.data.in_threads import in_threads


@pytest.mark.parametrize("count", [0, 1, 7, 300])
def test_results_come_in_order(count):
    def slow_now_and_then(index):
        time.sleep(0.001 * (index % 50 == 0))
        return index**2

    found = list(in_threads(slow_now_and_then, count, "squares", workers=2))
    assert found == [index**2 for index in range(count)]


def test_few_calls_wait_and_few_results(monkeypatch):
    """Memory does not grow with the data set."""
    monkeypatch.setattr(module, "_AHEAD", 5)
    begun, lock = [], threading.Lock()

    def begin(index):
        with lock:
            begun.append(index)
        return index

    for index in in_threads(begin, 1000, "positions", workers=3):
        with lock:
            assert max(begun) <= index + 3 * 5
        if index == 200:
            time.sleep(0.05)  # who is ahead waits
    assert sorted(begun) == list(range(1000))


def test_an_error_ends_it_at_its_place(monkeypatch):
    monkeypatch.setattr(module, "_AHEAD", 2)
    begun = []

    def divide(index):
        begun.append(index)
        return 1 / (index - 3)

    found = []
    with pytest.raises(ZeroDivisionError):
        for value in in_threads(divide, 10_000, "quotients", workers=2):
            found.append(value)
    assert len(found) == 3
    assert len(begun) < 20
