"""What `gridwarden risk` does on the database of a home: read decisions from the ledger, train, activate, explain."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TypeVar

import asyncpg

from audit_ledger.domain.head import Entry
from audit_ledger.service.ledger import readable
from control_plane.cli.connection import database
from control_plane.cli.ledger.desk import Desk
from control_plane.config import load_settings
from control_plane.database.migrations import migrate
from control_plane.home import Home
from policy_engine.adapters.risk_keys import RiskKeys
from policy_engine.adapters.risk_model_file import RefusedModelError, digest_of, from_bytes, to_bytes
from policy_engine.adapters.risk_training import Sample, train
from policy_engine.domain.risk_levels import RiskFeatures
from policy_engine.domain.risk_model import Model
from policy_engine.store.risk_history import RiskHistoryStore
from policy_engine.store.risk_models import RiskModelStore
from shared_kernel.clock import SystemClock, from_iso
from shared_kernel.errors import GridwardenError
from shared_kernel.principal import ANONYMOUS

_PAGE = 2_000
_NOWHERE = "0.0.0.0"  # noqa: S104 - stands for an address that is sealed
_Answer = TypeVar("_Answer")
Progress = Callable[[int, int], None]


class NoModelFileError(GridwardenError):
    """There is no such file."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} cannot be read: train a model with `gridwarden risk train`")


@dataclass(frozen=True, slots=True)
class RiskDesk:
    """The stores with the owner's rights, and the home's keys."""

    models: RiskModelStore
    histories: RiskHistoryStore
    keys: RiskKeys
    home: Home


def at_risk_desk(home: Path | None, url: str | None, work: Callable[[RiskDesk], Awaitable[_Answer]]) -> _Answer:
    """Do the work on the database of a home or a URL, its policy tables brought up to date."""
    place = home_of(home, url)

    async def run(owner: str) -> _Answer:
        await migrate(owner, ("policy_engine",))
        async with _pool(owner) as pool:
            return await work(RiskDesk(RiskModelStore(pool), RiskHistoryStore(pool), RiskKeys(place.keys), place))

    with database(home, url) as owner:
        return asyncio.run(run(owner))


def home_of(home: Path | None, url: str | None) -> Home:
    """Return the data directory."""
    return Home(load_settings(home=home, database_url=url).home.resolve())


async def sample_ledger(desk: Desk, last: int, progress: Progress) -> Sample:
    """Return the sample of the newest `last` entries' decisions."""
    head = await desk.reader.head()
    size = head.size if head else 0
    sample, after = Sample(), max(0, size - last)
    begun = after
    while found := await desk.reader.entries(after, _PAGE):
        for entry in found:
            decided = decided_in(entry)
            if decided is not None:
                sample.add(decided[0], allowed=decided[1])
        after = found[-1].seq + 1
        progress(after - begun, size - begun)
    return sample


def decided_in(entry: Entry) -> tuple[RiskFeatures, bool] | None:
    """Return the request of an `access_decision` of somebody signed in; None for any other entry."""
    event = readable(entry.payload)
    grid = _part(event, "grid")
    decision, resource = _part(grid, "decision"), _part(grid, "resource")
    subject = _part(event, "user").get("id")
    if not decision or not isinstance(subject, str) or subject == ANONYMOUS.subject:
        return None
    try:
        at_us = from_iso(str(event["@timestamp"]))
    except (KeyError, ValueError):
        return None
    return RiskFeatures(
        subject, _address(_part(event, "source").get("ip")), "", at_us, str(decision.get("action", "")),
        str(resource.get("dataset", "")), str(_part(event, "url").get("path", "")), str(resource.get("method", "")),
    ), decision.get("allow") is True


def trained(sample: Sample, home: Home, out: Path | None) -> tuple[Model, Path]:
    """Train, sign, write and read back; return the model as it would be activated, and where it lies."""
    keys = RiskKeys(home.keys)
    artifact = to_bytes(train(sample, SystemClock().now_us()), keys)
    model = from_bytes(artifact, keys)
    path = out or home.root / "risk" / f"{model.digest[:12]}.model"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(artifact)
    return model, path


def read_once(path: Path) -> bytes:
    """Return the bytes of a model file, which are verified and activated as they were read."""
    try:
        return path.read_bytes()
    except OSError as cause:
        raise NoModelFileError(path) from cause


async def activated(desk: RiskDesk, artifact: bytes) -> Model:
    """Verify an artifact and activate it."""
    model = from_bytes(artifact, desk.keys)
    await desk.models.activate(digest_of(artifact), artifact)
    return model


async def active_model(desk: RiskDesk) -> Model | None:
    """Return the active model; raise RefusedModelError when it does not verify."""
    found = await desk.models.active()
    if found is None:
        return None
    if digest_of(found.artifact) != found.digest:
        raise RefusedModelError("these are not the bytes that were activated")
    return from_bytes(found.artifact, desk.keys)


async def went_back(desk: RiskDesk) -> Model:
    """Activate the model that was active before."""
    found = await desk.models.previous()
    model = from_bytes(found.artifact, desk.keys)
    await desk.models.activate(found.digest, found.artifact)
    return model


def _part(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = document.get(name)
    return found if isinstance(found, Mapping) else {}


def _address(found: object) -> str:
    try:
        return str(ip_address(str(found)))
    except ValueError:
        return _NOWHERE


@contextlib.asynccontextmanager
async def _pool(url: str) -> AsyncIterator[asyncpg.Pool]:
    pool = await asyncpg.create_pool(url, min_size=1, max_size=2)
    try:
        yield pool
    finally:
        await pool.close()
