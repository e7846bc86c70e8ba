"""Ingestion: durable, then sealed, then acknowledged; concurrent requests share one commit."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any

from prometheus_client import Counter

from grid_services.domain.dead_letters import DeadLetter
from grid_services.domain.errors import (
    ConflictingReadingError,
    MeterQuarantinedError,
    RefusedReadingError,
    WrongIdentifierError,
)
from grid_services.domain.readings import METER_TOPIC, Reading, is_identifier
from grid_services.store.ingest_store import ACCEPTED, CONFLICT, DUPLICATE, QUARANTINED, IngestStore, Outcome
from shared_kernel.clock import Clock, to_iso
from shared_kernel.context import RequestContext
from shared_kernel.events import Recorder, security_event

_readings = Counter("gridwarden_grid_services_readings_total", "Readings by what became of them", ["topic", "outcome"])


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An item that is no reading; `event_id` as far as it has one."""

    reason: str
    item: Any
    event_id: str | None = None

    def flaw(self, _now_us: int) -> str:
        """Return why this is no reading."""
        return self.reason


Item = Reading | Unreadable


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why one item of a request was not taken."""

    index: int
    event_id: str | None
    reason: str
    state: str


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a request's items."""

    accepted: int
    duplicates: int
    rejected: tuple[Rejection, ...]


@dataclass(slots=True, eq=False)
class _Share:
    """One request's part of a shared commit."""

    readings: Sequence[Reading]
    dead: Mapping[bytes, str]
    done: asyncio.Future[list[Outcome]] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Ingestion:
    """Takes readings and keeps the quarantine."""

    def __init__(self, store: IngestStore, recorder: Recorder, clock: Clock) -> None:
        self._store = store
        self._recorder = recorder
        self._clock = clock
        self._pending: dict[str, list[_Share]] = {}
        self._flushing: dict[str, asyncio.Task[None]] = {}

    async def take(self, topic: str, items: Sequence[Item], context: RequestContext | None = None) -> Report:
        """Store what is good, set the rest aside, seal the request; raise UnavailableError when that cannot be."""
        now_us = self._clock.now_us()
        good: list[tuple[int, Reading]] = []
        rejected: list[Rejection] = []
        for index, item in enumerate(items):
            flaw = item.flaw(now_us)
            if flaw is None and not isinstance(item, Unreadable):
                good.append((index, item))
            else:
                rejected.append(Rejection(index, item.event_id, flaw or "", "invalid"))
        dead = dict(_letter(topic, items[one.index], one.reason, now_us) for one in rejected)
        outcomes = await self._commit(topic, [reading for _, reading in good], dead)
        rejected += [Rejection(index, reading.event_id, outcome.reason or CONFLICT, outcome.state)
                     for (index, reading), outcome in zip(good, outcomes, strict=True)
                     if outcome.state in {CONFLICT, QUARANTINED}]
        states = [one.state for one in outcomes]
        report = Report(states.count(ACCEPTED), states.count(DUPLICATE), tuple(sorted(rejected, key=lambda r: r.index)))
        await self._seal(topic, items, report, context)
        return report

    async def take_one(self, topic: str, item: Item, context: RequestContext | None = None) -> Report:
        """Take a single reading; a refusal is raised as the error that names its remedy."""
        report = await self.take(topic, [item], context)
        for one in report.rejected:
            if one.state == QUARANTINED and not isinstance(item, Unreadable):
                raise MeterQuarantinedError(item.device_id, one.reason)
            if one.state == CONFLICT:
                raise ConflictingReadingError(str(one.event_id))
            raise RefusedReadingError(one.reason)
        return report

    async def quarantine_meter(self, meter_id: str, *, reason: str, by: str) -> bool:
        """Refuse the meter's readings from now on; return False when it was quarantined already."""
        _known_shape(meter_id)
        async with self._store.quarantining(meter_id, reason, by) as changed:
            if changed:
                await self._seal_meter("meter_quarantined", meter_id, by, reason)
        return changed

    async def release_meter(self, meter_id: str, *, by: str) -> bool:
        """Take the meter's readings again; return False when it was not quarantined."""
        _known_shape(meter_id)
        async with self._store.releasing(meter_id) as changed:
            if changed:
                await self._seal_meter("meter_released", meter_id, by, None)
        return changed

    async def _commit(self, topic: str, readings: Sequence[Reading], dead: Mapping[bytes, str]) -> list[Outcome]:
        share = _Share(readings, dead)
        self._pending.setdefault(topic, []).append(share)
        if topic not in self._flushing:
            self._flushing[topic] = asyncio.create_task(self._flush(topic))
        return await share.done

    async def _flush(self, topic: str) -> None:
        try:
            while shares := self._pending.pop(topic, []):
                await self._write(topic, shares)
        finally:
            del self._flushing[topic]

    async def _write(self, topic: str, shares: Sequence[_Share]) -> None:
        try:
            outcomes = iter(await self._store.write(
                topic, [one for share in shares for one in share.readings],
                {digest: letter for share in shares for digest, letter in share.dead.items()}))
        except Exception as error:  # noqa: BLE001 - every request of the commit gets the error as its own
            for share in shares:
                if not share.done.done():
                    share.done.set_exception(error)
            return
        for share in shares:
            part = list(islice(outcomes, len(share.readings)))
            if not share.done.done():
                share.done.set_result(part)

    async def _seal(self, topic: str, items: Sequence[Item], report: Report, context: RequestContext | None) -> None:
        counts = {"accepted": report.accepted, "duplicates": report.duplicates, "rejected": len(report.rejected)}
        for name, count in counts.items():
            _readings.labels(topic, name).inc(count)
        refused = {item.device_id: one.reason for one in report.rejected if one.state == QUARANTINED
                   and not isinstance(item := items[one.index], Unreadable)}
        for meter_id, reason in refused.items():
            await self._recorder.record(security_event(
                self._clock, "reading_refused", category="host", types=("denied",), outcome="failure", reason=reason,
                context=context, grid={"meter": {"id": meter_id}}))
        await self._recorder.record(security_event(
            self._clock, "readings_ingested", category="host", context=context,
            grid={"ingest": {"topic": topic, **counts}}))

    async def _seal_meter(self, action: str, meter_id: str, by: str, reason: str | None) -> None:
        await self._recorder.record(security_event(
            self._clock, action, category="configuration", types=("change",), reason=reason,
            user={"id": by}, grid={"meter": {"id": meter_id}, "ingest": {"topic": METER_TOPIC}}))


def _known_shape(meter_id: str) -> None:
    if not is_identifier(meter_id):
        raise WrongIdentifierError("meter_id")


def _letter(topic: str, item: Item, reason: str, now_us: int) -> tuple[bytes, str]:
    body = item.item if isinstance(item, Unreadable) else asdict(item)
    letter = DeadLetter(reason, topic, item.event_id, body)
    return letter.digest(), letter.text(to_iso(now_us))
