"""What a run compiles, and what its steps fetch: as little as there must be."""

import keras
import pytest
from keras.callbacks import CallbackList

from kseg.training.experiment import load_experiment
from kseg.training.fit import fit

# Six images in batches of four, and three in such of two.
CONFIG = """
from kseg.training.experiment import Experiment

def config():
    return Experiment(
        network=dict(name="unet", filters=2, depth=2),
        data=dict(name="folder", path={path!r}, crop=(16, 24), batch_size=4,
                  val_size=(48, 64), val_batch_size=2),
        optimizer=dict(learning_rate=0.1),
    )
"""
# What calls Python in a graph of TensorFlow.
PYTHON = {"PyFunc", "PyFuncStateless", "EagerPyFunc"}


@pytest.fixture(scope="module")
def events(scenes, tmp_path_factory):
    """What two epochs of three steps and two of validation did, in order.

    A name, and of a step that became a graph the types of its operations.
    """
    folder = tmp_path_factory.mktemp("run")
    (folder / "tiny.py").write_text(CONFIG.format(path=str(scenes)))
    _, experiment = load_experiment(str(folder / "tiny.py"))
    found = []

    def watch(patch, owner, name, say=lambda: None):
        method = getattr(owner, name)

        def noted(*arguments, **options):
            result = method(*arguments, **options)
            found.append((name, say()))
            return result

        patch.setattr(owner, name, noted)

    with pytest.MonkeyPatch.context() as patch:
        for kind in ("train", "test"):
            # What is in a graph runs no Python any more.
            watch(patch, keras.Model, f"{kind}_step", operations)
            watch(patch, CallbackList, f"on_{kind}_batch_begin")
        watch(patch, keras.Variable, "__array__")
        fit(experiment, folder, False, epochs=2, steps_per_epoch=3)
    return found


def operations():
    """The types of the operations of the graph that is made; of TensorFlow only."""
    if keras.backend.backend() != "tensorflow":
        return set()
    import tensorflow as tf

    graph = tf.compat.v1.get_default_graph().as_graph_def()
    bodies = (function.node_def for function in graph.library.function)
    return {node.op for nodes in (graph.node, *bodies) for node in nodes}


@pytest.mark.parametrize("step", ["train_step", "test_step"])
def test_a_step_is_compiled_once(events, step):
    assert [name for name, _ in events].count(step) == 1


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="wants graphs of TensorFlow"
)
@pytest.mark.parametrize("step", ["train_step", "test_step"])
def test_a_step_calls_no_python(events, step):
    (found,) = (types for name, types in events if name == step)
    assert "Conv2D" in found and not found & PYTHON


@pytest.mark.parametrize("kind, steps", [("train", 3), ("test", 2)])
def test_steps_fetch_no_variable(events, kind, steps):
    """Those of weights, metrics and the optimizer are fetched by the epoch."""
    names = [name for name, _ in events]
    begun = [n for n, name in enumerate(names) if name == f"on_{kind}_batch_begin"]
    assert len(begun) == 2 * steps
    # In the first epoch, steps become graphs.
    assert "__array__" in names[: begun[steps]]
    assert "__array__" not in names[begun[steps] : begun[-1]]
