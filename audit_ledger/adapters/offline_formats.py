"""The formats a bundle stands on, each in a few lines and with the standard library alone.

First half of the offline verifier; an auditor gets both halves as one file (see bundle_file.py).
"""
# ruff: noqa: D103, PLR2004 - the names and numbers are those of the standards

import base64
import hashlib
import json
import re
import time
import unicodedata
from collections.abc import Iterable
from typing import Any, NamedTuple

# ---- Ed25519, RFC 8032 section 5.1: slow and plain, nothing here is secret ----

P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D, ROOT_OF_MINUS_1 = -121665 * pow(121666, -1, P) % P, pow(2, (P - 1) // 4, P)
Point = tuple[int, int, int, int]  # x, y, z, t: extended coordinates, x/z and y/z are the affine ones


def add_points(p: Point, q: Point) -> Point:
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def multiply(scalar: int, point: Point) -> Point:
    found: Point = (0, 1, 1, 0)
    for bit in f"{scalar:b}":
        found = add_points(found, found)
        found = add_points(found, point) if bit == "1" else found
    return found


def decode_point(raw: bytes) -> Point:
    """Return a key's point; ValueError if it is none, not in canonical form, or of small order."""
    y, sign = int.from_bytes(raw, "little") & (2**255 - 1), int.from_bytes(raw, "little") >> 255
    u, v = (y * y - 1) % P, (D * y * y + 1) % P
    x = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    x = x * ROOT_OF_MINUS_1 % P if v * x * x % P == -u % P else x
    x = x if x & 1 == sign else P - x
    if len(raw) != 32 or y >= P or v * x * x % P != u or multiply(8, (x, y, 1, x * y % P))[0] == 0:
        raise ValueError("the Ed25519 key is no canonical point of the curve, or of small order, so anybody could sign")
    return x, y, 1, x * y % P


BASE = decode_point((4 * pow(5, -1, P) % P).to_bytes(32, "little"))


def is_signed(key: bytes, message: bytes, signature: bytes) -> bool:
    """Tell whether S*B - k*A is R byte for byte, which refuses a non-canonical R too."""
    s = int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or s >= L:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % L
    x, y, z, t = decode_point(key)
    x, y, z, _ = add_points(multiply(s, BASE), multiply(k, (P - x, y, z, P - t)))
    x, y = x * pow(z, -1, P) % P, y * pow(z, -1, P) % P
    return (y | (x & 1) << 255).to_bytes(32, "little") == signature[:32]


# ---- C2SP signed-note, tlog-checkpoint, tlog-cosignature, tlog-policy: what is out of place is a ValueError ----

class Key(NamedTuple):
    """A verifier key: kind 1 signs the note, kind 4 (cosignature/v1) the time and the note."""

    name: str
    kind: int
    raw: bytes

    def key_id(self) -> bytes:
        """Return the first four bytes of SHA-256(name LF kind key)."""
        return hashlib.sha256(self.name.encode() + b"\n" + bytes((self.kind,)) + self.raw).digest()[:4]

    def has_signed(self, text: str, signature: bytes) -> bool:
        """Tell whether this key made the signature over the note text."""
        if self.kind == 1:
            return is_signed(self.raw, text.encode(), signature)
        at = int.from_bytes(signature[:8], "big")
        return at < 2**63 and is_signed(self.raw, f"cosignature/v1\ntime {at}\n{text}".encode(), signature[8:])


class Checkpoint(NamedTuple):
    """What a log commits to; `cosigned`: when each witness of the policy saw it (POSIX time)."""

    origin: str
    size: int
    root: bytes
    cosigned: dict[str, int]


class Policy(NamedTuple):
    """`groups`: name, threshold, members, which are witnesses or groups that stand before."""

    logs: list[Key]
    witnesses: dict[str, Key]
    groups: list[tuple[str, int, list[str]]]
    quorum: str

    def is_quorum(self, names: Iterable[str]) -> bool:
        """Tell whether these witnesses are enough."""
        reached = {"none", *names}
        for name, threshold, members in self.groups:
            reached |= {name} if sum(member in reached for member in members) >= threshold else set()
        return self.quorum in reached


def strict_base64(text: str) -> bytes:
    raw = base64.b64decode(text, validate=True)
    if base64.b64encode(raw).decode() != text:
        raise ValueError("base64 is not in its one canonical form")
    return raw


def decimal(text: str) -> int:
    """Read a plain decimal; int() alone would take +5, 05, 1_000 and full-width digits."""
    if not re.fullmatch("0|[1-9][0-9]{0,18}", text) or int(text) >= 2**63:
        raise ValueError("a number is not a plain decimal below 2^63")
    return int(text)


def is_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(char.isspace() for char in name)


def parse_key(text: str) -> Key:
    """Read `name+hhhhhhhh+base64(kind || key)`; a kind that cannot be verified here is refused, not passed over."""
    name, _, rest = text.partition("+")
    key_id, _, material = rest.partition("+")
    raw = strict_base64(material)
    key = Key(name, raw[0] if raw else 0, raw[1:])
    if key.kind not in (1, 4):
        kind = {6: "ML-DSA-44"}.get(key.kind, "unknown")
        raise ValueError(f"the key of {name} is of type {key.kind} ({kind}): this file verifies Ed25519 only")
    if not is_name(name) or key.key_id().hex() != key_id:
        raise ValueError("a verifier key's name and key id do not belong to its key")
    decode_point(key.raw)
    return key


def parse_policy(content: bytes) -> Policy:
    logs, witnesses, groups, quorums = list[Key](), dict[str, Key](), list[tuple[str, int, list[str]]](), list[str]()
    names, free = {"none", "any", "all"}, set[str]()
    if re.search(rb"[\x00-\x08\x0b-\x1f\x7f]|[^\n]\Z", content):
        raise ValueError("the policy holds a control character, or its last line does not end")
    for line in content.decode("utf-8", "surrogateescape").split("\n"):
        rule, *words = re.findall("[^ \t]+", re.sub("(^|[ \t])#.*", "", line)) or [""]
        count = len(words)
        is_new = rule not in ("witness", "group") or (count > 1 and words[0] not in names)
        if rule == "log" and count in (1, 2) and parse_key(words[0]).kind == 1:
            logs.append(parse_key(words[0]))
        elif rule == "witness" and count in (2, 3) and is_new:
            witnesses[words[0]] = parse_key(words[1])._replace(kind=4)
        elif rule == "group" and is_new and {*words[2:]} <= free and len({*words[2:]}) == count - 2 > 0:
            groups.append((words[0], {"any": 1, "all": count - 2}.get(words[1]) or decimal(words[1]), words[2:]))
            free -= {*words[2:]}
        elif rule == "quorum" and count == 1 and words[0] in names - {"any", "all"}:
            quorums.append(words[0])
        elif rule:
            raise ValueError(f"the policy has a line that does not fit: {line.strip()}")
        names |= {words[0]} if rule in ("witness", "group") else set()
        free |= {words[0]} if rule in ("witness", "group") else set()
    keys = [key.raw for key in (*logs, *witnesses.values())]
    if len(quorums) != 1 or len({*keys}) < len(keys) or any(not 1 <= need <= len(who) for _, need, who in groups):
        raise ValueError("the policy has not one quorum, one key twice, or a group that needs what it cannot have")
    return Policy(logs, witnesses, groups, quorums[0])


def open_note(note: bytes, keys: list[Key]) -> tuple[str, dict[Key, bytes]]:
    """Return the text and who of the keys signed it; a signature that claims one of them and fails is an error."""
    text = note.decode("utf-8")
    body, blank, tail = text.rpartition("\n\n")
    lines = tail.split("\n")
    if len(note) > 10**6 or not blank or lines.pop() or len(lines) > 100 or re.search("[\x00-\x09\x0b-\x1f]", text):
        raise ValueError("it is not a text, a blank line and at most 100 signature lines")
    verified: dict[Key, bytes] = {}
    for line in lines:
        name, _, material = line[2:].partition(" ")
        raw = strict_base64(material)
        if line[:2] != "\u2014 " or not is_name(name) or len(raw) < 5:
            raise ValueError("a signature line is not `dash name base64`")
        known = [key for key in keys if (key.name, key.key_id()) == (name, raw[:4])]
        if len(known) > 1 or (known and known[0] not in verified and not known[0].has_signed(body + "\n", raw[4:])):
            raise ValueError(f"the signature of {name} does not verify, or two known keys share its name and key id")
        verified.update({key: raw[4:] for key in known if key not in verified})
    if not verified:
        raise ValueError("no key of the policy signed it")
    return body + "\n", verified


def parse_checkpoint(text: str) -> Checkpoint:
    lines = text.split("\n")
    if len(lines) < 4 or lines.pop() or "" in lines or len(strict_base64(lines[2])) != 32:
        raise ValueError("a checkpoint is an origin, a size and a SHA-256, one a line")
    return Checkpoint(lines[0], decimal(lines[1]), strict_base64(lines[2]), {})


def open_checkpoint(note: bytes, policy: Policy) -> Checkpoint:
    text, verified = open_note(note, [*policy.logs, *policy.witnesses.values()])
    found = parse_checkpoint(text)
    if not any(key in verified and key.name == found.origin for key in policy.logs):
        raise ValueError(f"no log key of the policy signed it for {found.origin}")
    seen = {name: int.from_bytes(verified[key][:8], "big") for name, key in policy.witnesses.items() if key in verified}
    return found._replace(cosigned={name: at for name, at in seen.items() if at <= time.time() + 300})


# ---- RFC 6962: the tree and its proofs ----

def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """The right edge of a growing tree: perfect subtrees, largest first; equals merge, as a binary counter carries."""

    def __init__(self) -> None:
        self.size, self.peaks = 0, list[bytes]()

    def add(self, found: bytes, level: int = 0) -> None:
        """Add a perfect subtree of 2^level leaves."""
        index = self.size >> level
        self.size += 1 << level
        while index & 1:
            found, index = node(self.peaks.pop(), found), index >> 1
        self.peaks.append(found)

    def root(self) -> bytes:
        """Fold the peaks from the right."""
        found = self.peaks[-1] if self.peaks else hashlib.sha256(b"").digest()
        for peak in self.peaks[-2::-1]:
            found = node(peak, found)
        return found


def levels(start: int, end: int) -> list[int]:
    """Return the heights of the perfect subtrees over the leaves from start to end, left to right."""
    found: list[int] = []
    while start < end:
        level = (end - start).bit_length() - 1
        found.append(min(level, (start & -start).bit_length() - 1) if start else level)
        start += 1 << found[-1]
    return found


def root_above(leaf: bytes, seq: int, size: int, path: list[bytes]) -> bytes:
    """Return the root an inclusion proof leads to; LookupError or ValueError when it has another length."""
    if size <= 1 or not 0 <= seq < size:
        if path or (seq, size) != (0, 1):
            raise ValueError("the proof has another length")
        return leaf
    half = 1 << (size - 1).bit_length() - 1
    if seq < half:
        return node(root_above(leaf, seq, half, path[:-1]), path[-1])
    return node(path[-1], root_above(leaf, seq - half, size - half, path[:-1]))


def roots_above(old: int, new: int, path: list[bytes], known: bytes) -> tuple[bytes, bytes]:
    """Return both roots a consistency proof leads to; `known` stands for the old tree while that is a whole subtree."""
    if not 0 < old < new:
        if old != new or len(path) != (not known):
            raise ValueError("the proof has another length")
        return (known or path[0],) * 2
    half = 1 << (new - 1).bit_length() - 1
    if old <= half:
        before, after = roots_above(old, half, path[:-1], known)
        return before, node(after, path[-1])
    before, after = roots_above(old - half, new - half, path[:-1], b"")
    return node(path[-1], before), node(path[-1], after)


def proves_inclusion(leaf: bytes, seq: int, size: int, path: list[bytes], root: bytes) -> bool:
    try:
        return all(len(step) == 32 for step in path) and root_above(leaf, seq, size, path) == root
    except (ValueError, LookupError):
        return False


def proves_consistency(old: int, new: int, path: list[bytes], roots: tuple[bytes, bytes]) -> bool:
    try:
        return all(len(step) == 32 for step in path) and roots_above(old, new, path, roots[0]) == roots
    except (ValueError, LookupError):
        return False


# ---- RFC 8785: a payload has one form, so one meaning ----

def refuse(_text: str) -> None:
    raise ValueError("a float, NaN or infinity")


def exact(text: str) -> int:
    if len(text) > 17 or abs(int(text)) >= 2**53:
        raise ValueError("an integer that is not exact everywhere")
    return int(text)


PARSE = json.JSONDecoder(parse_int=exact, parse_float=refuse, parse_constant=refuse).decode
SORTED = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode
AS_ORDERED = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def is_canonical(payload: bytes) -> bool:
    """Tell whether writing the value again gives these bytes: then no key is doubled and nothing is spelt oddly."""
    try:
        text = payload.decode("utf-8")
        value = PARSE(text)
        if text.isascii() and text.count("{") + text.count("[") <= 64:
            return SORTED(value) == text
        return AS_ORDERED(ordered(value, 64)) == text
    except (ValueError, RecursionError):
        return False


def ordered(value: Any, depth: int) -> Any:  # noqa: ANN401 - any JSON value
    """Sort keys by UTF-16; ValueError for text that is not NFC, and for nesting beyond 64."""
    if isinstance(value, str) and not unicodedata.is_normalized("NFC", value):
        raise ValueError("not NFC")
    if isinstance(value, (dict, list)) and not depth:
        raise ValueError("too deep")
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: str(key).encode("utf-16-be", "surrogatepass"))
        return {ordered(key, depth): ordered(value[key], depth - 1) for key in keys}
    return [ordered(held, depth - 1) for held in value] if isinstance(value, list) else value
