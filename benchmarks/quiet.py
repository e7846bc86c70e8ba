"""A started product works on its forecast for a while; figures of the product at rest wait until that is done."""

import time

import psutil

from control_plane.demo.instance import Instance

PATIENCE_S = 240.0
SETTLED_S = 5.0


def settle(instance: Instance) -> None:
    """Return when the product has no child process (the forecast's training) left."""
    time.sleep(SETTLED_S)  # the training begins a moment after the product is ready
    deadline = time.monotonic() + PATIENCE_S
    while psutil.Process(instance.pid).children() and time.monotonic() < deadline:
        time.sleep(0.5)
    time.sleep(SETTLED_S)
