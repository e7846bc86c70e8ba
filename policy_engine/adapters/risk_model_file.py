r"""A model as bytes: a line that says what it is, an Ed25519 signature over line and payload, the payload an npz.

    "gridwarden risk model 1\n" || signature (64) || npz

Nothing is parsed before the signature is verified, nothing is ever unpickled, and what is verified and what is read
are the same bytes in memory. Still every array is checked: its type, shape and range, and that each way through a tree
goes forward and ends, so that a model signed by mistake costs an error and never a loop.
"""

import hashlib
import io
import zipfile

import numpy as np
import numpy.typing as npt

from policy_engine.adapters.risk_keys import SIGNATURE_BYTES, RiskKeys
from policy_engine.domain.risk_behaviour import EDGES
from policy_engine.domain.risk_levels import HOURS
from policy_engine.domain.risk_model import LEAF, PARTS, Forest, Model, Tail
from shared_kernel.errors import GridwardenError

HEADER = b"gridwarden risk model 1\n"
LARGEST = 8_000_000
_Arrays = dict[str, npt.NDArray[np.generic]]
_NAMES = frozenset({"density", "widths", "roots", "feature", "threshold", "left", "right", "path", "tails", "hours",
                    "about"})


class RefusedModelError(GridwardenError):
    """These bytes do not score."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the risk model is refused: {why}; train and activate one with `gridwarden risk train`")


def to_bytes(model: Model, keys: RiskKeys) -> bytes:
    """Return the signed artifact; the same model and key give the same bytes."""
    held = io.BytesIO()
    widest = max(len(shares) for shares in model.density)
    np.savez_compressed(
        held,
        density=np.array([(*shares, *(0.0,) * (widest - len(shares))) for shares in model.density], np.float64),
        widths=np.array([len(shares) for shares in model.density], np.int64),
        roots=np.array(model.forest.roots, np.int64), feature=np.array(model.forest.feature, np.int64),
        threshold=np.array(model.forest.threshold, np.float64), left=np.array(model.forest.left, np.int64),
        right=np.array(model.forest.right, np.int64), path=np.array(model.forest.path, np.float64),
        tails=np.array([(model.tails[part].start, model.tails[part].excess) for part in PARTS], np.float64),
        hours=np.array(model.hours, np.float64), about=np.array([model.trained_at_us, model.samples], np.int64),
    )
    payload = held.getvalue()
    return HEADER + keys.sign(HEADER + payload) + payload


def from_bytes(raw: bytes, keys: RiskKeys) -> Model:
    """Return the model; raise RefusedModelError, or UnusableRiskKeyError when there is no key to verify with."""
    if len(raw) > LARGEST:
        raise RefusedModelError(f"it is larger than {LARGEST:,} bytes")
    if not raw.startswith(HEADER):
        raise RefusedModelError("it is no model of this version")
    start = len(HEADER) + SIGNATURE_BYTES
    signature, payload = raw[len(HEADER):start], raw[start:]
    if not keys.verifies(signature, HEADER + payload):
        raise RefusedModelError("its signature is not ours")
    try:
        return _checked(_arrays(payload), digest_of(raw))
    except (ValueError, OSError, KeyError, EOFError, OverflowError, zipfile.BadZipFile) as cause:
        raise RefusedModelError(f"it is malformed ({cause})") from cause


def digest_of(raw: bytes) -> str:
    """Return the name of an artifact."""
    return hashlib.sha256(raw).hexdigest()


def _arrays(payload: bytes) -> _Arrays:
    with zipfile.ZipFile(io.BytesIO(payload)) as archive:
        if sum(member.file_size for member in archive.infolist()) > LARGEST:
            _refuse("it unpacks to too much")
    with np.load(io.BytesIO(payload), allow_pickle=False) as archive:
        if set(archive.files) != _NAMES:
            _refuse("other arrays than a model has")
        found = {name: archive[name] for name in archive.files}
    for name, array in found.items():
        if array.dtype not in (np.dtype(np.int64), np.dtype(np.float64)) or not np.isfinite(array).all():
            _refuse(f"{name} holds what is no number")
    return found


def _checked(arrays: _Arrays, digest: str) -> Model:
    widths = [len(edges) + 1 for edges in EDGES]
    if arrays["widths"].tolist() != widths or arrays["density"].shape != (len(widths), max(widths)):
        _refuse("its bins are not ours")
    density = tuple(tuple(row[:width]) for row, width in zip(arrays["density"].tolist(), widths, strict=True))
    if not all(0 < share <= 1 for shares in density for share in shares):
        _refuse("a share is not between 0 and 1")
    tails, hours, about = (np.asarray(arrays[name], np.float64) for name in ("tails", "hours", "about"))
    if tails.shape != (len(PARTS), 2) or not (tails[:, 1] > 0).all():
        _refuse("its tails are not tails")
    if hours.shape != (HOURS,) or not (hours >= 0).all() or about.shape != (2,) or not (about >= 0).all():
        _refuse("its hours or its date are not")
    return Model(
        density=density, forest=_forest(arrays), hours=tuple(hours.tolist()),
        tails={part: Tail(*pair) for part, pair in zip(PARTS, tails.tolist(), strict=True)},
        trained_at_us=int(about[0]), samples=int(about[1]), digest=digest)


def _forest(arrays: _Arrays) -> Forest:
    """Check that every node leads to later nodes of the forest or is a leaf."""
    names = ("feature", "threshold", "left", "right", "path")
    feature, left, right, roots = (np.asarray(arrays[name], np.int64) for name in ("feature", "left", "right", "roots"))
    nodes = len(feature) if feature.ndim == 1 else 0
    if not nodes or any(arrays[name].shape != (nodes,) for name in names) or roots.ndim != 1 or not len(roots):
        _refuse("its trees have odd shapes")
    if any(arrays[name].dtype != np.dtype(np.int64) for name in ("feature", "left", "right", "roots")):
        _refuse("its trees lead nowhere")
    here = np.arange(nodes)
    inner = feature != LEAF
    if not (((feature >= LEAF) & (feature < len(EDGES))).all() and ((roots >= 0) & (roots < nodes)).all()
            and all(((child[inner] > here[inner]) & (child[inner] < nodes)).all() for child in (left, right))):
        _refuse("its trees lead nowhere")
    if not (np.asarray(arrays["path"], np.float64) >= 0).all():
        _refuse("a path is shorter than none")
    return Forest(tuple(roots.tolist()), **{name: tuple(arrays[name].tolist()) for name in names})


def _refuse(why: str) -> None:
    raise ValueError(why)
