"""A run that is killed with SIGKILL, and ends as one that was left alone."""

import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "kill.py"


def test_a_killed_run_ends_as_one_left_alone():
    options = ("--kills", "2", "--epochs", "6", "--longest", "4")
    done = subprocess.run(
        [sys.executable, BENCHMARK, *options], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "| killed |" in done.stdout
    assert "0 of which differ" in done.stdout
