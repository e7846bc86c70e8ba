"""What a device sends: one object, a JSON array, or NDJSON.

The fast way decodes raw bytes straight into typed values. Its decoder would let the last of two equal keys win, so the
quotation marks are counted: every field is required and none other is known, hence an object with each key once has
exactly two marks a key and two a string, and one more key has at least two more. A body with any doubt (a backslash,
another count, a value of another type) goes the strict way, item by item, which says what is wrong with which.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal

import msgspec

from grid_services.domain.readings import METER_TOPIC, SENSOR_TOPIC, MeterReading, Reading, SensorReading
from grid_services.service.ingestion import Item, Unreadable
from shared_kernel.errors import InvalidInputError
from shared_kernel.strict_json import parse_strict

Provenance = Literal["measured", "simulated"]
Instant = Annotated[datetime, msgspec.Meta(tz=True)]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NOT_A_TIME = "observed_at must be RFC 3339 with an offset, such as 2026-11-21T07:00:00Z"
_MOST_DIGITS = 24
_LINE_KEPT = 4096


class SensorBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A sensor's reading as sent."""

    event_id: str
    sensor_id: str
    type: str
    value: float
    unit: str
    observed_at: Instant
    provenance: Provenance

    strings: ClassVar[int] = 7 + 6

    def reading(self) -> SensorReading:
        """Return the domain's value."""
        return SensorReading(self.event_id, self.sensor_id, self.type, self.value, self.unit,
                             _micros(self.observed_at), self.provenance)


class MeterBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A meter's reading as sent; a register sent as text is exact."""

    event_id: str
    meter_id: str
    customer_id: str
    reading_kwh: str | float | int
    unit: str
    observed_at: Instant
    provenance: Provenance

    @property
    def strings(self) -> int:
        """How many strings its JSON has, keys included."""
        return 7 + 6 + (type(self.reading_kwh) is str)

    def reading(self) -> MeterReading:
        """Return the domain's value; ValueError when the register is no number."""
        text = str(self.reading_kwh)
        try:
            register = Decimal(text if len(text) <= _MOST_DIGITS else "none")
        except ArithmeticError as cause:
            raise ValueError("reading_kwh is not a decimal number") from cause
        return MeterReading(self.event_id, self.meter_id, self.customer_id, register, self.unit,
                            _micros(self.observed_at), self.provenance)


Model = type[SensorBody] | type[MeterBody]
_MODELS: dict[str, Model] = {SENSOR_TOPIC: SensorBody, METER_TOPIC: MeterBody}
_ONE = {topic: msgspec.json.Decoder(model) for topic, model in _MODELS.items()}
_MANY = {topic: msgspec.json.Decoder(list[model]) for topic, model in _MODELS.items()}  # type: ignore[valid-type]


def items_of(topic: str, body: bytes, *, lines: bool) -> list[Item] | Item:
    """Return a list for an array or for `lines` (NDJSON), one item for one object; InvalidInputError when no JSON."""
    found = _fast(topic, body, lines=lines)
    if found is not None:
        return found
    model = _MODELS[topic]
    if lines:
        return [_line(line, model) for line in body.splitlines() if line.strip()]
    value = parse_strict(body)
    return [_item(one, model) for one in value] if isinstance(value, list) else _item(value, model)


def _fast(topic: str, body: bytes, *, lines: bool) -> list[Item] | Item | None:
    if b"\\" in body:
        return None
    try:
        if not lines and body.lstrip()[:1] == b"{":
            one = _ONE[topic].decode(body)
            return one.reading() if body.count(b'"') == 2 * one.strings else None
        many = _ONE[topic].decode_lines(body) if lines else _MANY[topic].decode(body)
        if body.count(b'"') != 2 * _strings(many) or (lines and _count(body) != len(many)):
            return None
        return [one.reading() for one in many]
    except (msgspec.MsgspecError, ValueError):
        return None


def _strings(many: Sequence[SensorBody | MeterBody]) -> int:
    return SensorBody.strings * len(many) if many and type(many[0]) is SensorBody else sum(one.strings for one in many)


def _count(body: bytes) -> int:
    return sum(1 for line in body.splitlines() if line.strip())


def _line(line: bytes, model: Model) -> Item:
    try:
        return _item(parse_strict(line), model)
    except InvalidInputError as error:
        return Unreadable(str(error), line[:_LINE_KEPT].decode(errors="replace"))


def _item(value: Any, model: Model) -> Reading | Unreadable:  # noqa: ANN401 - any JSON value
    try:
        return msgspec.convert(value, model).reading()
    except (msgspec.ValidationError, ValueError, OverflowError) as error:
        event_id = value.get("event_id") if isinstance(value, dict) else None
        reason = _NOT_A_TIME if "$.observed_at" in str(error) else str(error)
        return Unreadable(reason, value, event_id[:64] if isinstance(event_id, str) else None)


def _micros(moment: datetime) -> int:
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
