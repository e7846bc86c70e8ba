"""Programs that tests build once by Go: where they are kept (`GRIDWARDEN_TEST_CACHE`), and what a missing one means."""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest


def built(name: str, build: Callable[[Path], None]) -> Path:
    """Return the program's path; `build` is given the cache folder when it is not there, one process at a time."""
    cache = Path(os.environ.get("GRIDWARDEN_TEST_CACHE") or Path.home() / ".cache" / "gridwarden-tests")
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (cache / name).exists():
            build(cache)
    return cache / name


def missing(why: str) -> NoReturn:
    """Skip the test on a laptop, fail it in CI."""
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)
