"""A student that learns from a teacher beside the masks."""

import keras
import numpy as np
import pytest

import kseg
from kseg.layers import TeacherDivergence
from kseg.losses import MeanOverPixels
from kseg.training.distillation import add_teacher
from kseg.training.parts import add_heads


def unet(filters=2, num_classes=3):
    return kseg.build("unet", num_classes=num_classes, filters=filters, depth=2)


@pytest.fixture
def teacher(tmp_path):
    keras.utils.set_random_seed(3)
    network = unet(4)
    for layer in network.layers:
        if layer.name == "classifier":
            layer.kernel.assign(9 * layer.kernel)
    path = tmp_path / "teacher.keras"
    network.save(path)
    return str(path), network


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_the_divergence_is_that_of_the_definition(temperature):
    rng = np.random.default_rng(0)
    ours, theirs = rng.normal(size=(2, 1, 2, 3, 5))
    found = TeacherDivergence(temperature)([ours, theirs])

    def probabilities(logits):
        values = np.exp(logits / temperature)
        return values / values.sum(-1, keepdims=True)

    p, q = probabilities(theirs), probabilities(ours)
    expected = temperature**2 * (p * np.log(p / q)).sum(-1, keepdims=True)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert np.abs(TeacherDivergence(temperature)([ours, ours])).max() < 1e-6


def test_void_pixels_and_weights_count_as_in_other_losses():
    values = np.arange(8, dtype="float32").reshape(1, 2, 4, 1)
    mask = np.array([[[0, 1, 255, 2], [255, 255, 0, 0]]])
    weights = np.full((1, 2, 4), 2.0)
    assert float(MeanOverPixels()(mask, values)) == pytest.approx(17 / 5)
    assert float(MeanOverPixels()(mask, values, weights)) == pytest.approx(34 / 5)
    assert float(MeanOverPixels()(np.full_like(mask, 255), values)) == 0


def test_only_the_student_learns_and_moves_towards_the_teacher(teacher):
    path, network = teacher
    student = unet()
    trained, factors = add_teacher(*add_heads(student), path, weight=2.0)
    assert factors == {"logits": 1.0, "distillation": 2.0}
    assert len(trained.trainable_variables) == len(student.trainable_variables)
    images = np.random.default_rng(0).uniform(0, 255, (4, 16, 16, 3))
    masks = np.full((4, 16, 16), 255)
    truth = {"logits": masks, "distillation": np.zeros_like(masks)}
    loss = {name: MeanOverPixels() for name in factors}
    loss["logits"] = kseg.losses.CrossEntropy()
    trained.compile(keras.optimizers.Adam(0.03), loss, loss_weights=factors)
    expected = network(images, training=False)
    history = trained.fit(images, truth, 4, 80, 0).history["loss"]
    assert history[-1] < history[0] / 2
    np.testing.assert_array_equal(network(images, training=False), expected)


def test_heads_stay_beside_the_teacher(teacher):
    student = unet()
    heads = add_heads(student, tap="encoder2_bn2", filters=2)
    trained, factors = add_teacher(*heads, teacher[0])
    assert list(trained.output) == ["logits", "auxiliary", "distillation"]
    assert factors == {"logits": 1.0, "auxiliary": 0.4, "distillation": 1.0}


def test_a_teacher_of_other_classes_is_refused(teacher):
    student = unet(num_classes=4)
    with pytest.raises(ValueError, match=r"of shape \(None, None, None, 4\). Rec"):
        add_teacher(*add_heads(student), teacher[0])
    with pytest.raises(ValueError, match="must not be negative"):
        add_teacher(*add_heads(student), teacher[0], weight=-1.0)
