"""Every config takes ten steps on generated scenes, and the recipes are the papers'."""

import ast
import inspect
import math
import re
from pathlib import Path

import keras
import numpy as np
import pytest

from kseg import losses
from kseg.data import open_source
from kseg.labels import Labels
from kseg.training import experiment as experiments
from kseg.training.experiment import config_names, load_experiment
from kseg.training.feeds import open_feeds
from kseg.training.fit import compiled

STEPS = 10
# What makes a network small and leaves it as it is: its widths; no border around the
# image of FCN and HED.
SMALL = {
    "deconvnet": {"filters": 4, "fc_filters": 8},
    "deeplabv1": {"fc_filters": 8},
    "deeplabv1_msc": {"fc_filters": 8, "filters": 8},
    # Random weights overflow in so deep a network without its batch norms.
    "deeplabv2": {"fc_filters": 8, "freeze_batch_norm": False},
    "deeplabv3": {"filters": 8},
    "deeplabv3plus": {"filters": 8},
    "fcn16s": {"fc_filters": 8, "padding": "same"},
    "fcn32s": {"fc_filters": 8, "padding": "same"},
    "fcn8s": {"fc_filters": 8, "padding": "same"},
    "hed": {"padding": "same"},
    "ocrnet": {"filters": 8, "key_filters": 4},
    "pspnet": {"filters": 8},
    "refinenet": {"filters": 8},
    "segnet": {"filters": 4},
    "segnet_basic": {"filters": 4},
    "unet": {"filters": 4},
}
# The smaller of a kind.
SMALL_BACKBONES = {
    "hrnet_w18": "hrnet_w18_small_v1",
    "hrnet_w48": "hrnet_w18_small_v1",
    "mobilenet_v3_large": "mobilenet_v3_small",
    "resnet101": "resnet18_torch",
    "resnet50": "resnet18_torch",
    "xception65": "mobilenet_v2",
}
LOSSES = {
    "class_balanced": losses.ClassBalancedCrossEntropy,
    "cross_entropy": losses.CrossEntropy,
    "sum": losses.WeightedSum,
}
# One of each network and recipe; the others are among the slow tests.
QUICK = (
    "ade20k_pspnet_resnet50",
    "bsds_hed_paper",
    "camvid_segnet_paper",
    "cityscapes_ocrnet_w48",
    "demo",
    "isbi_unet_paper",
    "voc_deconvnet_stage1",
    "voc_deeplabv1_msc",
    "voc_deeplabv2_vgg16",
    "voc_deeplabv3_mobilenet_v2",
    "voc_fcn8s_at_once_vgg16",
    "voc_refinenet_resnet50",
)


@pytest.mark.parametrize(
    "name",
    [
        name if name in QUICK else pytest.param(name, marks=pytest.mark.slow)
        for name in config_names()
    ],
)
def test_ten_steps(name, folder):
    take_ten_steps(name, folder, SMALL_BACKBONES)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["cityscapes_ocrnet_w48", "voc_deeplabv3plus_xception65", "voc_pspnet_resnet101"],
)
def test_ten_steps_of_a_large_backbone(name, folder):
    take_ten_steps(name, folder, {})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the generated scenes lie once they are drawn."""
    return str(tmp_path_factory.mktemp("tfds"))


def take_ten_steps(name, folder, backbones):
    """Trains ten steps of twenty, and sees that what the config names was used."""
    experiment, feeds = tiny(name, folder, backbones)
    experiment.check()
    keras.config.set_dtype_policy(experiment.fit.get("dtype_policy", "float32"))
    keras.utils.set_random_seed(experiment.fit["seed"])
    frozen = experiment.fit.get("freeze_batch_norm", False)
    model, trained, heads, _ = compiled(
        experiment, feeds, 2 * STEPS, freeze_batch_norm=frozen
    )
    trained.run_eagerly = True  # ten steps take less time than a graph of them
    before = [keras.ops.convert_to_numpy(v) for v in trained.trainable_variables]
    logs = trained.fit(
        feeds.training(0, heads), steps_per_epoch=STEPS, shuffle=False, verbose=0
    )
    logs = {key: values[0] for key, values in logs.history.items()}

    optimizer, section = trained.optimizer.inner_optimizer, experiment.optimizer
    rate = float(keras.ops.convert_to_numpy(optimizer.learning_rate))
    assert rate == pytest.approx(rate_after(STEPS, 2 * STEPS, **section), rel=1e-4)
    assert type(optimizer).__name__.lower() == section["name"]
    assert getattr(optimizer, "momentum", 0.9) == section.get("momentum", 0.9)
    assert optimizer.weight_decay == section["weight_decay"]
    factors = [
        factor(name, *v.path.split("/")[-2:]) for v in trained.trainable_variables
    ]
    assert list(optimizer._factors) == pytest.approx(factors)
    after = [keras.ops.convert_to_numpy(v) for v in trained.trainable_variables]
    moved = [not np.array_equal(*pair) for pair in zip(before, after, strict=True)]
    assert any(moved)
    assert all(expected > 0 for expected in np.array(factors)[moved])

    # Keras adds up the losses of the heads, each times its weight.
    auxiliary = experiment.auxiliary
    beside = ["auxiliary"] if "tap" in auxiliary else auxiliary.get("outputs", [])
    assert list(heads) == (["logits", *beside] if beside else [])
    assert math.isfinite(logs["loss"])
    if beside:
        total = logs["logits_loss"]
        total += auxiliary["weight"] * sum(logs[f"{head}_loss"] for head in beside)
        assert logs["loss"] == pytest.approx(total, rel=1e-3)
    kind = LOSSES[experiment.loss.get("name", "cross_entropy")]
    used = trained.loss.values() if beside else [trained.loss]
    assert all(type(loss) is kind for loss in used)
    norms = [x for x in model.layers if isinstance(x, keras.layers.BatchNormalization)]
    frozen = frozen or experiment.network.get("freeze_batch_norm", False)
    assert all(norm.trainable is not frozen for norm in norms)


def tiny(name, folder, backbones):
    """Returns a config on generated scenes, with a small network, and its feeds."""
    _, experiment = load_experiment(name)
    experiment.distillation = {}  # its teacher is a file
    network = {**experiment.network, "weights": None}
    network |= SMALL.get(network["name"], {})
    network.pop("num_classes", None)  # the scenes have their own
    backbone = network.get("backbone")
    if network["name"] == "deeplabv2":
        backbones = {"resnet101": "resnet50"}  # it takes no smaller one
    if backbone in backbones:
        network["backbone"] = backbones[backbone]
        if "tap" in experiment.auxiliary:
            experiment.auxiliary["tap"] = "conv4_block2_out"  # the last of stage 4
    experiment.network = network

    known = set(inspect.signature(open_feeds).parameters)
    scenes = {"num_train": 4, "num_val": 1, "size": (64, 96), "data_dir": folder}
    valid = network.get("padding") == "valid"  # four pixels are left of 188
    data = {key: value for key, value in experiment.data.items() if key in known}
    data |= {
        "name": "synthetic",
        "crop": (188, 188) if valid else (33, 33),
        "batch_size": min(data["batch_size"], 2),
        "val_size": None,
        "val_batch_size": None,
        "workers": 1,
        **scenes,
    }
    experiment.data = data
    edges = Edges(open_source("synthetic", "train", **scenes))
    feeds = open_feeds(**data, train=edges if network["name"] == "hed" else None)
    weights = experiment.loss.get("class_weights")
    if isinstance(weights, list):
        experiment.loss["class_weights"] = weights[: feeds.train.labels.num_classes]
    for key, few in (("drop_every", 2), ("accumulate", 2)):
        if key in experiment.optimizer:
            experiment.optimizer[key] = few
    return experiment, feeds


class Edges:
    """The left and right borders of a source's first class, for a network of edges."""

    def __init__(self, source):
        self.source = source
        self.labels = Labels(("rest", "edge"), ((0, 0, 0), (255, 255, 255)))

    def __len__(self):
        return len(self.source)

    def __getitem__(self, index):
        return self.source[index][0], self.mask(index)

    def mask(self, index):
        first = self.source.mask(index) == 0
        return (first != np.roll(first, 1, axis=1)).astype(np.uint8)

    def name(self, index):
        return self.source.name(index)


def rate_after(batches, total, learning_rate, schedule="poly", power=0.9, **section):
    """Computes the learning rate after some batches of a run."""
    every = section.get("accumulate", 1)
    step, steps = batches // every, total // every
    if schedule == "drop":
        return learning_rate / 10 ** (step // section["drop_every"])
    return learning_rate * (1 - step / steps) ** (power if schedule == "poly" else 0)


def factor(name, layer, variable):
    """Returns the factor that a recipe has on the learning rate of a variable."""
    bias = variable == "bias"
    double = 2.0 if bias else 1.0  # Caffe's custom
    if name == "bsds_hed":
        return 0.1 if layer.startswith("block") else 1.0
    if name == "bsds_hed_paper":
        of_kernel = {"block5": 100.0, "fuse": 0.001}.get(layer.split("_")[0], 1.0)
        return double * (0.01 if layer.startswith("side") else of_kernel)
    if name in ("voc_deeplabv1_largefov", "voc_scribblesup"):
        return 10 * double if layer == "fc8" else double
    if name == "voc_deeplabv1_msc":
        return 0.0 if layer.startswith(("block", "fc6", "fc7", "fc8")) else double
    if name.startswith("voc_deeplabv2"):
        of_others = double if name.endswith("vgg16") else 1.0
        return 10 * double if layer.startswith("score_rate") else of_others
    trunk = layer.startswith(("conv", "bn", "layer1", "stage", "transition"))
    if "_pspnet" in name and not name.startswith("camvid"):
        return 1.0 if trunk else 10.0
    if name.startswith("pascal_context"):
        return 1.0 if trunk else 10.0
    if "_refinenet" in name:
        return 0.1 if trunk else 1.0
    caffe = ("voc_fcn", "voc_deconvnet", "camvid_bayesian")
    if name.startswith(caffe) or name.startswith("camvid_segnet") and "paper" in name:
        return double
    return 1.0


# Of the papers and of their authors' code: optimizer steps, images of a step, the crop,
# the rate, what it does, momentum, weight decay, scales.
ONE = (1.0, 1.0)
PUBLISHED = {
    "voc_fcn32s_vgg16": (100e3, 1, 500, 1e-10, "constant", 0.99, 5e-4, ONE),
    "voc_fcn16s_vgg16": (100e3, 1, 500, 1e-12, "constant", 0.99, 5e-4, ONE),
    "voc_fcn8s_vgg16": (100e3, 1, 500, 1e-14, "constant", 0.99, 5e-4, ONE),
    "voc_fcn8s_at_once_vgg16": (300e3, 1, 500, 1e-10, "constant", 0.99, 5e-4, ONE),
    "voc_fcn32s_alexnet": (100e3, 20, 500, 1e-4, "constant", 0.9, 5e-4, ONE),
    "voc_fcn32s_googlenet": (None, 20, 500, 5e-5, "constant", 0.9, 5e-4, ONE),
    "isbi_unet_paper": (20e3, 1, 572, 1e-4, "constant", 0.99, 0.0, ONE),
    "camvid_segnet_paper": (40e3, 4, 360, 1e-3, "constant", 0.9, 5e-4, ONE),
    "camvid_segnet_basic_paper": (10e3, 4, 360, 0.1, "constant", 0.9, 5e-4, ONE),
    "camvid_bayesian_segnet": (60e3, 4, 360, 1e-3, "constant", 0.9, 5e-4, ONE),
    "voc_deconvnet_stage1": (20e3, 64, 224, 0.01, 9000, 0.9, 5e-4, ONE),
    "voc_deconvnet_stage2": (40e3, 64, 224, 0.01, 10000, 0.9, 5e-4, ONE),
    "bsds_hed_paper": (30e3, 10, 481, 1e-6, 10000, 0.9, 2e-4, ONE),
    "voc_deeplabv1_largefov": (6e3, 20, 321, 1e-3, 2000, 0.9, 5e-4, ONE),
    "voc_deeplabv1_msc": (6e3, 20, 321, 1e-3, 2000, 0.9, 5e-4, ONE),
    "voc_scribblesup": (6e3, 20, 321, 1e-3, 2000, 0.9, 5e-4, ONE),
    "voc_deeplabv2_vgg16": (20e3, 10, 321, 1e-3, "poly", 0.9, 5e-4, ONE),
    "voc_deeplabv2_resnet101": (20e3, 10, 321, 2.5e-4, "poly", 0.9, 5e-4, (0.5, 1.5)),
    "voc_deeplabv3_resnet50": (30e3, 16, 513, 0.007, "poly", 0.9, 1e-4, (0.5, 2.0)),
    "voc_deeplabv3_resnet101": (30e3, 16, 513, 0.007, "poly", 0.9, 1e-4, (0.5, 2.0)),
    "voc_deeplabv3_resnet101_stage2": (
        30e3, 16, 513, 0.001, "poly", 0.9, 1e-4, (0.5, 2.0)),
    "voc_deeplabv3_mobilenet_v2": (30e3, 16, 513, 0.007, "poly", 0.9, 4e-5, (0.5, 2.0)),
    "cityscapes_deeplabv3_resnet101": (
        90e3, 16, 769, 0.007, "poly", 0.9, 1e-4, (0.5, 2.0)),
    "voc_deeplabv3plus_resnet101": (
        30e3, 16, 513, 0.007, "poly", 0.9, 1e-4, (0.5, 2.0)),
    "voc_deeplabv3plus_xception65": (
        30e3, 16, 513, 0.007, "poly", 0.9, 4e-5, (0.5, 2.0)),
    "cityscapes_deeplabv3plus_xception65": (
        90e3, 16, 769, 0.007, "poly", 0.9, 4e-5, (0.5, 2.0)),
    "voc_pspnet_resnet101": (50 * 661, 16, 473, 0.01, "poly", 0.9, 1e-4, (0.5, 2.0)),
    "cityscapes_pspnet_resnet101": (
        200 * 185, 16, 713, 0.01, "poly", 0.9, 1e-4, (0.5, 2.0)),
    "ade20k_pspnet_resnet50": (
        100 * 1263, 16, 473, 0.01, "poly", 0.9, 1e-4, (0.5, 2.0)),
    "voc_refinenet_resnet50": (
        100 * 1464, 1, 400, 5e-4, 70 * 1464, 0.9, 5e-4, (0.7, 1.3)),
    "cityscapes_refinenet_resnet101": (
        100 * 2975, 1, 600, 5e-4, 70 * 2975, 0.9, 5e-4, (0.7, 1.3)),
    "cityscapes_hrnet_w48": (484 * 247, 12, 512, 0.01, "poly", 0.9, 5e-4, (0.5, 2.1)),
    "cityscapes_ocrnet_w48": (484 * 247, 12, 512, 0.01, "poly", 0.9, 5e-4, (0.5, 2.1)),
    "cityscapes_ocrnet_resnet101": (
        40e3, 8, 512, 0.01, "poly", 0.9, 5e-4, (0.5, 2.0)),
    "pascal_context_hrnet_w48": (
        200 * 312, 16, 520, 1e-3, "poly", 0.9, 1e-4, (0.5, 2.1)),
    "pascal_context_ocrnet_w48": (
        200 * 312, 16, 520, 1e-3, "poly", 0.9, 1e-4, (0.5, 2.1)),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_recipe_has_the_published_numbers(name):
    _, experiment = load_experiment(name)
    data, section, fit = experiment.data, experiment.optimizer, experiment.fit
    every, schedule = section.get("accumulate", 1), section["schedule"]
    steps = None
    if "steps_per_epoch" in fit:
        steps = fit["epochs"] * fit["steps_per_epoch"] / every
    received = (
        steps,
        data["batch_size"] * every,
        data["crop"][0],
        section["learning_rate"],
        section["drop_every"] if schedule == "drop" else schedule,
        section["momentum"],
        section["weight_decay"],
        data["scale"],
    )
    assert received == PUBLISHED[name]
    assert section["name"] == "sgd" and section.get("power", 0.9) == 0.9
    assert (fit["seed"], fit["keep"]) == (0, "last")


def test_the_numbers_of_single_recipes():
    """What the table has no column for."""
    loaded = {name: load_experiment(name)[1] for name in PUBLISHED}
    for name, experiment in loaded.items():
        summed = (
            name.startswith("voc_fcn") and "alex" not in name and "goog" not in name
        )
        term = {"name": "cross_entropy", "factor": 500.0 * 375}
        assert experiment.loss.get("terms") == ([term] if summed else None), name
        flips = not name.startswith(("voc_fcn", "isbi", "camvid"))
        assert experiment.data["flip"] == (0.5 if flips else 0.0), name
        weight = {"pspnet": 0.4, "ocrnet": 0.4, "hed": 1.0}.get(
            experiment.network["name"]
        )
        weight = 1.0 if name == "voc_deeplabv2_resnet101" else weight
        assert experiment.auxiliary.get("weight") == weight, name
    assert loaded["bsds_hed_paper"].loss == {"name": "class_balanced", "pixels": "sum"}
    assert loaded["voc_deeplabv3_resnet101_stage2"].fit["freeze_batch_norm"]
    assert loaded["voc_deeplabv2_resnet101"].network["scales"] == (1.0, 0.75, 0.5)
    assert loaded["voc_scribblesup"].weak == {"rounds": 3}
    weights = loaded["camvid_segnet_paper"].loss["class_weights"]
    assert weights[:3] == [0.2595, 0.1826, 4.5640]
    assert sum(weights) == pytest.approx(32.2134)


@pytest.mark.parametrize("name", config_names())
def test_a_config_says_how_it_is_run(name):
    path = Path(experiments.__file__).parent / "configs" / f"{name}.py"
    text = ast.get_docstring(ast.parse(path.read_text()))
    assert text is not None
    command = "make demo" if name == "demo" else f"python training/run.py {name}"
    lines = text.splitlines()
    assert lines[1] == ""
    assert any(f"{line} ".startswith(f"{command} ") for line in lines[2:4])
    if name in PUBLISHED:
        assert "\nPublished: " in text and "\nRecipe: " in text
    for other in re.findall(r"saved_models/(\w+)/(\w+)\.keras", text):
        assert set(other) <= set(config_names()), other
