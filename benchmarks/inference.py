"""One image through one network in several runtimes: kseg's files beside PyTorch.

    python benchmarks/inference.py [--size 512 512] [--threads 1 2] [--quick]
        [--published deeplabv3_mnv2_pascal_quant.tflite] [--images FOLDER]
        [--json PATH]

Milliseconds from a uint8 image to the class of every pixel, both in memory, by
`kseg.predict`, by what kseg exports (SavedModel, ONNX, LiteRT in three precisions) in
its runtimes, and in PyTorch, with channels first and last and compiled. The network is
DeepLab v3+ on MobileNetV2 as segmentation_models.pytorch has it, with as many weights
on both sides (checked); it takes sizes of 16 n only. The weights are random, and int8
is calibrated on random images or those given. Ratios are to the faster of PyTorch's two
plain ways on as many threads: above 1 is faster. Ways take turns, each in a process of
its own (`interleaved.py`); memory is the most that it held, and includes loading.

`--published` is Google's file of DeepLab v3 on MobileNetV2, trained with quantisation,
for images of 513x513: deeplabv3_mnv2_pascal_quant.tflite of google-coral/edgetpu. It
runs beside kseg's int8 file of that network, `deeplabv3`: the published one with
LiteRT's own kernels, as XNNPACK refuses it, and kseg's with either.
"""

import argparse
import itertools
import math
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import interleaved
import numpy as np
from inference_files import SAME, SAME_SIZE, write_files
from interleaved import Measured, Way

TORCH = {"runtime": "torch"}
# By what tables call them: who runs it, with which file, and other options.
WAYS = {
    "kseg.predict, TensorFlow": {"runtime": "keras", "file": "model.keras"},
    "SavedModel": {"runtime": "saved_model", "file": "saved_model"},
    "ONNX Runtime": {"runtime": "onnx", "file": "model.onnx"},
    "LiteRT float32": {"runtime": "litert", "file": "float32.tflite"},
    "LiteRT float16": {"runtime": "litert", "file": "float16.tflite"},
    "LiteRT int8": {"runtime": "litert", "file": "int8.tflite"},
    "torch": TORCH,
    "torch, channels last": {**TORCH, "channels_last": True},
    "torch.compile": {**TORCH, "channels_last": True, "compiled": True},
}
# The faster of these is what the others are compared with.
PLAIN = ("torch", "torch, channels last")
QUICK = ("ONNX Runtime", "LiteRT float32", "LiteRT int8", *PLAIN)
PUBLISHED = "published, uint8"


def start(runtime: str, size, threads: int, **options):
    """Begins a worker."""
    predict, facts = STARTS[runtime](threads=threads, **options)
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    return interleaved.timed(lambda: predict(image)), lambda: facts


def start_keras(file: str, threads: int):
    """Opens a Keras model."""
    _limit_tensorflow(threads)
    import kseg

    model = kseg.load(file)
    weights = sum(math.prod(x.shape) for x in model.trainable_variables)
    packages = interleaved.versions("keras", "tensorflow")
    return lambda image: kseg.predict(model, image), {
        "weights": weights,
        "versions": packages,
    }


def start_saved_model(file: str, threads: int):
    """Opens a SavedModel."""
    _limit_tensorflow(threads)
    from kseg.export import open_saved_model

    return open_saved_model(file).predict_ids, {}


def _limit_tensorflow(threads: int) -> None:
    """Gives TensorFlow so many threads."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)


def start_onnx(file: str, threads: int):
    """Opens an ONNX file as `kseg.export.open_onnx` does, with so many threads."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        file, options, providers=["CPUExecutionProvider"]
    )

    def predict(image):
        (logits,) = session.run(None, {"image": image[np.newaxis].astype("float32")})
        return logits[0].argmax(-1).astype("uint8")

    return predict, {"versions": interleaved.versions("onnxruntime")}


def start_litert(file: str, threads: int):
    """Opens a LiteRT file of kseg."""
    from kseg.lite import LiteRTModel

    versions = interleaved.versions("ai-edge-litert")
    return LiteRTModel(file, threads).predict_ids, {"versions": versions}


def start_plain_litert(file: str, threads: int):
    """Opens any LiteRT file of a class map, with LiteRT's own kernels."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        file,
        num_threads=threads,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    given = interpreter.get_input_details()[0]["index"]
    found = interpreter.get_output_details()[0]["index"]

    def predict(image):
        interpreter.set_tensor(given, image[np.newaxis])
        interpreter.invoke()
        return interpreter.get_tensor(found)[0]

    return predict, {"versions": interleaved.versions("ai-edge-litert")}


def start_torch(threads: int, channels_last: bool = False, compiled: bool = False):
    """Builds the network in PyTorch."""
    import torch
    import torch_networks

    torch.set_num_threads(threads)
    order = torch.channels_last if channels_last else torch.contiguous_format
    model = torch_networks.build("smp", "DeepLabV3Plus", "mobilenet_v2").eval()
    model = model.to(memory_format=order)
    forward = torch_networks.compiled(model) if compiled else model

    @torch.inference_mode()
    def predict(image):
        pixels = torch.from_numpy(image)[None].permute(0, 3, 1, 2).float() / 127.5 - 1
        logits = forward(pixels.contiguous(memory_format=order))
        return logits.argmax(1)[0].to(torch.uint8).numpy()

    weights = sum(x.numel() for x in model.parameters())
    packages = interleaved.versions("torch", "segmentation-models-pytorch")
    return predict, {"weights": weights, "versions": packages}


STARTS = {
    "keras": start_keras,
    "saved_model": start_saved_model,
    "onnx": start_onnx,
    "litert": start_litert,
    "plain_litert": start_plain_litert,
    "torch": start_torch,
}


def measure(arguments, ways: dict[str, dict], folder: Path, size, threads: int):
    """Measures ways in turn; as `interleaved.compare`."""
    # Before a framework is there to be told otherwise.
    environment = {"OMP_NUM_THREADS": str(threads), "KERAS_BACKEND": "tensorflow"}
    made = []
    for name, options in ways.items():
        options = {**options, "size": size, "threads": threads}
        if "file" in options:
            options["file"] = str(folder / options["file"])
        made.append(Way(name, options, environment))
    turns = arguments.rounds, arguments.repetitions
    return interleaved.compare(__file__, made, *turns)


def count_weights(measured: list[Measured]) -> str:
    """Words the number of weights, where one is told; it must be one for all."""
    told = {one.name: x for one in measured if (x := one.facts.get("weights"))}
    if len(set(told.values())) > 1:
        raise SystemExit(f"The networks differ: {told}.")
    return f", {max(told.values()) / 1e6:.2f} M weights" if told else ""


def rows(measured: list[Measured], folder: Path, ways, references, threads: int):
    """Yields the rows of ways on as many threads in a table."""
    several = [one for one in measured if one.name in references]
    reference = min(several, key=lambda one: one.median, default=None)
    for one in measured:
        path = folder / ways[one.name]["file"] if "file" in ways[one.name] else None
        yield [
            f"{one.name}, {threads} thread{'s' * (threads > 1)}",
            f"{1000 * one.median:.1f}",
            f"{reference.median / one.median:.2f}" if reference else "",
            f"{one.start + one.first:.1f}",
            f"{one.peak_bytes / 2**20:.0f}" if one.peak_bytes else "",
            f"{_bytes(path) / 1e6:.2f}" if path else "",
        ]


def _bytes(path: Path) -> int:
    """Returns the size of a file, or of all in a folder."""
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def arguments_of_command_line() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, nargs=2, default=(512, 512))
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=[*WAYS])
    parser.add_argument("--threads", type=int, nargs="+", default=(1, 2))
    parser.add_argument("--published", type=Path, help="its file")
    parser.add_argument("--images", type=Path, help="folder, to calibrate int8 on")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--repetitions", type=int, default=5, help="images of a turn")
    parser.add_argument("--quick", action="store_true", help="a minute, fewer ways")
    parser.add_argument("--json", type=Path, help="where to write what was measured")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.ways, arguments.threads, arguments.rounds = QUICK, (2,), 3
    return arguments


def compare(arguments, title: str, ways, folder: Path, size, references):
    """Prints a table.

    Returns:
        What was measured, by title and threads; and what was left out.
    """
    lines, found, left_out, weights = [], {}, {}, ""
    for threads in arguments.threads:
        measured, missing = measure(arguments, ways, folder, size, threads)
        weights = count_weights(measured)
        lines += rows(measured, folder, ways, references, threads)
        found[f"{title}, threads: {threads}"] = measured
        left_out |= missing
    print(f"\n{title}, {size[0]}x{size[1]}{weights}\n")
    header = ["way", "ms", "ratio", "until the first image, s", "memory, MiB"]
    print(interleaved.table([*header, "file, MB"], lines))
    print(interleaved.footnotes(itertools.chain(*found.values()), left_out))
    return found, left_out


def main() -> None:
    """Prints tables, and writes what was measured."""
    arguments = arguments_of_command_line()
    ways = {name: WAYS[name] for name in arguments.ways}
    files = {way["file"] for way in ways.values() if "file" in way}
    published = arguments.published
    if published and not published.is_file():
        print(f"Left out: {PUBLISHED} (there is no {published}).")
        published = None
    if published:
        files.add(SAME)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        with ProcessPoolExecutor(1, get_context("spawn")) as process:
            made = folder, files, arguments.size, arguments.images
            process.submit(write_files, *made).result()
        title = "DeepLab v3+ on MobileNetV2"
        size = arguments.size
        found, left_out = compare(arguments, title, ways, folder, size, PLAIN)
        if published:
            plain = {"runtime": "plain_litert"}
            ways = {
                PUBLISHED: {**plain, "file": str(published.resolve())},
                "kseg int8, the same kernels": {**plain, "file": SAME},
                "kseg int8": {"runtime": "litert", "file": SAME},
            }
            title, size = "DeepLab v3 on MobileNetV2", SAME_SIZE
            more, _ = compare(arguments, title, ways, folder, size, [PUBLISHED])
            found |= more
    if arguments.json:
        interleaved.write(arguments.json, vars(arguments), found, left_out)


if __name__ == "__main__":
    interleaved.work(start) if interleaved.is_worker() else main()
