"""Reading a trust policy (C2SP tlog-policy): a file of octets in lines, items between spaces and tabs.

    log <vkey> [<url>]
    witness <name> <vkey> [<url>]
    group <name> all|any|<k> <member>...        members are witnesses or groups of earlier lines
    quorum <name>|none                          exactly once

An item that begins with # ends its line. Names are opaque octets: what looks alike is not the same.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from audit_ledger.domain.c2sp.checkpoint import plain_decimal
from audit_ledger.domain.c2sp.cosignature import as_cosigner
from audit_ledger.domain.c2sp.note import COSIGNATURE_V1, ED25519, VerifierKey
from audit_ledger.domain.c2sp.tlog_policy import NONE, Group, KnownLog, KnownWitness, Policy
from audit_ledger.domain.errors import MalformedNoteError

MAX_POLICY_BYTES = 262_144
_RESERVED = frozenset({NONE, "all", "any"})
_FORBIDDEN_OCTET = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")
_BLANKS = re.compile(rb"[ \t]+")


def read_policy(content: bytes) -> Policy:
    """Read a policy file; MalformedNoteError with the line for anything C2SP does not allow.

    One public key under two names is refused, as C2SP demands: it would be counted twice.
    """
    if len(content) > MAX_POLICY_BYTES or _FORBIDDEN_OCTET.search(content):
        raise MalformedNoteError(f"a policy has at most {MAX_POLICY_BYTES} bytes and no control characters")
    *lines, rest = content.split(b"\n")
    if rest:
        raise MalformedNoteError("the policy's last line does not end: the file may be cut short")
    draft = _Draft()
    for number, line in enumerate(lines, start=1):
        try:
            draft.read(_items(line))
        except MalformedNoteError as cause:
            raise MalformedNoteError(f"line {number} of the policy: {cause.detail}") from cause
    if draft.quorum is None:
        raise MalformedNoteError("the policy defines no quorum: add a line `quorum <name>` or `quorum none`")
    return Policy(tuple(draft.logs), tuple(draft.witnesses), tuple(draft.groups), draft.quorum)


def _items(line: bytes) -> list[bytes]:
    items = [item for item in _BLANKS.split(line) if item]
    comment = next((place for place, item in enumerate(items) if item.startswith(b"#")), len(items))
    return items[:comment]


def _name(item: bytes) -> str:
    """Return a name that compares as its octets do."""
    return item.decode("utf-8", "surrogateescape")


def _key(item: bytes) -> VerifierKey:
    try:
        return VerifierKey.parse(item.decode())
    except UnicodeDecodeError as cause:
        raise MalformedNoteError("a verifier key's name is not UTF-8") from cause


@dataclass(slots=True)
class _Draft:
    """The lines read so far."""

    logs: list[KnownLog] = field(default_factory=list)
    witnesses: list[KnownWitness] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    quorum: str | None = None
    names: set[str] = field(default_factory=set)
    members: set[str] = field(default_factory=set)

    def read(self, items: list[bytes]) -> None:
        """Take in one line."""
        if not items:
            return
        keyword, *rest = items
        kind = _LINES.get(keyword)
        if kind is None:
            raise MalformedNoteError("it begins with none of log, witness, group, quorum")
        read, fewest, most = kind
        if not fewest <= len(rest) <= most:
            raise MalformedNoteError(f"a {keyword.decode()} line does not have {len(rest)} items")
        read(self, *rest)

    def log(self, vkey: bytes, url: bytes | None = None) -> None:
        """Read `log <vkey> [<url>]`."""
        key = _key(vkey)
        if key.algorithm != ED25519:
            raise MalformedNoteError(f"a log signs with an Ed25519 key of type {ED25519}")
        self._refuse_known(key)
        self.logs.append(KnownLog(key, _name(url) if url else None))

    def witness(self, name: bytes, vkey: bytes, url: bytes | None = None) -> None:
        """Read `witness <name> <vkey> [<url>]`; the plain key of a witness stands for its cosignature key."""
        key = as_cosigner(_key(vkey))
        if key.algorithm != COSIGNATURE_V1:
            raise MalformedNoteError(f"a witness signs with a key of type {COSIGNATURE_V1}")
        self._refuse_known(key)
        self.witnesses.append(KnownWitness(self._new(name), key, _name(url) if url else None))

    def group(self, name: bytes, threshold: bytes, *members: bytes) -> None:
        """Read `group <name> all|any|<k> <member>...`."""
        named = tuple(_name(member) for member in members)
        for member in named:
            if member not in self.names or member in self.members:
                raise MalformedNoteError(f"{member!r} is not defined above, or already a member of a group")
            self.members.add(member)
        needed = {b"all": len(named), b"any": 1}.get(threshold)
        if needed is None:
            needed = plain_decimal(_name(threshold), "a group's threshold")
        if not 1 <= needed <= len(named):
            raise MalformedNoteError(f"a group of {len(named)} cannot need {needed}")
        self.groups.append(Group(self._new(name), needed, named))

    def set_quorum(self, name: bytes) -> None:
        """Read `quorum <name>|none`."""
        if self.quorum is not None:
            raise MalformedNoteError("there is already a quorum")
        if _name(name) not in self.names | {NONE}:
            raise MalformedNoteError(f"{_name(name)!r} is not defined above")
        self.quorum = _name(name)

    def _new(self, name: bytes) -> str:
        text = _name(name)
        if text in self.names or text in _RESERVED:
            raise MalformedNoteError(f"the name {text!r} is taken")
        self.names.add(text)
        return text

    def _refuse_known(self, key: VerifierKey) -> None:
        held = [known.key for known in self.logs] + [known.key for known in self.witnesses]
        for other in held:
            if other.key == key.key:
                raise MalformedNoteError(f"{key.name} has the same public key as {other.name}: it would count twice")


_MANY = MAX_POLICY_BYTES
_LINES: Mapping[bytes, tuple[Callable[..., None], int, int]] = {
    b"log": (_Draft.log, 1, 2), b"witness": (_Draft.witness, 2, 3), b"group": (_Draft.group, 3, _MANY),
    b"quorum": (_Draft.set_quorum, 1, 1),
}
"""How each line is read, and how many items may follow its first."""
