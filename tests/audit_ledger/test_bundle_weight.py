"""Few entries may weigh much: a bundle over HTTP is bounded in bytes, for it is held in memory."""

import asyncio
import base64
import os

import pytest

from audit_ledger.service.archive.export import Exporter, Request
from audit_ledger.store.cosignatures import Cosignatures
from audit_ledger.store.pruner import Prunes
from shared_kernel.errors import TooLargeError
from tests.audit_ledger.rig import Rig

COUNT = 1_600


async def test_a_bundle_that_weighs_too_much_is_refused_in_words(rig: Rig) -> None:
    ledger = rig.ledger()
    await ledger.start()
    noise = base64.b64encode(os.urandom(45_000)).decode()
    await asyncio.gather(*(ledger.record(rig.event(number, message=noise[number:] + noise[:number]))
                           for number in range(COUNT)))
    await ledger.stop()
    pool, stream = rig.reader_pool, rig.signer.name
    exporter = Exporter(rig.reader, Cosignatures(pool, pool, stream), Prunes(pool, stream), rig.signer.verifier)

    with pytest.raises(TooLargeError, match="at most 64 MiB"):
        await exporter.packed(Request())
    assert await exporter.packed(Request(until=20))
