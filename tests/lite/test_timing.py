"""What a file takes, measured in a process of its own."""

import pytest

from kseg.lite.timing import measure


def test_rows_are_plausible(litert_file):
    one, two = measure(litert_file(), threads=(1, 2), runs=9)
    assert (one["threads"], two["threads"]) == (1, 2)
    for row in (one, two):
        assert 0 < row["median"] <= row["p90"] < 10_000
        assert row["load"] > 0
        # Python with numpy and the runtime, and nothing of this process, which has
        # TensorFlow.
        assert 20e6 < row["memory"] < 200e6


def test_numbers_below_one_and_what_is_no_model_are_refused(litert_file, tmp_path):
    with pytest.raises(ValueError, match=r"0 runs on \[1\] threads"):
        measure(litert_file(), [1], runs=0)
    with pytest.raises(ValueError, match=r"a thread\. Received: 5 runs on \[0\]"):
        measure(litert_file(), [0], runs=5)
    with pytest.raises(ValueError, match="nowhere"):
        measure(tmp_path / "nowhere.tflite", [1], runs=1)
