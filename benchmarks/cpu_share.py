"""Processes that may run for a share of the time only: a large machine's spare processors, on a small one."""

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence

import psutil

PERIOD_S = 0.08
"""Short beside any timeout of the product, long beside what a signal and a cold cache cost."""


@contextlib.contextmanager
def share_of_time(processes: Sequence[psutil.Process], share: float) -> Iterator[None]:
    """Let each process run for this share (0 to 1) of every 80 ms, each at a moment of its own."""
    over = threading.Event()
    turns = [threading.Thread(target=_in_turns, args=(process, share, PERIOD_S * number / len(processes), over))
             for number, process in enumerate(processes)]
    for turn in turns:
        turn.start()
    try:
        yield
    finally:
        over.set()
        for turn in turns:
            turn.join()


def _in_turns(process: psutil.Process, share: float, late_s: float, over: threading.Event) -> None:
    time.sleep(late_s)
    try:
        while not over.is_set():
            time.sleep(PERIOD_S * share)
            process.suspend()
            time.sleep(PERIOD_S * (1 - share))
            process.resume()
    finally:
        process.resume()
