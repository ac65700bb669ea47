"""Workers that take turns: who is asked, what counts, and who is left out."""

import os
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.append(str(BENCHMARKS))
import interleaved  # noqa: E402

# Every repetition takes the next whole number of seconds, and writes whose it was.
SCRIPT = f"""
import os, pathlib, sys
sys.path.append({str(BENCHMARKS)!r})
import interleaved

def start(name, log, needs=None):
    if needs:
        __import__(needs)
    made, held = [], bytearray(2**25 if name == "large" else 0)

    def run(count):
        print("noise on standard output")
        if name == "broken" and made:
            raise ValueError("no more")
        with open(log, "a") as file:
            file.write(name[0] * count + " ")
        made.extend(range(len(made), len(made) + count))
        return [float(x) for x in made[-count:]]

    return run, lambda: {{"threads": os.environ.get("OMP_NUM_THREADS"), "all": made}}

if __name__ == "__main__":
    interleaved.work(start)
"""


@pytest.fixture
def compare(tmp_path):
    script, log = tmp_path / "script.py", tmp_path / "log"
    script.write_text(SCRIPT)

    def run(*ways, **options):
        made = [
            interleaved.Way(name, {"name": name, "log": str(log), **more}, **how)
            for name, more, how in ways
        ]
        measured, left_out = interleaved.compare(str(script), made, **options)
        return measured, left_out, log.read_text().split()

    return run


def test_ways_take_turns_and_what_settles_does_not_count(compare):
    measured, left_out, log = compare(
        ("small", {}, {}),
        ("large", {}, {"environment": {"OMP_NUM_THREADS": "7"}}),
        rounds=2,
        repetitions=2,
        settle=1,
    )
    assert log == ["s", "l", "sss", "lll", "sss", "lll"]
    small, large = measured
    # The first call is number 0, and a turn's first repetition settles.
    assert small.seconds == large.seconds == [2, 3, 5, 6]
    assert small.median == 4
    assert small.facts["all"] == list(range(7))
    assert large.facts["threads"] == "7" != os.environ.get("OMP_NUM_THREADS")
    assert large.peak_bytes - small.peak_bytes > 2**24
    assert left_out == {}


def test_what_cannot_be_imported_is_left_out_by_name(compare):
    measured, left_out, log = compare(
        ("peer", {"needs": "no_such_framework"}, {}),
        ("other", {}, {"python": "/no/such/python"}),
        ("kseg", {}, {}),
        rounds=1,
        repetitions=1,
    )
    assert [one.name for one in measured] == ["kseg"]
    assert left_out == {
        "peer": "No module named 'no_such_framework'",
        "other": "there is no /no/such/python",
    }
    assert log == ["k", "kk"]


def test_a_worker_that_fails_says_why(compare):
    with pytest.raises(RuntimeError, match="(?s)'broken' ended with code 1.*no more"):
        compare(("broken", {}, {}), rounds=1, repetitions=1)


def test_the_table_is_markdown():
    text = interleaved.table(["way", "ms"], [["kseg", "1"]])
    assert text == "| way | ms |\n| --- | ---: |\n| kseg | 1 |"
