"""What several processes expose, as one exposition."""

from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from control_plane.fleet.metrics import Peers, merged


def exposition(count: float, seconds: float, held: float, size: float) -> bytes:
    """Return one process' metrics."""
    registry = CollectorRegistry()
    Counter("asked", 'How "often"', ["who"], registry=registry).labels('a"b\\c\nd').inc(count)
    Histogram("took_seconds", "How long", buckets=(1, 5), registry=registry).observe(seconds)
    Gauge("gridwarden_gateway_in_flight", "Held", registry=registry).set(held)
    Gauge("size", "Known to all", registry=registry).set(size)
    return generate_latest(registry)


def values(text: bytes) -> dict[tuple[str, str], float]:
    """Return every sample by name and labels."""
    return {(sample.name, str(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text.decode()) for sample in family.samples
            if not sample.name.endswith("_created")}


def test_counters_and_histograms_add_up_and_facts_known_to_all_do_not() -> None:
    found = values(merged([exposition(2, 0.5, 3, 70), exposition(5, 7, 4, 60)]))

    assert found["asked_total", str([("who", 'a"b\\c\nd')])] == 7
    assert found["took_seconds_count", "[]"] == 2
    assert found["took_seconds_bucket", str([("le", "1.0")])] == 1
    assert found["took_seconds_sum", "[]"] == 7.5
    assert found["gridwarden_gateway_in_flight", "[]"] == 7
    assert found["size", "[]"] == 70


def test_one_process_exposition_stays_as_it_is() -> None:
    text = exposition(2, 0.5, 3, 70)

    assert values(merged([text])) == values(text)


async def test_a_process_asks_its_peers_and_does_without_one_that_is_gone(tmp_path: Path) -> None:
    (tmp_path / "7.sock").touch()
    own, other = Peers(tmp_path, 0), Peers(tmp_path, 1)
    async with own.answering(), other.answering():
        text = (await own.exposition()).decode()

    alone = generate_latest().decode()
    name = 'python_gc_collections_total{generation="0"}'
    assert 1.5 * _value(alone, name) < _value(text, name) < 2.5 * _value(alone, name)  # it goes on counting meanwhile


def _value(text: str, name: str) -> float:
    return float(next(line.rpartition(" ")[2] for line in text.splitlines() if line.startswith(name)))
