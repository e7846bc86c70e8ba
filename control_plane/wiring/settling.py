"""The last round: after the ledger's goodbye its copies take the last checkpoint, and its witnesses cosign it."""

import asyncio

import structlog

from audit_ledger.service.copies.status import State
from control_plane.parts import Audited

log = structlog.get_logger()

PATIENCE_S = 3.0
_LOOK_S = 0.05


async def left(audited: Audited) -> None:
    """Leave the ledger; where this process led it, its followers take the last round."""
    was_leading = audited.ledger.membership.leads
    await audited.ledger.leave()
    try:
        if was_leading:
            await settled(audited)
    finally:
        await asyncio.gather(*(mirror.copy.close() for mirror in audited.mirrors))


async def settled(audited: Audited) -> None:
    """Let followers take what was published last; whoever does not answer gets it after the next start."""
    followers = [asyncio.create_task(mirror.run()) for mirror in audited.mirrors]
    if audited.witnessing is not None:
        followers.append(asyncio.create_task(audited.witnessing.run()))
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not await _is_settled(audited):  # noqa: ASYNC110 - the followers tell nobody
                await asyncio.sleep(_LOOK_S)
    except TimeoutError:
        log.warning("followers_left_behind")
    finally:
        for follower in followers:
            follower.cancel()
        await asyncio.gather(*followers, return_exceptions=True)


async def _is_settled(audited: Audited) -> bool:
    size = (await audited.ledger.wait_published(-1)).size
    copies = [await mirror.status() for mirror in audited.mirrors]
    lagging = [each for each in copies if each.size < size and each.state in {State.STARTING, State.FOLLOWING}]
    return not lagging and (audited.witnessing is None or audited.witnessing.status().quorum_size >= size)
