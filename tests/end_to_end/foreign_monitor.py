"""A tlog-tiles monitor (C2SP tlog-tiles v1) as a stranger writes it: sockets and SHA-256, nothing of the product.

It trusts a verifier key and its own memory. From the checkpoint it fetches every hash tile down to the leaves,
recomputes each tile from the one below, the root from all, and holds it against the signed one and against the last it
saw. With a bearer token it also fetches the entry bundles and recomputes every leaf.
"""

import base64
import hashlib
import urllib.request
from dataclasses import dataclass, field
from urllib.error import HTTPError

WIDTH = 256
HASH = 32


@dataclass(slots=True)
class Monitor:
    """What one stranger has seen of one log; `roots` by size."""

    prefix: str
    token: str | None = None
    roots: dict[int, bytes] = field(default_factory=dict)
    leaves: list[bytes] = field(default_factory=list)

    def get(self, path: str) -> bytes:
        """Fetch one resource below the prefix."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        asked = urllib.request.Request(f"{self.prefix}/{path}", headers=headers)  # noqa: S310 - the test's own address
        with urllib.request.urlopen(asked, timeout=30) as got:  # noqa: S310 - the same
            return bytes(got.read())

    def status(self, path: str) -> int:
        """Return only how a request is answered."""
        try:
            self.get(path)
        except HTTPError as refusal:
            return refusal.code
        return 200

    def follow(self) -> int:
        """Go from the checkpoint to every leaf and back; return the size. AssertionError says what does not hold."""
        origin, size_line, root_line, blank, *signatures = self.get("checkpoint").decode().split("\n")
        size, root = int(size_line), base64.b64decode(root_line, validate=True)
        assert (str(size), blank) == (size_line, "")
        assert signatures[0].startswith(f"\u2014 {origin} ")
        levels = [self._level(0, size)]
        while len(levels[-1]) >= WIDTH:
            below = levels[-1]
            whole = [root_of(below[at:at + WIDTH]) for at in range(0, len(below) - len(below) % WIDTH, WIDTH)]
            assert self._level(len(levels), len(whole)) == whole, f"the tiles of level {len(levels)} are others"
            levels.append(whole)
        self.leaves = levels[0]
        assert root_of(self.leaves) == root, f"the root of {size} is not the signed one"
        for seen, known in self.roots.items():
            assert (len(self.leaves[:seen]), root_of(self.leaves[:seen])) == (seen, known), f"{seen} was rewritten"
        self.roots[size] = root
        return size

    def read_entries(self) -> int:
        """Recompute every leaf from the entry bundles; return how many."""
        found = [hashlib.sha256(b"\0" + data).digest()
                 for path in paths("entries", len(self.leaves)) for data in entries_of(self.get(path))]
        assert found == self.leaves
        return len(found)

    def _level(self, level: int, count: int) -> list[bytes]:
        """Return the hashes of one level, tile by tile."""
        content = b"".join(self.get(path) for path in paths(str(level), count))
        assert len(content) == count * HASH
        return [content[at:at + HASH] for at in range(0, len(content), HASH)]


def paths(level: str, count: int) -> list[str]:
    """Return the paths of the tiles that hold the first `count` hashes of a level: full ones, then a partial one."""
    full, rest = divmod(count, WIDTH)
    return [f"tile/{level}/{numbered(index)}" for index in range(full)] + (
        [f"tile/{level}/{numbered(full)}.p/{rest}"] if rest else [])


def numbered(index: int) -> str:
    """Return 1234067 as x001/x234/067."""
    digits = f"{index:03}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at:at + 3] for at in range(0, len(digits), 3)]
    return "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])


def root_of(leaves: list[bytes]) -> bytes:
    """Return the Merkle tree hash of leaf hashes (RFC 6962, section 2.1)."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    row = leaves
    while len(row) > 1:
        pairs = [hashlib.sha256(b"\1" + row[at] + row[at + 1]).digest() for at in range(0, len(row) - 1, 2)]
        row = pairs + ([row[-1]] if len(row) % 2 else [])
    return row[0]


def entries_of(bundle: bytes) -> list[bytes]:
    """Split an entry bundle: each entry after its length as a big-endian uint16."""
    found, at = [], 0
    while at < len(bundle):
        end = at + 2 + int.from_bytes(bundle[at:at + 2], "big")
        assert end <= len(bundle), "an entry is cut"
        found.append(bundle[at + 2:end])
        at = end
    return found
