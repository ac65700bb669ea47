"""Kills a run at random moments, and compares where it ends with one left alone.

    python benchmarks/kill.py --kills 20

Both train the same small U-Net with dropout and a moving average on generated scenes.
One is killed with SIGKILL again and again, each time started again with `--resume`; the
moments are drawn from the time that training and saving take. The table says where each
start began and what it had when it was killed. Exits with 1 unless all weights, the
optimizer, the random numbers, the scores and the tables are the same, bit for bit.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from kseg.training.checkpoints import checkpoints

CONFIG = """
from kseg.training.experiment import Experiment

def config():
    return Experiment(
        network=dict(name="unet", filters=8, depth=3, dropout=0.2),
        data=dict(name="synthetic", num_train=24, num_val=8, size=(64, 96),
                  data_dir={data!r}, crop=(64, 96), batch_size=4, check=False,
                  workers=1),
        optimizer=dict(name="adamw", learning_rate=1e-3, ema=0.9, warmup_steps=5),
        fit=dict(epochs={epochs}, checkpoint_steps=2),
        export=dict(formats=(), pictures=0),
    )
"""
BEGUN = "experiment: "


def start(config: Path, directory: Path, log: Path) -> subprocess.Popen:
    """Starts a run, or goes on with it."""
    command = ["-m", "kseg", "train", config, "--directory", directory, "--resume"]
    with open(log, "w") as file:
        return subprocess.Popen(
            [sys.executable, "-u", *map(str, command)],
            stdout=file,
            stderr=subprocess.STDOUT,
        )


def begins(process: subprocess.Popen, log: Path) -> bool:
    """Waits until a run trains; says whether it does, and has not ended before."""
    while process.poll() is None and BEGUN not in log.read_text(errors="replace"):
        time.sleep(0.02)
    return process.poll() is None


def newest(directory: Path) -> str:
    """Returns the epoch and the step of the newest checkpoint."""
    found = checkpoints(directory / "run")
    if not found:
        return "none"
    _, epochs, step = found[0].stem.split("-")
    return f"{int(epochs)}.{int(step)}"


def everything(directory: Path) -> dict[str, bytes]:
    """Returns what two runs must share: arrays of the checkpoint, tables, scores."""
    with np.load(checkpoints(directory / "run")[0]) as file:
        found = {name: array.tobytes() for name, array in file.items()}
    for name in ("log.csv", "class_iou.csv", "state.json"):
        found[name] = (directory / "run" / name).read_bytes()
    return found


def kill_again_and_again(
    config: Path, directory: Path, kills: int, longest: float, seed: int
) -> None:
    """Runs to the end, killed so many times on the way; prints a row for each."""
    draw, log = random.Random(seed), directory.with_suffix(".log")
    for number in range(1, kills + 1):
        before, wait = newest(directory), draw.uniform(0.0, longest)
        process = start(config, directory, log)
        if begins(process, log):
            time.sleep(wait)
        ended = process.poll() is not None
        process.kill()
        process.wait()
        half = len(list(directory.rglob(".*.npz")))
        print(
            f"| {number} | {wait:.2f} | {before} | {newest(directory)} | {half} | "
            f"{'ended before' if ended else 'killed'} |",
            flush=True,
        )
        if ended:
            break
    if start(config, directory, log).wait():
        sys.exit(log.read_text())


def main() -> int:
    """Runs once alone and once killed, and compares them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=90)
    parser.add_argument("--longest", type=float, default=8.0, help="seconds to a kill")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "tiny.py"
        config.write_text(CONFIG.format(epochs=arguments.epochs, data=f"{folder}/data"))
        alone, killed = Path(folder) / "alone", Path(folder) / "killed"
        log = Path(folder) / "alone.log"
        if start(config, alone, log).wait():
            sys.exit(log.read_text())
        print("| kill | after s | began at epoch.step | had | half files | |")
        print("| --: | --: | --: | --: | --: | --- |")
        kill_again_and_again(
            config, killed, arguments.kills, arguments.longest, arguments.seed
        )
        ours, theirs = everything(alone), everything(killed)
        left = [path.name for path in killed.rglob(".*.npz")]
    differ = sorted({*ours} ^ {*theirs} | {k for k in ours if ours[k] != theirs.get(k)})
    print(
        f"{len(ours)} arrays and tables, {len(differ)} of which differ "
        f"{differ[:5] if differ else ''}; half files left: {len(left)}"
    )
    return 1 if differ or left else 0


if __name__ == "__main__":
    sys.exit(main())
