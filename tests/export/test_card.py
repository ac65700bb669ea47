"""The model card says what was measured."""

import numpy as np

from kseg.export import write_card
from kseg.labels import Labels
from kseg.metrics import DatasetScores

LABELS = Labels(("sky", "road"), ((0, 0, 200), (200, 0, 0)))


def test_a_card_holds_facts_scores_and_classes(tmp_path):
    collected = DatasetScores(LABELS)
    collected.update(np.array([[0, 0, 1, 1]]), np.array([[0, 1, 1, 1]]))
    result = {"images": 1, **collected.result()}
    path = tmp_path / "README.md"
    write_card(path, "net", {"Network": "unet"}, result, [], LABELS, "overlay.png")
    text = path.read_text()
    assert text.startswith("# net\n\n- **Network**: unet\n")
    assert "mean IoU **58.33**" in text
    assert "| 1 | road | #c80000 | 66.7 | 100.0 |" in text
    assert "(overlay.png)" in text
    assert "## Files" not in text
    assert list(tmp_path.iterdir()) == [path]
