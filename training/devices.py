"""What a run is trained on: all devices that are visible, of one host or of several.

On TensorFlow these are the devices of one host, under a `MirroredStrategy`. On JAX they
are those of all hosts that have joined, under `keras.distribution.DataParallel`: one
program then works on one global batch, so that means over it are those of one device.
The hosts find each other by the variables that `keras.distribution.initialize` reads.
"""

import contextlib
import functools
import json
import os
import pickle
from collections.abc import Callable, Iterator
from typing import TypeVar

import keras
import numpy as np

T = TypeVar("T")

_ADDRESSES = "KERAS_DISTRIBUTION_JOB_ADDRESSES"
_COUNT = "KERAS_DISTRIBUTION_NUM_PROCESSES"
_INDEX = "KERAS_DISTRIBUTION_PROCESS_ID"

# What is sent to the other hosts goes in pieces of this size, by one compiled program.
_PIECE_BYTES = 2**22


def join_hosts() -> None:
    """Joins the other hosts of a run, before anything is computed.

    Without variables that say so the run has one host, and nothing happens.

    Raises:
        ValueError: If there are several hosts and the backend is not JAX, or a
            variable is wrong.
    """
    wanted = [name for name in (_ADDRESSES, _COUNT, _INDEX) if os.environ.get(name)]
    backend = keras.backend.backend()
    if backend != "jax":
        workers = _tensorflow_workers()
        if wanted or workers > 1:
            received = wanted or [f"TF_CONFIG with {workers} workers"]
            raise ValueError(
                "A run on several hosts must be on JAX: Keras 3 cannot train under a "
                f"MultiWorkerMirroredStrategy. Received: {', '.join(received)}, and "
                f"the backend {backend}. Start the same command on every host with "
                f"KERAS_BACKEND=jax {_ADDRESSES}=<address of the first>:<port> "
                f"{_COUNT}=<hosts> {_INDEX}=<0, 1 ...>, and without TF_CONFIG."
            )
        return
    if not wanted:
        return
    for name in (_COUNT, _INDEX):
        if not os.environ.get(name, "0").isdecimal():
            raise ValueError(
                f"{name} must be a number. Received: {os.environ[name]!r}."
            )
    # Without a seed Keras has the hosts agree on one, which the run sets anyway.
    keras.utils.set_random_seed(0)
    keras.distribution.initialize()
    import jax

    if jax.device_count() != jax.process_count() * jax.local_device_count():
        raise ValueError(
            "All hosts of a run must have as many devices. Received: "
            f"{jax.local_device_count()} on host {jax.process_index()}, of "
            f"{jax.device_count()} on {jax.process_count()} hosts."
        )


def leave_hosts() -> None:
    """Waits for the other hosts to come here too, and goes on without them.

    What is computed from then on must be outside of `all_devices`.
    """
    if host()[1] > 1:
        import jax

        jax.distributed.shutdown()


def host() -> tuple[int, int]:
    """Returns which host this is, from 0, and of how many: `(0, 1)` alone."""
    if keras.backend.backend() != "jax":
        return 0, 1
    import jax

    return jax.process_index(), jax.process_count()


def writes() -> bool:
    """Returns whether this host is the one that prints, and writes the files."""
    return host()[0] == 0


def check_alone(what: str) -> None:
    """Raises if there are other hosts.

    Args:
        what: What must be done on one host.

    Raises:
        ValueError: If so.
    """
    if host()[1] > 1:
        raise ValueError(
            f"{what} must be run on one host. Received: {host()[1]} hosts. Leave the "
            "variables KERAS_DISTRIBUTION_* out."
        )


@contextlib.contextmanager
def one_host_prints() -> Iterator[None]:
    """Silences the standard output of all hosts but the one that writes."""
    if writes():
        yield
        return
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        yield


def on_one_host(function: Callable[[], T]) -> T:
    """Calls a function on the host that writes, for all of them.

    So files need to be on that host only, and all do the same about what is in them.

    Args:
        function: What to call; what it returns and raises is pickled.

    Returns:
        What it returned there.

    Raises:
        ValueError: On all hosts, as what else it raised there.
    """
    if host()[1] == 1:
        return function()
    result = error = None
    if writes():
        try:
            result = function()
        except (ValueError, OSError, ImportError) as raised:
            error = raised
    result, error = pickle.loads(_sent_to_all(pickle.dumps((result, error))))
    if error is not None:
        raise error
    return result


def all_devices():
    """Returns a context in which what is built and trained is on all devices.

    On TensorFlow one device has a strategy too, under which `fit` makes the metrics
    before the first batch: what they had summed up can be put back. A model that was
    built inside of one such context must be trained inside of one.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        return _strategy(tuple(_tensorflow_devices())).scope()
    if backend == "jax" and len(keras.distribution.list_devices()) > 1:
        # Every host makes its own part of a batch: see `Feeds.spread`.
        return keras.distribution.DataParallel(auto_shard_dataset=False).scope()
    return contextlib.nullcontext()


@functools.cache
def _strategy(devices: tuple[str, ...]):
    """Returns the strategy of the devices: a model belongs to one object of it."""
    import tensorflow as tf

    if len(devices) == 1:
        # It can compile with XLA and accumulate gradients, as a mirrored one cannot.
        return tf.distribute.OneDeviceStrategy(devices[0])
    return tf.distribute.MirroredStrategy(list(devices))


def replicas() -> int:
    """Returns how many devices a batch is split over, inside of `all_devices`."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.distribute.get_strategy().num_replicas_in_sync
    distribution = keras.distribution.distribution()
    return 1 if distribution is None else distribution.device_mesh.devices.size


def jit_compile() -> bool:
    """Returns whether to compile with XLA: always on JAX, where there is no other."""
    return keras.backend.backend() == "jax"


def check_compile_options(
    jit_compile: bool = False, accumulate: int = 1, steps_per_execution: int = 1
) -> None:
    """Raises if several devices cannot do on TensorFlow what one can.

    Args:
        jit_compile: Whether to compile with XLA.
        accumulate: Batches whose gradients are summed up for one step.
        steps_per_execution: Steps in one call of the compiled function.

    Raises:
        ValueError: If so, naming what can be done.
    """
    if keras.backend.backend() != "tensorflow" or len(_tensorflow_devices()) < 2:
        return
    asked = {
        "jit_compile=True": jit_compile,
        f"accumulate={accumulate}": accumulate > 1,
        f"steps_per_execution={steps_per_execution}": steps_per_execution > 1,
    }
    refused = [option for option, is_asked in asked.items() if is_asked]
    if refused:
        raise ValueError(
            "On several TensorFlow devices Keras 3 can neither compile with XLA, nor "
            "accumulate gradients, nor run several steps at once. Received: "
            f"{', '.join(refused)} on {len(_tensorflow_devices())} devices. Take JAX, "
            "which can (KERAS_BACKEND=jax), one device (CUDA_VISIBLE_DEVICES=0), or "
            "leave it out."
        )


def describe_devices() -> str:
    """Returns what a run would be trained on, for a person: `"2 GPU (tensorflow)"`."""
    backend = keras.backend.backend()
    names = (
        [name.removeprefix("/device:") for name in _tensorflow_devices()]
        if backend == "tensorflow"
        else keras.distribution.list_devices()
    )
    kind, count = names[0].partition(":")[0].upper(), len(names)
    index, hosts = host()
    place = f", host {index} of {hosts}" if hosts > 1 else ""
    return f"{count} {kind} ({backend}{place})"


def _tensorflow_devices() -> list[str]:
    """Returns the names of all GPUs, or of all CPUs where there is none."""
    import tensorflow as tf

    listed = tf.config.list_logical_devices
    return [device.name for device in listed("GPU") or listed("CPU")]


def _tensorflow_workers() -> int:
    """Returns how many workers `TF_CONFIG` names, 0 without it."""
    try:
        cluster = json.loads(os.environ.get("TF_CONFIG") or "{}").get("cluster", {})
        return sum(len(cluster.get(job, [])) for job in ("chief", "worker"))
    except (ValueError, AttributeError, TypeError) as error:
        raise ValueError(
            "TF_CONFIG must be JSON as TensorFlow has it. Received: "
            f"{os.environ['TF_CONFIG']!r}. Without it a run is on this host alone."
        ) from error


def _sent_to_all(data: bytes) -> bytes:
    """Returns the bytes that the host that writes was given."""
    from jax.experimental import multihost_utils

    def send(values, dtype):
        return np.asarray(
            multihost_utils.broadcast_one_to_all(np.array(values, dtype)), dtype
        )

    whole, rest = send(divmod(len(data), _PIECE_BYTES), "int32")
    pieces = []
    for number in range(whole + 1):
        piece = np.zeros(_PIECE_BYTES, "uint8")
        if writes():
            part = data[number * _PIECE_BYTES : (number + 1) * _PIECE_BYTES]
            piece[: len(part)] = np.frombuffer(part, "uint8")
        pieces.append(send(piece, "uint8").tobytes())
    return b"".join(pieces)[: whole * _PIECE_BYTES + rest]
