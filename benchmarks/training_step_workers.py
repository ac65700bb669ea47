"""The workers of `training_step.py`: kseg on either backend, and PyTorch."""

import itertools
import math
import time

import interleaved
import numpy as np

CLASSES, VOID = 21, 255
LEARNING_RATE, MOMENTUM = 0.01, 0.9
# What packages of PyTorch are called.
PACKAGES = {"smp": "segmentation-models-pytorch", "torchvision": "torchvision"}


def start(framework: str, **options):
    """Begins a worker."""
    return {"kseg": start_kseg, "torch": start_torch}[framework](**options)


def make_batch(size, batch: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns random images and masks, a tenth of them void."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (batch, *size, 3), np.uint8)
    masks = rng.integers(0, CLASSES, (batch, *size), np.uint8)
    masks[:, : size[0] // 10] = VOID
    return images, masks


def start_kseg(network: dict, size, batch: int, bf16: bool, xla: bool = False):
    """Compiles the network as `kseg train` does."""
    import keras

    from kseg.data import Examples
    from kseg.labels import Labels
    from kseg.taps import sums_of_taps
    from kseg.training.devices import all_devices
    from kseg.training.experiment import Experiment
    from kseg.training.feeds import Feeds
    from kseg.training.fit import compiled
    from kseg.training.not_finite import StopOnNaN

    pairs = list(zip(*make_batch(size, batch), strict=True))
    source = _Batch(pairs, Labels.numbered(CLASSES))
    examples = [Examples(source, size, batch) for _ in range(2)]
    feeds = Feeds(source, source, *examples)
    experiment = Experiment(
        network=network,
        data={},
        optimizer={
            "name": "sgd",
            "learning_rate": LEARNING_RATE,
            "momentum": MOMENTUM,
            "weight_decay": None,
        },
    )
    keras.config.set_dtype_policy("mixed_bfloat16" if bf16 else "float32")
    keras.utils.set_random_seed(0)
    with all_devices():
        model, trained, _, _ = compiled(experiment, feeds, steps=10**6, xla=xla)
    same = feeds.train_examples.batch(0)[:2]

    class Clock(keras.callbacks.Callback):
        """Notes when the loss of a step is there."""

        def on_train_begin(self, logs=None):
            self.times = []

        def on_train_batch_end(self, batch, logs=None):
            float((logs or {})["loss"])
            self.times.append(time.perf_counter())

    def run(count: int) -> list[float]:
        clock = Clock()
        with all_devices(), sums_of_taps(trained):
            trained.fit(
                (same for _ in itertools.count()),
                steps_per_epoch=1 + count,
                shuffle=False,
                verbose=0,
                callbacks=[StopOnNaN(feeds.training_batch), clock],
            )
        return [b - a for a, b in itertools.pairwise(clock.times)]

    backend = keras.backend.backend()
    weights = sum(math.prod(x.shape) for x in model.trainable_variables)
    return run, lambda: {
        "weights": weights,
        **(_jax_facts() if backend == "jax" else {}),
        "versions": interleaved.versions("keras", backend),
    }


class _Batch:
    """A source in memory."""

    def __init__(self, pairs, labels):
        self.pairs, self.labels = pairs, labels

    def __len__(self):
        return len(self.pairs)

    def __getitem__(self, index):
        return self.pairs[index]

    def name(self, index):
        return str(index)


def _jax_facts() -> dict:
    """Returns what an accelerator is called, and the most of its memory taken."""
    import jax

    device = jax.devices()[0]
    if device.platform == "cpu":
        return {}
    taken = (device.memory_stats() or {}).get("peak_bytes_in_use")
    return {"device": device.device_kind, "device_bytes": taken}


def start_torch(
    network: list[str],
    size,
    batch: int,
    bf16: bool,
    channels_last: bool = False,
    compiled: bool = False,
):
    """Makes a training step of a plain loop."""
    import torch
    import torch_networks
    from torch.utils.flop_counter import FlopCounterMode

    torch.manual_seed(0)
    device = torch_networks.device()
    order = torch.channels_last if channels_last else torch.contiguous_format
    model = torch_networks.build(*network).to(device, memory_format=order)
    model.train()
    pixels, masks = (torch.from_numpy(x).to(device) for x in make_batch(size, batch))
    images = (pixels.float() / 127.5 - 1).permute(0, 3, 1, 2)
    images, masks = images.contiguous(memory_format=order), masks.long()
    loss_of = torch.nn.CrossEntropyLoss(ignore_index=VOID)
    optimizer = torch.optim.SGD(model.parameters(), LEARNING_RATE, MOMENTUM)
    forward = torch_networks.compiled(model) if compiled else model

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            logits = forward(images)
        loss_of(logits.float(), masks).backward()
        optimizer.step()

    def run(count: int) -> list[float]:
        step()
        torch_networks.synchronise()
        begun = time.perf_counter()
        for _ in range(count):
            step()
        torch_networks.synchronise()  # and not in between, where a GPU need not wait
        return [(time.perf_counter() - begun) / count] * count

    def facts() -> dict:
        found = torch_networks.device_facts()
        if not compiled:
            with FlopCounterMode(display=False) as counter, torch.no_grad():
                model(images)
            # The gradients to weights and to inputs cost as much again, each; the
            # counter's own are too many where convolutions are grouped.
            found["operations"] = 3 * counter.get_total_flops()
        # What a network does not look at of its encoder learns nothing.
        learns = [x.numel() for x in model.parameters() if x.grad is not None]
        packages = interleaved.versions("torch", PACKAGES[network[0]])
        return {**found, "weights": sum(learns), "versions": packages}

    return run, facts
