"""Starting where the policy published last is refused here, as after an upgrade that reads policies more strictly.

Publishing goes through a running gateway, and one that refuses what was published denies everything, or does not start.
So a signed file of the process's own that is newer than what was published is published in its place.
"""

import asyncio

import structlog

from policy_engine.domain.bundle import RefusedBundleError
from policy_engine.service.engine import PolicyEngine
from policy_engine.service.publishing import Publisher
from policy_engine.store.bundle_channel import PendingBundleError
from shared_kernel.context import RequestContext
from shared_kernel.ids import uuid7
from shared_kernel.principal import Principal, PrincipalKind

POLL_S = 0.2
PATIENCE_S = 30.0
"""How long a start waits for the new bundle's hour; some leases."""
_REMEDY = ("correct it, `gridwarden policy build` it again, and start with GRIDWARDEN_POLICY_BUNDLE naming the new "
           "file: it is published in the place of the refused one")
_OURSELVES = Principal(subject="gridwarden", name="gridwarden", kind=PrincipalKind.SERVICE)

_log = structlog.get_logger()


async def started(engine: PolicyEngine, publisher: Publisher, archive: bytes | None) -> None:
    """Start an engine; when the channel's bundle is refused, publish `archive` and start by that.

    Raises RefusedBundleError and UnavailableError when there is nothing to decide by.
    """
    try:
        await engine.start()
    except RefusedBundleError as refused:
        if engine.standing().stale is None:
            raise
        await _succeed(publisher, archive, refused)
        await _wait(engine)


async def _succeed(publisher: Publisher, archive: bytes | None, refused: RefusedBundleError) -> None:
    if archive is None:
        raise RefusedBundleError(f"{refused.why}; {_REMEDY}") from refused
    _log.warning("policy_published_is_refused", detail=str(refused), instead="GRIDWARDEN_POLICY_BUNDLE")
    try:
        await publisher.publish(archive, RequestContext(request_id=uuid7(), principal=_OURSELVES))
    except PendingBundleError:
        return  # another process of the fleet was here before
    except RefusedBundleError as own:
        raise RefusedBundleError(f"{refused.why}; {_REMEDY} (of the one it names now: {own.why})") from own


async def _wait(engine: PolicyEngine) -> None:
    """Start the engine once the new bundle's hour has come."""
    for _ in range(int(PATIENCE_S / POLL_S)):
        await asyncio.sleep(POLL_S)
        try:
            await engine.start()
        except RefusedBundleError:
            continue
        return
    await engine.start()
