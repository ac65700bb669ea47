"""The benchmark of growth: exponents that are fitted, memory that is measured."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
# The work takes as many bytes as it is told.
MEMORY = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np
from scale_laws.law import Law
from scale_laws.measure import measure_memory

def prepare(size, folder):
    before = np.ones(10**7)
    return lambda: np.ones(size, np.uint8)

law = Law("none", "array", "bytes", [10**4, 10**7, 4 * 10**7], prepare, {}, "it is one")
print(*measure_memory(law, law.sizes[1:]).values)
"""


@pytest.fixture
def law(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from scale_laws import law

    return law


def test_exponents_are_those_of_the_upper_half(law):
    sizes = [1, 10, 100, 1000, 10_000, 100_000]
    values = [50, 50, 50, 1e3, 1e4 * 10**0.5, 1e6]
    assert law.exponent(sizes, values) == pytest.approx(1.5)
    assert law.exponent(sizes[:3], [1, 100, 10_000]) == pytest.approx(2)


def test_every_law_can_be_measured(law, tmp_path):
    from scale_laws.every import LAWS

    assert len(LAWS) > 40
    for number, each in enumerate(LAWS):
        folder = tmp_path / str(number)
        folder.mkdir()
        try:
            each.prepare(each.sizes[0], folder)()
        except Exception as error:
            raise AssertionError(f"{each.part}, {each.title}: {error!r}") from error


@pytest.mark.parametrize(("must", "too_fast"), [(1, True), (1.5, False), (2, False)])
def test_what_grows_faster_than_it_must_is_flagged(law, must, too_fast):
    from scale_laws.measure import measure_time

    sizes, seen = [1000, 4000, 16_000], []

    def prepare(size, folder):
        seen.append((size, folder.is_dir(), any(folder.iterdir())))
        return lambda: size**1.5

    units = {"kilobytes": must}
    array = law.Law("none", "array", "bytes", sizes, prepare, units, "it is so")
    (found,) = measure_time(array, sizes, 0.0)
    assert seen == [(size, True, False) for size in sizes]
    assert found.exponent == pytest.approx(1.5)
    assert found.too_fast == too_fast == found.to_dict()["too_fast"]


@pytest.mark.skipif(sys.platform != "linux", reason="memory is told by Linux")
def test_memory_is_that_of_the_work_alone():
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, BENCHMARKS],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert [*map(float, done.stdout.split())] == pytest.approx([10, 40], abs=2)
