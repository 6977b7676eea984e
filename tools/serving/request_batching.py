"""Requests of one signature computed together, and their answers taken apart again."""

import asyncio
import collections
import concurrent.futures
import contextlib
import dataclasses
import functools
from collections.abc import Hashable, Iterator, Sequence

import numpy as np

from tools.serving.served_model import Signature

Arrays = dict[str, np.ndarray]


class TooManyWaiting(Exception):
    """No further request is admitted now."""


@dataclasses.dataclass(eq=False, frozen=True)
class Call:
    """A signature called with the arrays of one request."""

    signature: Signature
    inputs: Arrays

    @functools.cached_property
    def rows(self) -> int:
        """Rows that it adds to a batch; 0 if it can be in none."""
        lengths = {array.shape[0] if array.ndim else 0 for array in self.inputs.values()}
        return lengths.pop() if self.signature.takes_batches and len(lengths) == 1 else 0

    @property
    def key(self) -> Hashable:
        """Calls with equal keys can be one batch."""
        if not self.rows:
            return self
        shapes = (array.shape[1:] for array in self.inputs.values())
        return self.signature.name, *shapes


@dataclasses.dataclass(eq=False, frozen=True)
class _Waiting:
    call: Call
    deadline: float
    answer: asyncio.Future


class Batcher:
    """Collects calls, and computes them in one thread beside the event loop.

    A call waits for others as long as the thread is busy. When it is free, a call
    waits only while requests are under way that could join it, at most `wait_seconds`
    and until `max_batch` rows are together.

    Args:
        max_batch: rows of a batch; a call with more is computed alone.
        wait_seconds: the longest wait for others.
        max_open: number of requests that may be under way.
    """

    def __init__(self, max_batch: int, wait_seconds: float, max_open: int) -> None:
        self._max_batch = max_batch
        self._wait_seconds = wait_seconds
        self._max_open = max_open
        self._open = 0
        self._queues: dict[Hashable, collections.deque[_Waiting]] = {}
        self._changed = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    @contextlib.contextmanager
    def admitted(self) -> Iterator[None]:
        """Counts a request as under way, from its first byte to its answer.

        Raises:
            TooManyWaiting: if `max_open` requests are.
        """
        if self._open >= self._max_open:
            raise TooManyWaiting(f"{self._open} requests are waiting already")
        self._open += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._open -= 1
            self._changed.set()
            if not self._open:
                self._idle.set()

    async def idle(self) -> None:
        """Returns when no request is under way."""
        await self._idle.wait()

    async def run(self, call: Call) -> Arrays:
        """The outputs of a call, by name.

        Raises:
            ValueError: if the model refuses the values.
        """
        loop = asyncio.get_running_loop()
        waiting = _Waiting(call, loop.time() + self._wait_seconds, loop.create_future())
        self._queues.setdefault(call.key, collections.deque()).append(waiting)
        self._changed.set()
        loop.call_at(waiting.deadline, self._changed.set)
        return await waiting.answer

    async def work(self) -> None:
        """Computes what comes in, until cancelled."""
        loop = asyncio.get_running_loop()
        with concurrent.futures.ThreadPoolExecutor(1) as executor:
            while True:
                batch = self._next_batch(loop.time())
                if not batch:
                    self._changed.clear()
                    await self._changed.wait()
                    continue
                calls = [waiting.call for waiting in batch]
                results = await loop.run_in_executor(executor, compute, calls)
                for waiting, result in zip(batch, results, strict=True):
                    _answer(waiting.answer, result)

    def _next_batch(self, now: float) -> list[_Waiting]:
        """Takes the batch out that has waited longest; empty if all may wait on."""
        due = [queue for queue in self._queues.values() if self._is_due(queue, now)]
        if not due:
            return []
        queue = min(due, key=lambda queue: queue[0].deadline)
        batch = [queue.popleft()]
        rows = batch[0].call.rows
        while queue and rows + queue[0].call.rows <= self._max_batch:
            rows += queue[0].call.rows
            batch.append(queue.popleft())
        if not queue:
            del self._queues[batch[0].call.key]
        return batch

    def _is_due(self, queue: Sequence[_Waiting], now: float) -> bool:
        first = queue[0]
        return (
            not first.call.rows
            or first.deadline <= now
            or sum(waiting.call.rows for waiting in queue) >= self._max_batch
            or sum(map(len, self._queues.values())) >= self._open
        )


def compute(calls: Sequence[Call]) -> list[Arrays | Exception]:
    """Outputs of each call, or what went wrong with that one alone.

    Values that a model refuses show only when it runs, and so does an output without
    a row for each row. A batch that fails is therefore computed again in halves.

    Args:
        calls: with equal keys.
    """
    try:
        return list(_together(calls))
    except Exception as error:  # belongs to a request, whose handler raises it
        if len(calls) == 1:
            return [error]
    half = len(calls) // 2
    return compute(calls[:half]) + compute(calls[half:])


def _together(calls: Sequence[Call]) -> list[Arrays]:
    if len(calls) == 1:
        return [_outputs(calls[0].signature, calls[0].inputs)]
    names = calls[0].inputs
    inputs = {name: np.concatenate([c.inputs[name] for c in calls]) for name in names}
    outputs = _outputs(calls[0].signature, inputs)
    ends = np.cumsum([call.rows for call in calls])
    for name, array in outputs.items():
        if array.shape[:1] != (ends[-1],):
            raise ValueError(
                f"Output {name!r} must have a row for each of {ends[-1]} rows to be "
                f"taken apart. Received: shape {array.shape}"
            )
    parts = {name: np.split(array, ends[:-1]) for name, array in outputs.items()}
    return [{name: parts[name][i] for name in parts} for i in range(len(calls))]


def _outputs(signature: Signature, inputs: Arrays) -> Arrays:
    import tensorflow as tf

    tensors = {
        name: tf.convert_to_tensor(inputs[name], spec.dtype)
        for name, spec in signature.inputs.items()
    }
    try:
        outputs = signature.function(**tensors)
    except tf.errors.InvalidArgumentError as error:
        raise ValueError(
            f"The model refuses these values. Received: {_reason(error.message)}"
        ) from error
    return {name: tensor.numpy() for name, tensor in outputs.items()}


def _reason(message: str) -> str:
    """The line of TensorFlow's message that tells it, before those on nodes."""
    lines = message.split("\n\t", 1)[0].splitlines()
    return lines[-1] if lines else "no message"


def _answer(answer: asyncio.Future, result: Arrays | Exception) -> None:
    if answer.done():  # cancelled: nobody waits any more
        return
    if isinstance(result, Exception):
        answer.set_exception(result)
    else:
        answer.set_result(result)
