"""One process of a fleet: asks the same question all the time and prints each answer with the moments around it.

    python -m tests.policy_engine.channel_member DATABASE_URL BUNDLE PUBLIC_KEY [OPA_URL]

A line is JSON: `before`, `after` (microseconds of the clock that all processes of a machine share), `reason`.
"""

import asyncio
import sys
from pathlib import Path

import orjson
import structlog

from control_plane.database.pools import open_pool
from control_plane.database.roles import APP
from policy_engine.adapters.bundle_file import BundleFile
from policy_engine.adapters.opa_server import OpaServerEvaluator
from policy_engine.adapters.regorus_evaluator import RegorusEvaluator
from policy_engine.domain.bundle_signature import VerificationKey
from policy_engine.service import PolicyEngine
from policy_engine.service.membership import Membership, steady_us
from policy_engine.store.bundle_channel import BundleChannel
from shared_kernel.clock import SystemClock
from tests.policy_engine.house import ListRecorder, question

PAUSE_S = 0.002


async def _member(url: str, bundle: Path, public: Path, opa: str | None) -> None:
    key = VerificationKey.from_pem(public.read_bytes())
    pool = await open_pool(url, APP, size=2)
    evaluator = OpaServerEvaluator(opa, SystemClock()) if opa else RegorusEvaluator()
    engine = PolicyEngine(
        evaluator, BundleFile(bundle, key), ListRecorder(), SystemClock(),
        membership=Membership(BundleChannel(pool, steady_us), key))
    await engine.start()
    watching = asyncio.create_task(engine.run())
    while not watching.done():
        before = steady_us()
        decision = await engine.decide(question("documents.read"))
        line = {"before": before, "after": steady_us(), "reason": decision.reasons[0]}
        sys.stdout.buffer.write(orjson.dumps(line) + b"\n")
        sys.stdout.buffer.flush()
        await asyncio.sleep(PAUSE_S)
    await watching


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    asyncio.run(_member(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), (*sys.argv[4:], None)[0]))
