"""The page of operators is what was found, of every network."""

import importlib.util
import json
from pathlib import Path

import pytest

import kseg
from kseg.export import targets
from kseg.networks import builder

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location(
        "operators_script", REPOSITORY / "benchmarks" / "operators.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_made_of_the_record(script):
    record = json.loads(script.RECORD.read_text())
    ours = [n for n in kseg.names() if builder(n).__module__.startswith("kseg.")]
    assert list(record) == ours
    assert script.PAGE.read_text() == script.page(record)


def test_no_file_moves_pixels_into_the_batch_and_hard_swish_stays_in_one_part(script):
    record = json.loads(script.RECORD.read_text())
    for found in record.values():
        for file in filter(None, found.values()):
            assert "SPACE_TO_BATCH_ND" not in file["operators"]
            assert set(file["targets"]) == set(targets())
    assert record["lraspp"]["int8"]["targets"]["xnnpack"]["partitions"] == 1
