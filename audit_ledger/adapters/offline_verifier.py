#!/usr/bin/env python3
"""Verify a Gridwarden ledger bundle with nothing but Python >= 3.9: no install, no network, no trust in the sender.

    python3 verify.py BUNDLE.zip --policy POLICY [--json] [--entry N]

Take this file from a place you trust, not from the bundle that it is to judge: who can forge a bundle can forge the
verifier in it. The keys come from POLICY, a file of yours (C2SP tlog-policy): whose log, which witnesses, what quorum.

    1. the policy       log and witness keys (Ed25519, RFC 8032), the quorum
    2. the zip          every member is expected, and is there once
    3. the manifest     which entries [from, until) of which log, under checkpoints of which sizes
    4. the checkpoints  signed by the policy's log for its own name, cosigned by witnesses
    5. consistency      each checkpoint extends the one before (RFC 6962, 2.1.2)
    6. the entries      entry hash = SHA-256(00 || previous hash || header || payload): every payload is rehashed
    7. the tree         nodes left of the entries, the entries, nodes right of them: the root is the signed one
    8. single entries   inclusion proofs (RFC 6962, 2.1.1)

Exit code 0: good, signed by the policy's log and cosigned by its quorum. 3: good, but the quorum is missing or covers
less. 4: tampered with. 5: cannot check.
"""
# ruff: noqa: D103, EXE001, PLR2004, PTH123 - runs anywhere, reads on one page

import argparse
import hashlib
import json
import re
import struct
import sys
import time
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, Any

from audit_ledger.adapters.offline_formats import (
    Checkpoint,
    Policy,
    Tree,
    is_canonical,
    levels,
    open_checkpoint,
    parse_policy,
    proves_consistency,
    proves_inclusion,
)

FORMAT = "gridwarden-ledger-bundle/1"
VERDICTS = {0: "good", 3: "unproven", 4: "tampered", 5: "cannot_check"}
MAX_FINDINGS, MAX_MEMBER, MAX_LEAF, CHUNK = 1_000, 1 << 20, 65_535, 4_096
FAULTS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError, LookupError, struct.error)
NUMBERS = struct.Struct(">qqI")  # seq, recorded_at_us, payload length


def digests(texts: list[str]) -> list[bytes]:
    if not all(re.fullmatch("[0-9a-f]{64}", text) for text in texts):
        raise ValueError("a hash is not 64 hexadecimal digits")
    return [bytes.fromhex(text) for text in texts]


class Audit:
    """One verification of one bundle: every finding, and what holds all the same."""

    def __init__(self, file: IO[bytes], policy: Policy, wanted: int) -> None:
        self.shown: dict[str, Any] = {}
        self.archive, self.policy, self.wanted = zipfile.ZipFile(file), policy, wanted
        self.findings, self.known, self.held = list[dict[str, Any]](), dict[int, Checkpoint](), [0]
        self.tree, self.own, self.last_at_us, self.is_broken, self.is_lost = Tree(), b"", 0, False, False
        if any(info.compress_type not in (0, 8) for info in self.archive.infolist()):
            raise ValueError("the zip has members that are neither stored nor deflated")
        content = self.read("manifest.json")
        if not is_canonical(content):
            raise ValueError("manifest.json is not RFC 8785 JSON")
        m = json.loads(content)
        self.first, self.until, self.sizes, self.singles = m["from"], m["until"], m["checkpoints"], m["singles"]
        self.stream, self.next, self.size = m["stream"], self.first, self.sizes[-1]
        self.left, self.right, (self.head,) = digests(m["left"]), digests(m["right"]), digests([m["head"]])
        self.name, self.paths = self.stream.encode(), [digests(path) for path in m["consistency"]]
        numbers = [self.first, self.until, *self.sizes, *self.singles]
        if not (
            m["format"] == FORMAT and len(m) == 10 and 0 < len(self.name) < 256 and (self.singles or self.until > 0)
            and all(type(number) is int for number in numbers)
            and 0 <= self.first <= self.until <= self.size and min(numbers) >= 0 and max(numbers) == self.size
            and self.sizes[0] > 0 and self.sizes == sorted({*self.sizes}) and len(self.paths) == len(self.sizes) - 1
            and len(self.left) == len(levels(0, self.first)) and len(self.right) == len(levels(self.until, self.size))
        ):
            raise ValueError("manifest.json does not fit together")

    def find(self, kind: str, first: int, last: int, detail: str) -> None:
        """Keep a finding; neighbours of one kind become one."""
        before = self.findings[-1] if self.findings else {}
        if before.get("kind") == kind and before["seq"] <= first <= before["last_seq"] + 1:
            before["last_seq"] = max(last, before["last_seq"])
        elif len(self.findings) < MAX_FINDINGS:
            self.findings.append({"kind": kind, "seq": first, "last_seq": last, "detail": detail})

    def read(self, name: str) -> bytes:
        """Return a small member; a bomb stops at the limit."""
        with self.archive.open(name) as member:
            content = member.read(MAX_MEMBER + 1)
        if len(content) > MAX_MEMBER:
            raise ValueError(f"{name} is larger than {MAX_MEMBER} bytes")
        return content

    def check_names(self) -> None:
        """Step 2."""
        names = [info.filename for info in self.archive.infolist()]
        self.chunks = [f"entries/{seq:019}.bin" for seq in range(self.first, self.until, CHUNK)[:len(names)]]
        known = {"README.txt", "manifest.json", "verify.py", *self.chunks}
        known |= {f"checkpoints/{size:019}.note" for size in self.sizes}
        known |= {f"single/{seq:019}.{end}" for seq in self.singles for end in ("bin", "path")}
        for name in sorted({*names} - known):
            self.find("extra", 0, 0, f"the zip holds {name!a}, which belongs to no bundle")
        if len({*names}) < len(names):
            self.find("duplicate", 0, 0, "the zip holds two members of one name")

    def check_checkpoints(self) -> None:
        """Steps 4 and 5."""
        for size in self.sizes:
            try:
                found = open_checkpoint(self.read(f"checkpoints/{size:019}.note"), self.policy)
                if (found.origin, found.size) != (self.stream, size):
                    raise ValueError(f"it is of {found.origin}, size {found.size}")
                self.known[size] = found
            except FAULTS as cause:
                self.find("checkpoint_signature", size, size, f"the checkpoint of size {size} is refused: {cause}")
        for old, new, path in zip(self.sizes, self.sizes[1:], self.paths):  # noqa: B905 - strict is 3.10
            a, b = self.known.get(old), self.known.get(new)
            if a and b and not proves_consistency(old, new, path, (a.root, b.root)):
                self.find("checkpoint_mismatch", old, new - 1, f"the checkpoint of {new} does not extend that of {old}")

    def records(self, name: str) -> Iterator[tuple[bytes, bytes]]:
        """Yield `uint16 length || leaf data`, and after leaf data of version 2, which ends in a digest, the payload."""
        with self.archive.open(name) as member:
            for _ in range(CHUNK):
                length = member.read(2)
                if not length:
                    return
                leaf = member.read(int.from_bytes(length, "big"))
                payload = leaf[54 + leaf[33]:]
                if leaf[32] == 2:
                    payload = member.read(min(NUMBERS.unpack_from(leaf, 34 + leaf[33])[2], MAX_LEAF))
                yield leaf, payload
            if member.read(1):
                raise ValueError("it holds more entries than it may")

    def check_entry(self, leaf: bytes, payload: bytes) -> int:
        """Step 6: return the position that the header says; name what is wrong with header and payload."""
        seq, at_us, _ = NUMBERS.unpack_from(leaf, 34 + leaf[33])
        is_long = len(payload) > MAX_LEAF - 54 - len(self.name)
        log, body = bytes((len(self.name),)) + self.name, hashlib.sha256(payload).digest() if is_long else payload
        if leaf[32:] != bytes((1 + is_long,)) + log + NUMBERS.pack(seq, at_us, len(payload)) + body:
            self.find("edited" if log == leaf[33:33 + len(log)] else "foreign_stream", seq, seq,
                      "the header is not that of this payload and this log")
        elif not is_canonical(payload):
            self.find("not_canonical", seq, seq, "the payload is not RFC 8785 JSON as the ledger admits it")
        if at_us < self.last_at_us and seq == self.next:
            self.find("clock", seq, seq, "recorded before its predecessor: the clock went back")
        self.last_at_us = at_us
        if seq == self.wanted:
            at = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(at_us // 10**6))}.{at_us % 10**6:06}Z"
            self.shown = {"seq": seq, "recorded_at": at, "payload": payload.decode("utf-8", "replace")}
        return int(seq)

    def check_entries(self) -> None:
        """Steps 6 and 7."""
        for level, held in zip(levels(0, self.first), self.left):  # noqa: B905 - as above
            self.tree.add(held, level)
        for name in self.chunks:
            try:
                for leaf, payload in self.records(name):
                    seq = self.check_entry(leaf, payload)
                    if self.next <= seq < self.until:
                        self.close(seq, leaf[:32])
                        self.own, self.next = hashlib.sha256(b"\0" + leaf).digest(), seq + 1
                    else:
                        self.find("duplicate" if self.first <= seq < self.next else "extra", seq, seq, "out of place")
            except FAULTS as cause:
                self.find("missing", self.next, self.next, f"{name} cannot be read to its end: {cause}")
        self.close(self.until, self.head)
        if self.is_broken:
            self.find("edited", self.until - 1, self.until - 1, "the entry is not the one that was sealed")
        for level, held in zip(levels(self.until, self.size), self.right):  # noqa: B905 - as above
            self.grow(held, level)
        if self.size in self.known and not self.is_lost and self.size not in self.held:
            self.find("checkpoint_mismatch", self.first, self.until, "the nodes do not reach the checkpoint")

    def close(self, seq: int, previous: bytes) -> None:
        """Close the entry before `seq`: what `seq` says of it is its best witness, if `seq` itself is true."""
        gap = seq - self.next
        if gap:
            self.find("missing", self.next, seq - 1, "no such entry is in the bundle")
        if self.is_broken:
            is_true = not gap and previous == self.own
            self.find("edited", self.next - 2, self.next - 1 - is_true, "the entry is not the one that was sealed")
        elif seq == 0 < self.until and any(previous):
            self.find("broken_chain", 0, 0, "the first entry follows another")
        self.is_broken = bool(self.own) and not gap and not self.is_broken and previous != self.own
        self.is_lost |= gap > 1
        for leaf in ([self.own] if gap and self.own else []) + ([previous] if self.own or gap else []):
            self.grow(leaf)

    def grow(self, leaf: bytes, level: int = 0) -> None:
        """Step 7: hold the root against each checkpoint on the way."""
        self.tree.add(leaf, level)
        at = self.known.get(self.tree.size)
        if at and not self.is_lost and at.root == self.tree.root():
            self.held.append(at.size)
        elif at and not self.is_lost:
            self.is_lost = True
            self.find("checkpoint_mismatch", self.held[-1], at.size - 1,
                      f"the checkpoint of {at.size} has another root: what lies between was changed")

    def check_singles(self) -> None:
        """Step 8."""
        for seq in self.singles:
            try:
                [(leaf, payload)] = self.records(f"single/{seq:019}.bin")
                steps = self.read(f"single/{seq:019}.path")
                path = [steps[at:at + 32] for at in range(0, len(steps), 32)]
                root, own = self.known[self.size].root, hashlib.sha256(b"\0" + leaf).digest()
                if self.check_entry(leaf, payload) != seq or not proves_inclusion(own, seq, self.size, path, root):
                    raise ValueError("its proof does not lead to the signed root")
            except FAULTS as cause:
                self.find("tree_mismatch", seq, seq, f"the single entry is not proven: {cause}")

    def report(self) -> dict[str, Any]:
        """Check everything and add it up."""
        for check in (self.check_names, self.check_checkpoints, self.check_entries, self.check_singles):
            check()
        cosigned = [each.size for each in self.known.values() if self.policy.is_quorum(each.cosigned)]
        is_enough = max([0, *cosigned]) >= max([self.until, *(seq + 1 for seq in self.singles)])
        code = 4 if self.findings else 0 if is_enough else 3
        worst = max(0, min([self.size, *(each["seq"] for each in self.findings)]))
        holds_to, others_hold = max(size for size in self.held if size <= worst), self.size in self.held
        if self.shown:
            seq = self.shown["seq"]
            is_named = any(each["seq"] <= seq <= each["last_seq"] for each in self.findings)
            is_under = self.size in self.known and (others_hold or seq < holds_to or seq in self.singles)
            self.shown["proven"] = is_under and not is_named
        elif self.wanted >= 0:
            raise ValueError(f"the bundle does not hold entry {self.wanted}")
        mode = "witnessed" if is_enough and self.policy.quorum != "none" else "anchored"
        return {"verdict": VERDICTS[code], "exit_code": code, "mode": mode if self.size in self.known else "unanchored",
                "stream": self.stream, "from": self.first, "until": self.until, "singles": self.singles,
                "size": self.size, "findings": self.findings, "holds_to": holds_to, "others_hold": others_hold,
                "entry": self.shown or None,
                "cosigned": {size: each.cosigned for size, each in self.known.items()}}


def told(report: dict[str, Any]) -> str:
    if "stream" not in report:
        return f"cannot check: {report['detail']}"
    ranges = [f"{report['from']}-{report['until'] - 1}"] if report["until"] else []
    proven = f"what lies below {report['holds_to']}" if not report["others_hold"] else (
        "every entry but those named here" if report["findings"] else "every entry in the bundle")
    entries = ", ".join([*ranges, *map(str, report["singles"])])
    place = f"{report['stream']}, entries {entries} under the checkpoint of {report['size']}"
    lines = [f"{report['verdict']}, {report['mode']}: {place}"]
    lines += [f"  {each['kind']} {each['seq']}-{each['last_seq']}: {each['detail']}" for each in report["findings"]]
    lines += [f"proven: {proven}"]
    if report["entry"]:
        state = "proven" if report["entry"]["proven"] else "NOT PROVEN"
        lines += [f"entry {report['entry']['seq']}, recorded at {report['entry']['recorded_at']}, {state}:"]
        lines += [report["entry"]["payload"]]
    return "\n".join("".join(char if char.isprintable() else ascii(char)[1:-1] for char in line) for line in lines)


def verified(bundle_path: str, policy_path: str, wanted: int = -1) -> dict[str, Any]:
    """Step 1, and all that follows."""
    try:
        with open(policy_path, "rb") as policy, open(bundle_path, "rb") as bundle:
            trusted = parse_policy(policy.read())
            if not trusted.logs:
                raise ValueError("the policy names no log: add a line `log <verifier key>`")
            return Audit(bundle, trusted, wanted).report()
    except (*FAULTS, TypeError, AttributeError) as cause:
        return {"verdict": VERDICTS[5], "exit_code": 5, "detail": f"{type(cause).__name__}: {cause}"}


def main() -> int:
    parser = argparse.ArgumentParser(description="Verify a Gridwarden ledger bundle.")
    parser.add_argument("bundle")
    parser.add_argument("--policy", required=True, help="your own C2SP tlog-policy: log, witness, group, quorum lines")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--entry", type=int, default=-1, metavar="N", help="show entry N")
    given = parser.parse_args()
    report = verified(given.bundle, given.policy, given.entry)
    text = (json.dumps(report) if given.json else told(report)) + "\n"
    sys.stdout.buffer.write(text.encode(sys.stdout.encoding or "utf-8", "backslashreplace"))
    return int(report["exit_code"])


if __name__ == "__main__":
    sys.exit(main())
