import numpy as np
import pytest

from kseg.losses import Dice, Jaccard, LovaszSoftmax, Tversky


def draw(num_classes=3):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, num_classes, (2, 6, 7))
    labels[rng.random(labels.shape) < 0.1] = 255
    return labels, rng.normal(0, 2, (2, 6, 7, num_classes)).astype("float32")


@pytest.mark.parametrize("classes", ["present", "all"])
def test_dice_and_jaccard_are_cases_of_tversky(classes):
    labels, logits = draw()
    same = {"classes": classes, "class_weights": [1, 0, 2], "reduction": None}
    np.testing.assert_allclose(
        Dice(smooth=3.0, **same)(labels, logits),
        Tversky(alpha=0.5, beta=0.5, smooth=1.5, **same)(labels, logits),
    )
    np.testing.assert_allclose(
        Jaccard(smooth=3.0, **same)(labels, logits),
        Tversky(alpha=1, beta=1, smooth=3.0, **same)(labels, logits),
    )


def test_of_a_class_jaccard_follows_from_dice():
    labels, logits = draw()
    for c in range(3):
        one = {"class_weights": np.eye(3)[c], "smooth": 0.0, "reduction": None}
        dice = 1 - np.asarray(Dice(**one)(labels, logits))
        jaccard = 1 - np.asarray(Jaccard(**one)(labels, logits))
        np.testing.assert_allclose(jaccard, dice / (2 - dice), rtol=1e-5)


def test_what_is_all_right_costs_nothing_and_all_wrong_almost_one():
    labels, _ = draw()
    ids = np.where(labels == 255, 0, labels)
    for loss in (Dice(), Jaccard(), Tversky(), Dice(classes="all")):
        right = loss(labels, 99.0 * np.eye(4)[ids])
        wrong = loss(labels, 99.0 * np.eye(4)[ids + 1])
        assert float(right) == pytest.approx(0, abs=1e-6)
        assert 0.85 < float(wrong) < 1


def test_an_absent_class_counts_with_all_and_only_then():
    labels = np.zeros((1, 4, 5), int)
    logits = 99.0 * np.eye(3)[np.zeros((1, 4, 5), int)]
    logits[0, 0, :2] = [0, 99.0, 0]  # 2 of 20 pixels are called class 1
    present = Dice(smooth=1.0)(labels, logits)
    assert float(present) == pytest.approx(1 - 37 / 39)
    every = Dice(smooth=1.0, classes="all")(labels, logits)
    assert float(every) == pytest.approx(((1 - 37 / 39) + (1 - 1 / 3) + 0) / 3)


def test_beta_prefers_false_positives_to_misses():
    mask = np.zeros((1, 8, 8), int)
    mask[:, 2:6, 2:6] = 1
    grown, shrunk = np.zeros_like(mask), np.zeros_like(mask)
    grown[:, 2:6, 1:7] = 1
    shrunk[:, 2:6, 3:5] = 1

    def loss(predicted, alpha, beta):
        function = Tversky(class_weights=[0, 1], alpha=alpha, beta=beta)
        return float(function(mask, 99.0 * np.eye(2)[predicted]))

    assert loss(grown, 0.3, 0.7) < loss(shrunk, 0.3, 0.7)
    assert loss(grown, 0.7, 0.3) > loss(shrunk, 0.7, 0.3)


@pytest.mark.parametrize(
    ("loss", "options"),
    [
        (Tversky, {"alpha": -1}),
        (Tversky, {"beta": float("nan")}),
        (Dice, {"smooth": -1}),
        (Jaccard, {"smooth": 0, "classes": "all"}),
        (Dice, {"classes": [0]}),
    ],
)
def test_wrong_arguments_are_refused(loss, options):
    with pytest.raises(ValueError, match="Received: "):
        loss(**options)


@pytest.mark.parametrize("kind", [Dice, Jaccard, Tversky, LovaszSoftmax])
def test_a_class_whose_pixels_weigh_nothing_is_absent(kind):
    mask = np.array([[[0, 0, 1, 2]]])
    logits = 9 * np.eye(3, dtype="float32")[[[[0, 0, 0, 2]]]]
    weights = (mask != 1).astype("float32")
    void = np.where(mask == 1, 255, mask)
    loss = kind()
    np.testing.assert_allclose(
        loss(mask, logits, weights), loss(void, logits), rtol=1e-6
    )
    assert float(loss(mask, logits, np.zeros((1, 1, 4), "float32"))) == 0
