import gc
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import keras
import numpy as np
import pytest
from array_source import ArraySource, numbered

from kseg.data import Examples, RandomFlip, RandomScaleCrop, keras_feed, tf_feed
from kseg.labels import Labels
from kseg.losses import CrossEntropy

SIZE = (8, 10)
STILL = (RandomFlip(0.0),)


@pytest.fixture
def textured():
    """Ten examples of noise, of different sizes."""
    rng = np.random.default_rng(0)
    pairs = []
    for _ in range(10):
        height, width = rng.integers(12, 30, 2)
        image = rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
        pairs.append((image, rng.integers(0, 5, (height, width)).astype(np.uint8)))
    return ArraySource(pairs, Labels.numbered(5))


def training(source, **options):
    return Examples(source, SIZE, 4, [RandomScaleCrop(SIZE), RandomFlip()], **options)


def assert_same(batch, expected):
    for one, two in zip(batch, expected, strict=True):
        np.testing.assert_array_equal(np.asarray(one), two)


class Seen(keras.metrics.Metric):
    """Says which two examples of a `numbered` source are in a batch."""

    def __init__(self):
        super().__init__(name="seen")
        self.value = self.add_variable((), "zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        first, second = (keras.ops.mean(y_pred[i]) for i in range(2))
        same = keras.ops.mean(keras.ops.cast(y_true[..., None], "float32") - y_pred)
        self.value.assign(100 * first + second + 1e4 * same)

    def result(self):
        return keras.ops.convert_to_tensor(self.value)

    def reset_state(self):
        pass


class Record(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.trained, self.tested = [], []

    def on_train_batch_end(self, batch, logs=None):
        self.trained.append(divmod(round(float(logs["seen"])), 100))

    def on_test_batch_end(self, batch, logs=None):
        self.tested.append(divmod(round(float(logs["seen"])), 100))


def identity():
    """A model that returns its images and says what it saw."""
    image = keras.Input((*SIZE, 3))
    layer = keras.layers.Dense(3, use_bias=False, kernel_initializer="identity")
    model = keras.Model(image, layer(image))
    model.compile(
        keras.optimizers.SGD(0.0),
        loss=lambda y_true, y_pred: 0.0 * keras.ops.mean(y_pred, axis=(1, 2, 3)),
        metrics=[Seen()],
        jit_compile=False,
    )
    return model


def stream(examples, steps):
    """The pairs of examples that the steps are of."""
    return [
        tuple(int(v) for v in examples.batch(step)[1].max(axis=(1, 2)))
        for step in steps
    ]


# tf.data


@pytest.mark.parametrize("start_step", [0, 7])
def test_the_tf_feed_is_the_stream(textured, start_step):
    pytest.importorskip("tensorflow")
    examples = training(textured, mask_size=(4, 6))
    feed = tf_feed(examples, start_step)
    (images, masks) = feed.element_spec
    assert images.shape == (4, *SIZE, 3) and images.dtype == "uint8"
    assert masks.shape == (4, 4, 6) and masks.dtype == "uint8"
    for step, batch in enumerate(feed.take(8), start_step):
        assert_same(batch, examples.batch(step))


def test_the_tf_feed_keeps_the_order_of_slow_examples():
    pytest.importorskip("tensorflow")
    source = numbered(12)

    class Slow(list):
        def __getitem__(self, index):
            time.sleep(0.02 * (index % 3 == 0))
            return super().__getitem__(index)

    source.pairs = Slow(source.pairs)
    examples = Examples(source, SIZE, 2, STILL)
    found = [tuple(m.numpy().max(axis=(1, 2))) for _, m in tf_feed(examples).take(30)]
    assert found == stream(examples, range(30))


def test_the_tf_feed_is_endless_only_for_training(textured):
    tf = pytest.importorskip("tensorflow")
    for augment in (STILL, []):
        examples = Examples(numbered(10), SIZE, 4, augment)
        assert tf_feed(examples).cardinality() == tf.data.INFINITE_CARDINALITY
    examples = Examples(textured, SIZE, 4)
    feed = tf_feed(examples)
    assert int(feed.cardinality()) == 3 and int(tf_feed(examples, 1).cardinality()) == 2
    for _ in range(2):
        for step, batch in enumerate(feed):
            assert_same(batch, examples.batch(step))
    assert step == 2


def test_the_tf_feed_has_16_bit_masks_for_many_classes():
    pytest.importorskip("tensorflow")
    source = numbered(3)
    source.labels = Labels.numbered(300, ignore_class=65535)
    source.pairs = [(i, m.astype(np.uint16) + 256) for i, m in source.pairs]
    examples = Examples(source, SIZE, 2)
    for step, batch in enumerate(tf_feed(examples)):
        assert batch[1].dtype == "uint16"
        assert_same(batch, examples.batch(step))


def test_an_error_in_the_tf_feed_names_its_cause(textured):
    tf = pytest.importorskip("tensorflow")

    def broken(example, rng):
        raise ValueError("Received: broken.png.")

    feed = tf_feed(Examples(textured, SIZE, 2, [broken]))
    with pytest.raises(tf.errors.InvalidArgumentError, match="broken.png"):
        next(iter(feed))


# keras.utils.PyDataset


@pytest.mark.parametrize("start_step", [0, 7])
@pytest.mark.parametrize("workers", [1, 3])
def test_the_keras_feed_is_the_stream(textured, start_step, workers):
    examples = training(textured, mask_size=(4, 6))
    feed = keras_feed(examples, start_step, workers=workers, max_queue_size=3)
    assert isinstance(feed, keras.utils.PyDataset) and feed.num_batches is None
    assert feed.workers == 1 and not feed.use_multiprocessing  # Keras's own
    for step in (0, 1, 2, 3, 9, 4, 0, 0, 1, 8):  # in any order
        images, masks = feed[step]
        assert images.dtype == masks.dtype == np.uint8
        assert_same((images, masks), examples.batch(start_step + step))


def test_the_keras_feed_ends_after_evaluation(textured, monkeypatch):
    examples = Examples(textured, SIZE, 4)
    batch, made = examples.batch, []
    monkeypatch.setattr(
        examples, "batch", lambda step: made.append(step) or batch(step)
    )
    feed = keras_feed(examples)
    assert feed.num_batches == 3 and keras_feed(examples, 1).num_batches == 2
    for _ in range(2):
        batches = list(feed)
        assert len(batches) == 3
        for step in range(3):
            assert_same(batches[step], batch(step))
    assert sorted(made) == [0, 0, 1, 1, 2, 2]  # nothing was made beyond the end


def test_the_keras_feed_makes_batches_ahead_and_each_once():
    examples = Examples(numbered(12), SIZE, 2, STILL)
    feed = keras_feed(examples, workers=2, max_queue_size=4)
    feed[0]
    deadline = time.monotonic() + 10
    while examples.source.reads < 10 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    assert examples.source.reads == 2 * 5
    for step in range(1, 6):
        feed[step]
    while examples.source.reads < 20 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert examples.source.reads == 2 * 10


def test_an_error_in_the_keras_feed_comes_at_its_step():
    def broken(example, rng):
        if example.mask.max() == 3:
            raise ValueError("Received: broken.png.")
        return example

    order = stream(Examples(numbered(6), SIZE, 1, STILL), range(6))
    feed = keras_feed(Examples(numbered(6), SIZE, 1, [broken]))
    for step, (example,) in enumerate(order):
        if example == 3:
            with pytest.raises(ValueError, match="broken.png"):
                feed[step]
        else:
            assert (feed[step][1] == example).all()


def test_the_threads_end_with_the_feed():
    def threads():
        return sum("ThreadPoolExecutor" in t.name for t in threading.enumerate())

    gc.collect()
    before = threads()
    feed = keras_feed(Examples(numbered(12), SIZE, 2, STILL), workers=3)
    feed[0]
    assert threads() > before
    del feed
    gc.collect()
    deadline = time.monotonic() + 10
    while threads() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threads() <= before


# What reaches `fit`


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("steps", [6, 4, 8])
def test_fit_gets_the_stream_over_its_epochs(workers, steps):
    examples = Examples(numbered(12), SIZE, 2, STILL, seed=3)
    record = Record()
    identity().fit(
        keras_feed(examples, workers=workers, max_queue_size=3),
        epochs=3,
        steps_per_epoch=steps,
        shuffle=False,
        callbacks=[record],
        verbose=0,
    )
    assert record.trained == stream(examples, range(3 * steps))


def test_fit_goes_on_in_the_stream_at_a_later_step():
    examples = Examples(numbered(12), SIZE, 2, STILL, seed=3)
    model, record = identity(), Record()
    options = {
        "steps_per_epoch": 4,
        "shuffle": False,
        "callbacks": [record],
        "verbose": 0,
    }
    model.fit(keras_feed(examples), epochs=2, **options)
    model.fit(keras_feed(examples, 8), initial_epoch=2, epochs=3, **options)
    assert record.trained == stream(examples, range(12))


def test_validation_in_fit_is_the_whole_source_in_order():
    examples = Examples(numbered(12), SIZE, 2, STILL)
    validation = Examples(numbered(8), SIZE, 2)
    record = Record()
    identity().fit(
        keras_feed(examples),
        validation_data=keras_feed(validation, workers=2),
        epochs=3,
        steps_per_epoch=2,
        shuffle=False,
        callbacks=[record],
        verbose=0,
    )
    assert record.tested == 3 * [(0, 1), (2, 3), (4, 5), (6, 7)]
    assert record.trained == stream(examples, range(6))


def test_evaluate_gets_every_example_once():
    record = Record()
    feed = keras_feed(Examples(numbered(12), SIZE, 2), workers=2, max_queue_size=3)
    model = identity()
    for _ in range(2):
        model.evaluate(feed, callbacks=[record], verbose=0)
    assert record.tested == 2 * [(i, i + 1) for i in range(0, 12, 2)]


def test_the_tf_feed_reaches_fit_as_the_keras_feed_does():
    pytest.importorskip("tensorflow")
    examples = Examples(numbered(12), SIZE, 2, STILL, seed=3)
    record = Record()
    identity().fit(
        tf_feed(examples),
        epochs=2,
        steps_per_epoch=6,
        shuffle=False,
        callbacks=[record],
        verbose=0,
    )
    assert record.trained == stream(examples, range(12))


def test_the_keras_feed_needs_no_tensorflow():
    if keras.backend.backend() == "tensorflow":
        pytest.skip("the backend imports TensorFlow")
    assert "tensorflow" not in sys.modules


class Logged:
    """Weights that write down how often they are computed, in any process."""

    def __init__(self, path):
        self.path = path

    def __call__(self, mask):
        with self.path.open("a") as file:
            file.write("computed\n")
        return np.sqrt(mask)


class Sent(ArraySource):
    """A source that counts how often it is sent to another process."""

    times = 0

    def __getstate__(self):
        Sent.times += 1
        return self.__dict__


def test_processes_get_the_examples_once_and_make_what_threads_make(tmp_path):
    Sent.times = 0
    source = Sent(numbered(2).pairs, Labels.numbered(20))
    log = tmp_path / "weights.log"
    logged = Examples(source, SIZE, 2, STILL, weights=Logged(log))
    plain = Examples(source, SIZE, 2, STILL, weights=np.sqrt)
    processes = keras_feed(logged, workers=2, processes=True, max_queue_size=2)
    threads = keras_feed(plain, workers=2)
    for step in range(5):
        for ours, theirs in zip(threads[step], processes[step], strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert Sent.times == 2  # once for each of them
    assert 2 <= log.read_text().count("computed") <= 4  # not 10


def test_every_head_gets_the_masks():
    examples = Examples(numbered(4), SIZE, 2, STILL)
    heads = ("logits", "auxiliary")
    _, plain = keras_feed(examples)[1]
    _, masks = keras_feed(examples, outputs=heads)[1]
    assert set(masks) == set(heads)
    for mask in masks.values():
        np.testing.assert_array_equal(mask, plain)


# Weights


@pytest.mark.parametrize("heads", [(), ("logits", "auxiliary")])
def test_both_feeds_give_the_weights_as_a_third(heads):
    tf = pytest.importorskip("tensorflow")
    fed = Examples(numbered(6), SIZE, 2, STILL, mask_size=(4, 6), weights=np.sqrt)
    ours, theirs = keras_feed(fed, 1, heads), tf_feed(fed, 1, heads)
    specs = theirs.element_spec[2]
    for spec in specs.values() if heads else [specs]:
        assert spec == tf.TensorSpec((2, 4, 6), tf.float32)
    for step, batch in enumerate(theirs.take(4)):
        images, masks, weights = fed.batch(1 + step)
        for made in (ours[step], batch):
            assert len(made) == 3
            np.testing.assert_array_equal(np.asarray(made[0]), images)
            for target, expected in zip(made[1:], (masks, weights), strict=True):
                assert not heads or set(target) == set(heads)
                for array in target.values() if heads else [target]:
                    np.testing.assert_array_equal(np.asarray(array), expected)


@pytest.mark.parametrize("feed", [keras_feed, tf_feed])
def test_fit_takes_the_weights_as_sample_weight(feed):
    pytest.importorskip("tensorflow")
    # All three logits of a pixel are its example's number i, so its loss is log 3,
    # times its weight i + 0.5: in the mean over 0, 1 and 2 that is 1.5 log 3.
    fed = Examples(numbered(3), SIZE, 2, STILL, weights=lambda mask: mask + 0.5)
    model = identity()
    model.compile(keras.optimizers.SGD(0.0), CrossEntropy(), jit_compile=False)
    history = model.fit(
        feed(fed), epochs=1, steps_per_epoch=3, shuffle=False, verbose=0
    )
    assert history.history["loss"][0] == pytest.approx(1.5 * np.log(3), rel=1e-6)


def test_a_script_ends_while_the_tf_feed_reads_ahead(tmp_path):
    pytest.importorskip("tensorflow")
    # TensorFlow would wait for ever for threads that wait for the interpreter.
    script = tmp_path / "script.py"
    script.write_text(
        "import cv2\n"
        "import numpy as np\n"
        "from kseg.data import Examples, tf_feed\n"
        "from array_source import numbered\n"
        "def slow(example, rng):\n"
        "    cv2.GaussianBlur(np.zeros((2000, 2000, 3), np.uint8), (0, 0), 9)\n"
        "    return example\n"
        "feed = iter(tf_feed(Examples(numbered(5), (8, 10), 4, [slow])))\n"
        "print(next(feed)[1].shape)\n"
    )
    path = os.pathsep.join([*sys.path, str(Path(__file__).parent)])
    done = subprocess.run(
        [sys.executable, script],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.strip() == "(4, 8, 10)"
    assert done.returncode == 0, done.stderr
