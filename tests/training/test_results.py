"""Tables of runs whose numbers are known."""

import csv
import io
import json
import statistics

import pytest

from kseg.training.results import csv_table, group, read_results, table


def write(folder, mean_iou=0.5, seed=0, rate=0.1, old=False, **more):
    """Writes what a run leaves; `old` without what newer versions add."""
    metrics = {
        "validation": {
            "mean_iou": mean_iou, "pixel_accuracy": 0.75, "boundary_f1": None
        },
        "files": [
            {"name": "Keras", "bytes": 5_000_000, "mean_iou": mean_iou},
            {"name": "LiteRT int8", "bytes": 1_250_000, "mean_iou": mean_iou - 0.01},
        ],
        "epochs": 8,
        "experiment": {
            "network": {"name": "lraspp", "backbone": "mobilenet_v2"},
            "optimizer": {"learning_rate": rate},
            "fit": {"epochs": 8, "seed": seed},
            "weak": {},
        },
        **({} if old else {"parameters": 1_234_567, "boundary_tolerance": 0.0075}),
        **more,
    }  # fmt: skip
    folder.mkdir()
    (folder / "metrics.json").write_text(json.dumps(metrics))
    return folder


def cells(text):
    """The rows of a Markdown table below its title, as texts by column."""
    lines = [x.strip("| ").split(" | ") for x in text.splitlines() if x[:1] == "|"]
    return [dict(zip(lines[0], line, strict=True)) for line in lines[2:]]


def test_a_table_has_a_row_per_run(tmp_path):
    first = write(tmp_path / "a", 0.512345)
    second = write(tmp_path / "b|c", 0.25, old=True)
    text = table(read_results([first, second]))
    one, two = cells(text.replace("\\|", "/"))
    assert one == {
        "run": "a",
        "network": "lraspp, mobilenet_v2",
        "parameters": "1,234,567",
        "epochs": "8",
        "mean IoU": "51.23",
        "pixel accuracy": "75.00",
        "int8 mean IoU": "50.23",
        "int8 MB": "1.2",
    }
    assert two["run"] == "b/c" and two["parameters"] == "-"
    assert "within 0.75 %" in text


def test_seeds_become_one_row(tmp_path):
    scores = [0.5, 0.6, 0.85]
    folders = [
        write(tmp_path / f"optimizer.learning_rate=0.1,fit.seed={seed}", score, seed)
        for seed, score in enumerate(scores)
    ]
    folders.insert(1, write(tmp_path / "other", 0.3, 5, 0.2))
    rows = group(read_results(folders))
    assert [row["runs"] for row in rows] == [3, 1]
    assert rows[0]["name"] == "optimizer.learning_rate=0.1"
    assert rows[0]["mean_iou"] == pytest.approx(statistics.mean(scores))
    assert rows[0]["mean_iou_deviation"] == pytest.approx(statistics.stdev(scores))
    one, two = cells(table(rows))
    assert one["mean IoU"] == "65.00 ± 18.03" and one["n"] == "3"
    assert one["epochs"] == "8"  # the same in all
    assert two["mean IoU"] == "30.00" and two["run"] == "other"


def test_a_seed_counts_once_and_other_data_apart(tmp_path):
    folders = [
        write(tmp_path / "a", 0.5, 0, data={"train": "x"}),
        write(tmp_path / "b", 0.6, 0, data={"train": "x"}),
        write(tmp_path / "c", 0.7, 1, data={"train": "x"}),
        write(tmp_path / "d", 0.8, 2, data={"train": "y"}),
    ]
    rows = group(read_results(folders))
    assert [row["mean_iou"] for row in rows] == pytest.approx([0.6, 0.6, 0.8])


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["fit.seed=0", "fit.seed=1"], "fit"),
        (["fit.seed=0,data.flip=1", "fit.seed=1,data.flip=1"], "data.flip=1"),
        (["unet_seed0", "unet_seed1"], "unet"),
        (["unet", "another"], "unet"),
    ],
)
def test_a_group_is_called_what_its_runs_share(tmp_path, names, expected):
    folders = [write(tmp_path / name, 0.5, i) for i, name in enumerate(names)]
    (row,) = group(read_results(folders))
    assert row["name"] == expected


def test_csv_has_the_numbers_as_they_are(tmp_path):
    folders = [write(tmp_path / f"a,{i}", 0.1 + i / 3, i) for i in range(2)]
    rows = list(csv.DictReader(io.StringIO(csv_table(read_results(folders)))))
    assert rows[1]["name"] == "a,1" and float(rows[1]["mean_iou"]) == 0.1 + 1 / 3
    assert rows[0]["boundary_tolerance"] == "0.0075"
    (row,) = csv.DictReader(io.StringIO(csv_table(group(read_results(folders)))))
    assert float(row["mean_iou_deviation"]) == pytest.approx(2**0.5 / 6)
    assert row["runs"] == "2"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"validation": {}}', "null"])
def test_a_file_that_is_no_result_is_named(tmp_path, text):
    (tmp_path / "metrics.json").write_text(text)
    with pytest.raises(ValueError, match=r"metrics\.json"):
        read_results([tmp_path])
