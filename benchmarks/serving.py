"""Requests per second of `kseg serve`, with and without batches, on this machine alone.

python benchmarks/serving.py --model camvid_deeplabv3plus_mobilenet_v2

Each way of serving has a server of its own on a free port. Clients, each a thread with
a connection that it keeps, send one picture to `POST /predict` again and again, as soon
as they have the mask. The ways take turns, so that all see what else the machine does;
figures are medians of the rounds, with the slowest and fastest. What depends on that
least is the time of processors for a request, which the server tells.
"""

import argparse
import contextlib
import http.client
import io
import re
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 360, 480


def picture() -> bytes:
    """Returns a smooth image as JPEG."""
    noise = np.random.default_rng(0).integers(0, 256, (12, 16, 3)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).resize((WIDTH, HEIGHT)).save(file, format="JPEG", quality=90)
    return file.getvalue()


@contextlib.contextmanager
def server(model: str, options: list[str]) -> Iterator[int]:
    """Runs `kseg serve`, and gives its port."""
    command = [sys.executable, "-m", "kseg", "serve", "--model", model, "--port", "0"]
    process = subprocess.Popen(
        [*command, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            yield int(re.findall(r":(\d+)/", line)[0])
        finally:
            process.terminate()
            process.wait(60)


def load(
    port: int, clients: int, count: int, seconds: float
) -> tuple[float, list, int]:
    """Sends pictures from several clients.

    Args:
        port: Of the server.
        clients: How many.
        count: Most requests of all clients together.
        seconds: After which none is begun.

    Returns:
        Answers per second, the seconds of each, and the number of errors.
    """
    body, times, errors, lock = picture(), [], 0, threading.Lock()
    left = count
    end = time.perf_counter() + seconds

    def client():
        nonlocal left, errors
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while True:
            with lock:
                if left == 0 or time.perf_counter() > end:
                    break
                left -= 1
            begun = time.perf_counter()
            line.request("POST", "/predict", body)
            answer = line.getresponse()
            answer.read()
            with lock:
                times.append(time.perf_counter() - begun)
                errors += answer.status != 200
        line.close()

    threads = [threading.Thread(target=client) for _ in range(clients)]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(times) / (time.perf_counter() - begun), times, errors


def processor_seconds(port: int) -> float:
    """Returns how long the server's process has kept processors busy."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        text = answer.read().decode()
    return float(re.findall(r"^process_cpu_seconds_total (\S+)", text, re.M)[0])


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--clients", nargs="+", type=int, default=[1, 4, 16])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, default=48, help="requests of a round")
    parser.add_argument("--seconds", type=float, default=12, help="longest of a round")
    parser.add_argument(
        "--ways",
        nargs="+",
        default=["max-batch=1", "max-batch=8"],
        help="options of `kseg serve` without --, those of a way with commas between",
    )
    arguments = parser.parse_args()
    found = {}
    with contextlib.ExitStack() as stack:
        ports = {}
        for way in arguments.ways:
            options = [f"--{option}" for option in way.split(",")]
            ports[way] = stack.enter_context(server(arguments.model, options))
            load(ports[way], 2, 8, arguments.seconds)
        for _ in range(arguments.rounds):
            for clients in arguments.clients:
                for way, port in ports.items():
                    before = processor_seconds(port)
                    rounds = found.setdefault((way, clients), [])
                    rate, times, errors = load(
                        port, clients, arguments.count, arguments.seconds
                    )
                    spent = (processor_seconds(port) - before) / len(times)
                    rounds.append((rate, times, errors, spent))
    print("| way | clients | requests/s | p50 ms | p95 ms | p99 ms | CPU ms | errors |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for (way, clients), rounds in found.items():
        rates = [rate for rate, *_ in rounds]
        rows = [np.percentile(times, (50, 95, 99)) for _, times, *_ in rounds]
        p50, p95, p99 = 1000 * np.median(rows, axis=0)
        rate = f"{statistics.median(rates):.2f} ({min(rates):.2f} to {max(rates):.2f})"
        spent = 1000 * statistics.median(spent for *_, spent in rounds)
        errors = sum(errors for _, _, errors, _ in rounds)
        print(
            f"| `{way}` | {clients} | {rate} | {p50:.0f} | {p95:.0f} | {p99:.0f} "
            f"| {spent:.0f} | {errors} |"
        )


if __name__ == "__main__":
    main()
