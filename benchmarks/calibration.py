"""What this machine does bare, taken at the start and the end of every run: the yardstick of all ratios."""

import hashlib
import os
import tempfile
import time

import asyncpg
import orjson

from benchmarks.metric import Metric

ROUNDS = 5
_BLOCK = bytes(1 << 20)
_ROWS = [(n, b"x" * 200) for n in range(20_000)]
_DOCUMENT = {"event": {"id": "0" * 36, "category": ["web"], "type": ["access"]}, "user": {"name": "arta"}, "n": 7}


async def measure(url: str) -> list[Metric]:
    """Return sha256_mb_per_s, fdatasync_per_s, copy_rows_per_s and json_dumps_per_s."""
    return [
        Metric("calibration.sha256_mb_per_s", "MB/s", tuple(_sha256() for _ in range(ROUNDS))),
        Metric("calibration.fdatasync_per_s", "/s", tuple(_fdatasync() for _ in range(ROUNDS))),
        Metric("calibration.copy_rows_per_s", "rows/s", tuple([await _copy(url) for _ in range(ROUNDS)])),
        Metric("calibration.json_dumps_per_s", "/s", tuple(_json_dumps() for _ in range(ROUNDS))),
    ]


def _sha256() -> float:
    started = time.perf_counter()
    for _ in range(64):
        hashlib.sha256(_BLOCK).digest()
    return 64 * len(_BLOCK) / 1e6 / (time.perf_counter() - started)


def _fdatasync() -> float:
    with tempfile.NamedTemporaryFile() as file:
        started = time.perf_counter()
        for _ in range(100):
            os.write(file.fileno(), b"x" * 512)
            os.fdatasync(file.fileno())
        return 100 / (time.perf_counter() - started)


async def _copy(url: str) -> float:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("CREATE TABLE IF NOT EXISTS public.calibration (n bigint PRIMARY KEY, payload bytea)")
        await connection.execute("TRUNCATE public.calibration")
        started = time.perf_counter()
        await connection.copy_records_to_table("calibration", schema_name="public", records=_ROWS)
        return len(_ROWS) / (time.perf_counter() - started)
    finally:
        await connection.close()


def _json_dumps() -> float:
    started = time.perf_counter()
    for _ in range(100_000):
        orjson.dumps(_DOCUMENT)
    return 100_000 / (time.perf_counter() - started)
