"""A model as bytes: what is unsigned, changed, malformed or hostile does not score."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from policy_engine.adapters.risk_keys import RiskKeys, UnusableRiskKeyError
from policy_engine.adapters.risk_model_file import HEADER, LARGEST, RefusedModelError, digest_of, from_bytes, to_bytes
from policy_engine.adapters.risk_training import sample_of, train
from policy_engine.domain.risk_model import Model
from policy_engine.domain.risk_sessions import days_at_work


@pytest.fixture(scope="module")
def model() -> Model:
    """Return a small model."""
    return train(sample_of(days_at_work(1, people=15, days=3)), 1_795_000_000_000_000)


@pytest.fixture
def keys(tmp_path: Path) -> RiskKeys:
    """Return keys of a fresh home."""
    return RiskKeys(tmp_path)


def _resigned(raw: bytes, keys: RiskKeys, change: Callable[[dict[str, Any]], None]) -> bytes:
    """Return an artifact with other arrays under a good signature: what a mistake of ours would sign."""
    with np.load(io.BytesIO(raw[len(HEADER) + 64:]), allow_pickle=False) as archive:
        arrays: dict[str, Any] = {name: archive[name].copy() for name in archive.files}
    change(arrays)
    held = io.BytesIO()
    np.savez_compressed(held, **arrays)
    return HEADER + keys.sign(HEADER + held.getvalue()) + held.getvalue()


def test_what_was_written_is_read_and_scores_the_same(model: Model, keys: RiskKeys) -> None:
    raw = to_bytes(model, keys)

    found = from_bytes(raw, keys)

    assert (found.density, found.forest, found.hours, dict(found.tails)) == (
        model.density, model.forest, model.hours, dict(model.tails))
    assert found.digest == digest_of(raw)
    assert found.reading((9,) * 8) == model.reading((9,) * 8)


def test_no_changed_byte_passes(model: Model, keys: RiskKeys) -> None:
    raw = to_bytes(model, keys)
    places = [*range(len(HEADER) + 64), *range(len(HEADER) + 64, len(raw), len(raw) // 200)]

    for place in places:
        changed = bytearray(raw)
        changed[place] ^= 1
        with pytest.raises(RefusedModelError):
            from_bytes(bytes(changed), keys)


@pytest.mark.parametrize("cut", [0, 1, len(HEADER), len(HEADER) + 63, len(HEADER) + 64, -1])
def test_a_part_of_a_model_is_none(model: Model, keys: RiskKeys, cut: int) -> None:
    with pytest.raises(RefusedModelError):
        from_bytes(to_bytes(model, keys)[:cut], keys)


def test_an_unsigned_npz_is_refused_unread(model: Model, keys: RiskKeys) -> None:
    payload = to_bytes(model, keys)[len(HEADER) + 64:]

    with pytest.raises(RefusedModelError, match="no model of this version"):
        from_bytes(payload, keys)


def test_a_model_signed_by_somebody_else_is_refused(model: Model, keys: RiskKeys, tmp_path: Path) -> None:
    theirs = to_bytes(model, RiskKeys(tmp_path / "theirs"))
    to_bytes(model, keys)

    with pytest.raises(RefusedModelError, match="signature is not ours"):
        from_bytes(theirs, keys)


def test_a_pickle_is_never_opened_even_when_signed(keys: RiskKeys, model: Model) -> None:
    raw = _resigned(to_bytes(model, keys), keys, lambda arrays: arrays.update(about=np.array([{"a": 1}], object)))

    with pytest.raises(RefusedModelError, match="malformed"):
        from_bytes(raw, keys)


_CHANGES: dict[str, Callable[[dict[str, Any]], None]] = {
    "a loop": lambda arrays: arrays["left"].__setitem__(0, 0),
    "a child that is no node": lambda arrays: arrays["right"].__setitem__(0, 10**6),
    "a negative child": lambda arrays: arrays["left"].__setitem__(0, -5),
    "a root that is no node": lambda arrays: arrays["roots"].__setitem__(0, -1),
    "a feature there is not": lambda arrays: arrays["feature"].__setitem__(0, 99),
    "nan in a path": lambda arrays: arrays["path"].__setitem__(0, np.nan),
    "infinite threshold": lambda arrays: arrays["threshold"].__setitem__(0, np.inf),
    "a negative path": lambda arrays: arrays["path"].__setitem__(slice(None), -1.0),
    "a share of nothing": lambda arrays: arrays["density"].__setitem__((0, 0), 0.0),
    "a tail that does not fall": lambda arrays: arrays["tails"].__setitem__((0, 1), 0.0),
    "other bins": lambda arrays: arrays.update(widths=arrays["widths"] + 1),
    "an array too many": lambda arrays: arrays.update(more=np.zeros(1)),
    "an array too few": lambda arrays: arrays.__delitem__("hours"),
    "trees of no nodes": lambda arrays: arrays.update({name: arrays[name][:0] for name in (
        "feature", "threshold", "left", "right", "path")}),
    "text": lambda arrays: arrays.update(hours=np.array(["a"] * 24)),
    "a wide array": lambda arrays: arrays.update(path=np.zeros((2, 2))),
}


@pytest.mark.parametrize("change", _CHANGES.values(), ids=_CHANGES)
def test_a_malformed_model_is_refused_even_when_signed(
    model: Model, keys: RiskKeys, change: Callable[[dict[str, Any]], None],
) -> None:
    raw = _resigned(to_bytes(model, keys), keys, change)

    with pytest.raises(RefusedModelError, match="malformed"):
        from_bytes(raw, keys)


def test_a_model_that_unpacks_to_gigabytes_is_refused_unpacked(keys: RiskKeys) -> None:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("density.npy", b"\0" * (LARGEST + 1))
    raw = HEADER + keys.sign(HEADER + held.getvalue()) + held.getvalue()

    with pytest.raises(RefusedModelError, match="unpacks to too much"):
        from_bytes(raw, keys)


def test_a_huge_file_is_refused_by_its_size(keys: RiskKeys) -> None:
    with pytest.raises(RefusedModelError, match="larger than"):
        from_bytes(HEADER + b"\0" * LARGEST, keys)


def test_the_private_key_is_for_its_owner_alone(keys: RiskKeys, tmp_path: Path) -> None:
    keys.sign(b"x")
    assert (tmp_path / "risk.key").stat().st_mode & 0o777 == 0o600

    (tmp_path / "risk.key").chmod(0o644)

    with pytest.raises(UnusableRiskKeyError, match="chmod 600"):
        keys.sign(b"x")


@pytest.mark.parametrize("content", [None, b"", b"not a key"])
def test_without_a_public_key_nothing_is_believed(
    model: Model, keys: RiskKeys, tmp_path: Path, content: bytes | None,
) -> None:
    raw = to_bytes(model, keys)
    (tmp_path / "risk.pub").unlink()
    if content is not None:
        (tmp_path / "risk.pub").write_bytes(content)

    with pytest.raises(UnusableRiskKeyError, match="holds no public key"):
        from_bytes(raw, keys)
