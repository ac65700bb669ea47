"""Trackers, told about a training of two epochs on tiny scenes."""

import importlib.util
import io
import json
import subprocess
import sys
import types
import warnings

import keras
import numpy as np
import pytest
from PIL import Image

from kseg.data import fitted
from kseg.metrics import MeanIoU
from kseg.training import trackers
from kseg.training.experiment import Experiment
from kseg.training.feeds import open_feeds
from kseg.training.trackers import log_results, make_trackers


@pytest.fixture(scope="module")
def feeds(scenes):
    return open_feeds(
        "folder", path=str(scenes), crop=(16, 16), batch_size=2, check=False
    )


@pytest.fixture
def experiment():
    """As two sections of a config say it, a list among the values."""
    return Experiment(
        network={"name": "unet"}, data={"name": "folder", "crop": (16, 16)}
    )


def batch(feeds):
    """Returns the validation images and masks, as they are shown."""
    examples = fitted(feeds.val, feeds.val_examples.size)
    return (np.stack(arrays) for arrays in zip(*examples, strict=True))


@pytest.fixture
def network(metric):
    """One convolution."""
    keras.utils.set_random_seed(0)
    image = keras.Input((None, None, 3), name="image")
    scaled = keras.layers.Rescaling(1 / 255, name="scaled")(image)
    logits = keras.layers.Conv2D(metric.num_classes, 1, name="logits")(scaled)
    return keras.Model(image, logits)


def train(network, feeds, callbacks, metric, epochs=2, first=0):
    """Trains a network, and a head beside it, for a step an epoch."""
    scaled = network.get_layer("scaled").output
    heads = {"auxiliary": keras.layers.Conv2D(9, 1)(scaled)}
    heads["logits"] = network.outputs[0]
    model = keras.Model(network.inputs[0], heads)
    loss = keras.losses.SparseCategoricalCrossentropy(True, ignore_class=255)
    model.compile(
        keras.optimizers.SGD(0.25),
        loss=dict.fromkeys(heads, loss),
        metrics={"logits": [metric]},
        jit_compile=keras.backend.backend() == "jax",
    )
    image, mask = batch(feeds)
    val = (image.astype("float32"), dict.fromkeys(heads, mask))
    model.fit(
        *val,
        validation_data=val,
        epochs=epochs,
        initial_epoch=first,
        verbose=0,
        callbacks=callbacks,
    )
    return model


@pytest.fixture
def metric(feeds):
    return MeanIoU(feeds.val.labels.num_classes)


def results(directory):
    """What an export leaves, as far as trackers want it."""
    metrics = {"validation": {"mean_iou": 0.5, "boundary_f1": float("nan")}}
    (directory / "metrics.json").write_text(json.dumps(metrics))
    (directory / "README.md").write_text("# the card")
    return metrics


def events(folder):
    """Reads the event files of a run as TensorBoard does."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return EventAccumulator(str(folder), size_guidance={"images": 0}).Reload()


needs_tensorboard = pytest.mark.skipif(
    importlib.util.find_spec("tensorboard") is None, reason="needs tensorboard"
)


@needs_tensorboard
def test_tensorboard_has_scores_and_pictures(
    tmp_path, feeds, metric, network, experiment
):
    callbacks = make_trackers(
        ["tensorboard"],
        experiment,
        feeds,
        metric,
        network,
        tmp_path,
        pictures=2,
        every=2,
    )
    assert not (tmp_path / "run").exists()
    train(network, feeds, callbacks, metric)
    log_results(tmp_path, results(tmp_path))

    train_run = events(tmp_path / "run/tensorboard/train")
    rates = [(e.step, e.value) for e in train_run.Scalars("learning_rate")]
    assert rates == [(1, 0.25), (2, 0.25)]
    run = events(tmp_path / "run/tensorboard/validation")
    assert [e.step for e in run.Scalars("logits_mean_iou")] == [1, 2]
    expected = metric.class_iou()
    for name, iou in zip(feeds.val.labels.names, expected, strict=True):
        tag = f"class_iou/{name}"
        if np.isnan(iou):
            assert tag not in run.Tags()["scalars"]
        else:
            assert run.Scalars(tag)[-1].value == pytest.approx(iou)
    assert [e.step for e in run.Images("confusion_matrix")] == [2]
    (shown,) = run.Images("overlay")
    picture = Image.open(io.BytesIO(shown.encoded_image_string))
    assert picture.size == (shown.width, shown.height)
    assert picture.width == 3 * 16 and picture.height > 2 * 16
    texts = {tag: run.Tensors(tag)[0].tensor_proto for tag in run.Tags()["tensors"]}
    (table,) = (
        texts["experiment/text_summary"].string_val
        if ("experiment/text_summary" in texts)
        else texts["experiment"].string_val
    )
    assert b"| data.crop | [16, 16] |" in table
    assert texts["README"].string_val[0] == b"# the card"


@needs_tensorboard
def test_the_picture_is_what_the_network_says(
    tmp_path, feeds, metric, network, experiment
):
    callbacks = make_trackers(
        ["tensorboard"], experiment, feeds, metric, network, tmp_path
    )
    model = train(network, feeds, callbacks, metric, 1)
    run = events(tmp_path / "run/tensorboard/validation")
    data = run.Images("overlay")[0].encoded_image_string
    panels = np.asarray(Image.open(io.BytesIO(data)))[:16]
    image, mask = batch(feeds)
    np.testing.assert_array_equal(panels[:, :16], image[0])
    logits = model.predict_on_batch(image.astype("float32"))["logits"]
    palette = np.array([*feeds.val.labels.colors, (255, 255, 255)])
    known = np.minimum(mask[0], len(palette) - 1)
    np.testing.assert_array_equal(panels[:, 16:32], palette[known])
    painted = (0.4 * image[0] + 0.6 * palette[logits[0].argmax(-1)]).round()
    np.testing.assert_array_equal(panels[:, 32:], painted)


@needs_tensorboard
def test_a_resumed_run_drops_the_epochs_that_were_lost(
    tmp_path, feeds, metric, network, experiment
):
    def start(first, epochs):
        callbacks = make_trackers(
            ["tensorboard"], experiment, feeds, metric, network, tmp_path, pictures=0
        )
        train(network, feeds, callbacks, metric, epochs, first)

    start(0, 3)
    start(1, 2)  # of three epochs only the first left a checkpoint
    run = events(tmp_path / "run/tensorboard/validation")
    assert [e.step for e in run.Scalars("logits_mean_iou")] == [1, 2]


class FakeMLflow(types.ModuleType):
    """Records what a run tells MLflow, and is as strict about names and changes."""

    def __init__(self):
        super().__init__("mlflow")
        self.runs, self.opened, self.active = {}, [], None

    def start_run(self, run_id=None, run_name=None, nested=False):
        assert self.active is None and not nested
        if run_id is None:
            run_id = f"id{len(self.runs)}"
            self.runs[run_id] = {
                "name": run_name, "params": {}, "metrics": [], "images": [],
                "files": [], "tags": {},
            }  # fmt: skip
        self.active = self.runs[run_id]
        self.opened.append(run_id)
        return types.SimpleNamespace(info=types.SimpleNamespace(run_id=run_id))

    def active_run(self):
        return self.active

    def get_run(self, run_id):
        params = self.runs[run_id]["params"]
        return types.SimpleNamespace(data=types.SimpleNamespace(params=params))

    def log_params(self, params):
        for key, value in params.items():
            assert self.active["params"].setdefault(key, str(value)) == str(value)

    def set_tags(self, tags):
        self.active["tags"].update(tags)

    def log_metrics(self, metrics, step=None):
        for key in metrics:
            assert all(c.isalnum() or c in "_-. /" for c in key), key
        self.active["metrics"].append((step, metrics))

    def log_image(self, image, key, step, synchronous):
        assert synchronous and isinstance(image, Image.Image)
        self.active["images"].append((step, key))

    def log_artifact(self, path):
        self.active["files"].append(path)

    def end_run(self):
        self.active = None


@pytest.fixture
def mlflow(monkeypatch):
    module = FakeMLflow()
    monkeypatch.setitem(sys.modules, "mlflow", module)
    return module


def test_mlflow_gets_everything_and_a_resumed_run_goes_on(
    tmp_path, feeds, metric, network, experiment, mlflow
):
    directory = tmp_path / "a_run"
    callbacks = make_trackers(["mlflow"], experiment, feeds, metric, network, directory)
    train(network, feeds, callbacks, metric, 1)
    assert mlflow.active is None
    (directory / "run/state.json").write_text("{}")
    experiment.data["crop"] = (16, 32)
    callbacks = make_trackers(["mlflow"], experiment, feeds, metric, network, directory)
    train(network, feeds, callbacks, metric, 2, 1)
    log_results(directory, results(directory))

    assert mlflow.opened == ["id0"] * 3 and mlflow.active is None
    run = mlflow.runs["id0"]
    assert run["name"] == "a_run"
    assert run["params"]["data.crop"] == "[16, 16]"
    assert run["tags"] == {"resumed.data.crop": "[16, 32]"}
    assert [step for step, _ in run["metrics"]] == [1, 2, None]
    sky = metric.class_iou()[feeds.val.labels.names.index("sky")]
    assert run["metrics"][1][1]["class_iou/sky"] == pytest.approx(sky)
    assert run["metrics"][2][1] == {"result/mean_iou": 0.5}
    assert run["images"] == [
        (step, key) for step in (1, 2) for key in ("confusion_matrix", "overlay")
    ]
    assert [path.rsplit("/")[-1] for path in run["files"]] == [
        "metrics.json",
        "README.md",
    ]


def test_a_run_begun_anew_is_another_one(
    tmp_path, feeds, metric, network, experiment, mlflow
):
    for _ in range(2):  # the first left no checkpoint
        callbacks = make_trackers(
            ["mlflow"], experiment, feeds, metric, network, tmp_path
        )
        train(network, feeds, callbacks, metric, 1)
    assert mlflow.opened == ["id0", "id1"]


@needs_tensorboard
def test_a_failing_tracker_is_named_once_and_the_others_go_on(
    tmp_path, feeds, metric, network, experiment, mlflow, monkeypatch, capsys
):
    tries = []

    def log_metrics(*_, **more):
        tries.append(more)
        raise ConnectionError("no route to host")

    monkeypatch.setattr(mlflow, "log_metrics", log_metrics)
    callbacks = make_trackers(
        ["mlflow", "tensorboard"], experiment, feeds, metric, network, tmp_path, 0
    )
    train(network, feeds, callbacks, metric, 3)
    assert len(tries) == 3
    assert capsys.readouterr().out.count("no route to host") == 1
    run = events(tmp_path / "run/tensorboard/validation")
    assert [e.step for e in run.Scalars("logits_mean_iou")] == [1, 2, 3]


def test_a_tracker_that_does_not_open_stops_before_training(
    tmp_path, feeds, metric, network, experiment, mlflow, monkeypatch
):
    def start_run(**_):
        raise OSError("no such server")

    monkeypatch.setattr(mlflow, "start_run", start_run)
    callbacks = make_trackers(["mlflow"], experiment, feeds, metric, network, tmp_path)
    with pytest.raises(RuntimeError, match="'mlflow' must open.*no such server"):
        train(network, feeds, callbacks, metric)


class FakeWandb(types.ModuleType):
    """Records what a run tells Weights & Biases."""

    def __init__(self):
        super().__init__("wandb")
        self.run, self.inits, self.logged, self.artifacts = None, [], [], []
        self.config = types.SimpleNamespace(update=self._update)
        self.summary, self.facts, self.finished = {}, {}, 0

    def init(self, **options):
        self.inits.append(options)
        self.run = self
        self.id = options["id"] or "abc"
        return self

    def _update(self, facts, allow_val_change):
        assert allow_val_change
        self.facts.update(facts)

    def Image(self, picture):
        return ("image", picture.size)

    def log(self, values, step):
        self.logged.append((step, values))

    def Artifact(self, name, type):
        files = []
        return types.SimpleNamespace(name=name, files=files, add_file=files.append)

    def log_artifact(self, artifact):
        self.artifacts.append(artifact)

    def finish(self):
        self.finished += 1
        self.run = None


def test_wandb_gets_everything_in_one_run(
    tmp_path, feeds, metric, network, experiment, monkeypatch
):
    wandb = FakeWandb()
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    monkeypatch.delenv("WANDB_DIR", raising=False)
    callbacks = make_trackers(["wandb"], experiment, feeds, metric, network, tmp_path)
    train(network, feeds, callbacks, metric)
    assert wandb.finished == 0
    log_results(tmp_path, results(tmp_path))
    assert wandb.finished == 1 and len(wandb.inits) == 1
    assert wandb.inits[0]["resume"] is None
    assert wandb.inits[0]["dir"] == str(tmp_path / "run")
    assert wandb.facts["data.crop"] == "[16, 16]"
    assert [step for step, _ in wandb.logged] == [1, 2]
    assert wandb.logged[0][1]["confusion_matrix"][0] == "image"
    assert "val_logits_mean_iou" in wandb.logged[0][1]
    assert wandb.summary == {"result/mean_iou": 0.5}
    assert [path.rsplit("/")[-1] for path in wandb.artifacts[0].files] == [
        "metrics.json",
        "README.md",
    ]
    # In a new process the run goes on under its identity.
    (tmp_path / "run/state.json").write_text("{}")
    callbacks = make_trackers(["wandb"], experiment, feeds, metric, network, tmp_path)
    train(network, feeds, callbacks, metric, 3, 2)
    assert (wandb.inits[1]["id"], wandb.inits[1]["resume"]) == ("abc", "allow")


def test_the_results_of_rounds_go_to_the_last_one(tmp_path, mlflow):
    for number in range(1, 12):
        mlflow.start_run(run_name=str(number))
        mlflow.end_run()
        folder = tmp_path / f"rounds/{number}/run"
        folder.mkdir(parents=True)
        (folder / "trackers.json").write_text(json.dumps({"mlflow": f"id{number - 1}"}))
    log_results(tmp_path, results(tmp_path))
    told = [run["name"] for run in mlflow.runs.values() if run["metrics"]]
    assert told == ["11"]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["tensorbord"], "Did you mean 'tensorboard'"),
        ("mlflow", "must be a list"),
    ],
)
def test_wrong_names_are_explained(names, words):
    with pytest.raises(ValueError, match=words):
        trackers.check_trackers(names)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ImportError, match=r"kseg\[wandb\]"):
        trackers.check_trackers(["wandb"])


@needs_tensorboard
def test_by_default_there_is_tensorboard_where_it_is_installed(monkeypatch):
    assert trackers.check_trackers(None) == ["tensorboard"]
    monkeypatch.setattr(trackers.importlib.util, "find_spec", lambda name: None)
    assert trackers.check_trackers(None) == []


def test_no_trackers_no_callbacks(tmp_path, feeds, metric, network, experiment):
    assert make_trackers([], experiment, feeds, metric, network, tmp_path) == []


@needs_tensorboard
def test_events_are_written_without_tensorflow(tmp_path):
    code = (
        "import sys; sys.modules['tensorflow'] = None\n"
        "import pathlib\n"
        "from kseg.training.tracker_services import TensorBoard\n"
        f"board = TensorBoard(pathlib.Path({str(tmp_path)!r}), 'a', None)\n"
        "board.log({'loss': 2.5}, {}, 7)\n"
        "board.pause()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    (event,) = events(tmp_path / "tensorboard/train").Scalars("loss")
    assert (event.step, event.value) == (7, 2.5)
