"""What a shrunk model gains behind `tools.serve`: requests a second, and milliseconds.

Baseline and shrunk model are served at the same time, each by a process of its own, and
asked in turns, so that both see one machine.
"""

import asyncio
import contextlib
import itertools
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

ROOT = pathlib.Path(__file__).parent.parent.parent
SIZE, CLASSES = 96, 10
CLIENTS = (1, 8)
TURNS, REQUESTS = 6, 20


def report() -> None:
    """Prints requests a second, p50 and p99, by model and number of clients."""
    from tools.experiment.provenance import machine

    with tempfile.TemporaryDirectory() as folder:
        folders = _export(pathlib.Path(folder))
        with contextlib.ExitStack() as stack:
            urls = {
                name: stack.enter_context(running(path))[1]
                for name, path in folders.items()
            }
            results = asyncio.run(_measure(urls, _request_body()))
    print(
        f"one picture of {SIZE}x{SIZE} pixels a request, as JSON; {TURNS} turns of "
        f"{REQUESTS} requests a client; {machine()}"
    )
    print("| model | clients | requests a second | p50 ms | p99 ms |")
    print("| --- | --- | --- | --- | --- |")
    for (name, clients), (seconds, latencies) in results.items():
        p50, p99 = _percentiles(latencies)
        print(
            f"| {name} | {clients} | {len(latencies) / seconds:.1f} | {1000 * p50:.1f} | "
            f"{1000 * p99:.1f} |"
        )


@contextlib.contextmanager
def running(
    folder: pathlib.Path, *options: str
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server in a process of its own, ended at the end.

    Args:
        folder: what `--model` takes.
        options: further flags of `tools.serve`.

    Yields:
        The process, and the URL of its predictions once it answers.

    Raises:
        RuntimeError: if it ends before.
    """
    line = [sys.executable, "-m", "tools.serve", f"--model={folder}", "--port=0", *options]
    with subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            ready = process.stdout.readline()
            if not ready:
                raise RuntimeError(f"The server ended with {process.wait()}: {line}")
            yield process, ready.split()[-1]
        finally:
            process.terminate()


def _export(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    """MobileNetV2, and what magnitudes leave of it at half of its MACs."""
    import keras
    import numpy as np

    import tf_hetero

    keras.utils.set_random_seed(0)
    baseline = keras.applications.MobileNetV2(
        weights=None, input_shape=(SIZE, SIZE, 3), classes=CLASSES
    )
    rng = np.random.default_rng(0)
    data = (rng.random((8, SIZE, SIZE, 3), np.float32), rng.integers(CLASSES, size=8))
    shrunk = tf_hetero.shrink(
        baseline,
        data,
        "sparse_categorical_crossentropy",
        macs=0.5,
        method=tf_hetero.LWDNA(criterion="magnitude", from_weights=True),
    )
    for name, model in (("baseline", baseline), ("shrunk", shrunk)):
        model.export(folder / name, verbose=False)
    return {name: folder / name for name in ("baseline", "shrunk")}


def _request_body() -> bytes:
    import numpy as np

    picture = np.random.default_rng(0).integers(256, size=(SIZE, SIZE, 3))
    return json.dumps({"instances": [picture.tolist()]}).encode()


async def _measure(
    urls: dict[str, str], body: bytes
) -> dict[tuple[str, int], tuple[float, list[float]]]:
    """`{(model, clients): (seconds in all, seconds of each request)}`."""
    import aiohttp

    results: dict[tuple[str, int], tuple[float, list[float]]] = {}
    async with aiohttp.ClientSession() as session:
        for url in urls.values():
            await asyncio.gather(*(_client(session, url, body, 3) for _ in range(8)))
        for clients in CLIENTS:
            for name in list(urls) * TURNS:
                start = time.perf_counter()
                latencies = await asyncio.gather(
                    *(_client(session, urls[name], body, REQUESTS) for _ in range(clients))
                )
                seconds, before = results.get((name, clients), (0.0, []))
                seconds += time.perf_counter() - start
                results[name, clients] = seconds, [*before, *itertools.chain(*latencies)]
    return results


async def _client(session: Any, url: str, body: bytes, requests: int) -> list[float]:
    """Seconds of each request, one after another."""
    latencies = []
    for _ in range(requests):
        start = time.perf_counter()
        async with session.post(url, data=body) as response:
            response.raise_for_status()
            await response.read()
        latencies.append(time.perf_counter() - start)
    return latencies


def _percentiles(values: list[float]) -> tuple[float, float]:
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return cuts[49], cuts[98]
