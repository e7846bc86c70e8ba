"""Signed bundles: ours are taken by the real OPA and its own by us; whatever was done to one afterwards is refused."""

import base64
import gzip
import hashlib
import io
import json
import os
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import httpx2 as httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy_engine.adapters.bundle_archive import MAX_MEMBERS, MAX_PACKED, bundle_from, packed, unpacked
from policy_engine.adapters.bundle_building import built, signed
from policy_engine.adapters.bundle_file import BundleFile
from policy_engine.adapters.bundle_folder import BundleFolder
from policy_engine.adapters.inspection import inspect_bundle
from policy_engine.domain.bundle import Bundle, RefusedBundleError
from policy_engine.domain.bundle_digest import digest_of
from policy_engine.domain.bundle_signature import SigningKey, UnusableKeyError, VerificationKey
from tests.policy_engine.authors import Author, private_key, rules
from tests.policy_engine.house import SHIPPED
from tests.servers.opa import opa_binary, opa_server

AUTHOR = Author(private_key())
ALGORITHMS = ("ES256", "ES384", "RS256", "EdDSA")
Files = dict[str, bytes]


def opa(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the real OPA."""
    return subprocess.run([opa_binary(), *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.opa
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_opa_takes_a_bundle_that_we_signed(algorithm: str, tmp_path: Path) -> None:
    author, shipped = Author(private_key(algorithm)), BundleFolder(SHIPPED).read()
    (tmp_path / "b.tar.gz").write_bytes(author.archive(shipped, 7))
    (tmp_path / "key.pub").write_bytes(author.public_pem)
    (tmp_path / "other.pub").write_bytes(Author(private_key(algorithm)).public_pem)

    took, refused = (
        opa("build", "-b", tmp_path / "b.tar.gz", "--verification-key", tmp_path / key, "--signing-alg", algorithm,
            "-o", tmp_path / "out.tar.gz") for key in ("key.pub", "other.pub"))

    assert (took.returncode, took.stderr) == (0, "")
    assert "failed to verify" in refused.stdout


@pytest.mark.opa
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_we_take_a_bundle_that_opa_signed(algorithm: str, tmp_path: Path) -> None:
    author, folder = Author(private_key(algorithm)), tmp_path / "policies"
    for name, raw in built(BundleFolder(SHIPPED).read(), built_at_us=1_795_000_000_000_000, name="r7").items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(raw)
    (tmp_path / "key.pem").write_bytes(author.private_pem)
    made = opa("build", "-b", folder, "--signing-key", tmp_path / "key.pem", "--signing-alg", algorithm,
               "-o", tmp_path / "b.tar.gz")

    found = BundleFile(tmp_path / "b.tar.gz", author.verification).read()

    assert made.returncode == 0
    assert (found.name, found.built_at_us, found.sequence) == ("r7", 1_795_000_000_000_000, 1_795_000_000_000_000)
    assert found.data == BundleFolder(SHIPPED).read().data


@pytest.mark.opa
def test_an_opa_server_decides_by_a_bundle_that_we_signed(tmp_path: Path) -> None:
    (tmp_path / "b.tar.gz").write_bytes(AUTHOR.archive(rules(3), 3))
    (tmp_path / "key.pub").write_bytes(AUTHOR.public_pem)
    asked = json.dumps({"input": {"action": "documents.read"}}).encode()

    with opa_server(arguments=("--verification-key", str(tmp_path / "key.pub"), "--signing-alg", "ES256", "-b",
                               str(tmp_path / "b.tar.gz"))) as url:
        answer = httpx.post(f"{url}/v1/data/gateway/decision", content=asked).json()

    assert answer["result"]["reasons"] == ["rules 3"]


@pytest.mark.opa
def test_we_hash_json_as_opa_does(tmp_path: Path) -> None:
    hostile = {"a": '<&>\u2028\u2029\x7f\u0000\b\f"\\/é😀', "é": 1, "Z": [], "z": {}, "😀": [True, None], "\ufffd": 1}
    raw = b'{"n": [1.0, 1E5, -0, 12345678901234567890, 0.1e-7], "o": ' + json.dumps(hostile).encode() + b"}"
    author = Author(private_key())
    (tmp_path / "b.tar.gz").write_bytes(packed(author.files(Bundle({**rules(1).files, "data.json": raw}), 1)))
    (tmp_path / "key.pub").write_bytes(author.public_pem)

    took = opa("build", "-b", tmp_path / "b.tar.gz", "--verification-key", tmp_path / "key.pub", "--signing-alg",
               "ES256", "-o", tmp_path / "out.tar.gz")

    assert (took.returncode, took.stdout) == (0, "")


def _without(name: str) -> Callable[[Files], Files]:
    return lambda files: {key: raw for key, raw in files.items() if key != name}


def _with(name: str, change: Callable[[bytes], bytes]) -> Callable[[Files], Files]:
    return lambda files: {**files, name: change(files.get(name, b""))}


def _token(change: Callable[[list[str]], list[str]]) -> Callable[[bytes], bytes]:
    def changed(raw: bytes) -> bytes:
        return json.dumps({"signatures": [".".join(change(json.loads(raw)["signatures"][0].split(".")))]}).encode()
    return changed


def _part(content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


TAMPERED = {
    "is not signed: run": _without(".signatures.json"),
    "data.json is signed and missing": _without("data.json"),
    "p.rego is not what was signed": _with("p.rego", lambda raw: raw + b"# more\n"),
    "data.json is not what was signed": _with("data.json", lambda _: b'{"roles": {}}'),
    ".manifest is not what was signed": _with(".manifest", lambda raw: raw.replace(b"build 7", b"build 8")),
    "q.rego is not signed": _with("q.rego", lambda _: b"package gateway"),
    "is not one of the key": _with(".signatures.json", _token(lambda p: [_part({"alg": "none"}), p[1], ""])),
    "its signature is not one": _with(".signatures.json", _token(lambda p: [_part({"alg": "HS256"}), p[1], p[2]])),
    "signature is not one of the": _with(".signatures.json", _token(lambda p: [p[0], _part({"files": []}), p[2]])),
    "exactly one signature": _with(".signatures.json", lambda _: b'{"signatures": []}'),
    "signature, by no plugin": _with(".signatures.json", lambda raw: raw[:-1] + b', "plugin": "mine"}'),
    "stands twice": _with(".signatures.json", lambda raw: raw[:-1] + b', "signatures": []}'),
}


@pytest.mark.parametrize("why", TAMPERED)
def test_a_tampered_bundle_is_refused_with_what_was_done(why: str) -> None:
    with pytest.raises(RefusedBundleError, match=why):
        bundle_from(TAMPERED[why](AUTHOR.files(rules(1), 7)), AUTHOR.verification)


def test_reformatted_json_is_the_same_bundle_to_its_signature() -> None:
    files = AUTHOR.files(Bundle({**rules(1).files, "data.json": b'{"b":1,"a":[1.50]}'}), 7)

    assert bundle_from({**files, "data.json": b'{ "a": [1.50],\n "b": 1 }'}, AUTHOR.verification).data["b"] == 1
    with pytest.raises(RefusedBundleError, match="not what was signed"):
        bundle_from({**files, "data.json": b'{"b":1,"a":[1.5]}'}, AUTHOR.verification)


def test_a_signed_bundle_without_a_time_cannot_be_ordered_and_is_refused() -> None:
    files = signed({**rules(1).files, ".manifest": b'{"revision": "x"}'}, SigningKey.from_pem(AUTHOR.private_pem))

    with pytest.raises(RefusedBundleError, match="built_at"):
        bundle_from(files, AUTHOR.verification)


@pytest.mark.parametrize(("pem", "why"), [
    (AUTHOR.private_pem, "private key"), (b"", "no PEM"),
    (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "no PEM"),
])
def test_what_is_no_public_key_is_refused_with_how_to_make_one(pem: bytes, why: str) -> None:
    with pytest.raises(UnusableKeyError, match=f"{why}.*openssl genpkey"):
        VerificationKey.from_pem(pem)


def _tar(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        for member, content in members:
            archive.addfile(member, io.BytesIO(content))
    return gzip.compress(raw.getvalue())


def _member(name: str, content: bytes = b"package gateway", *, kind: bytes = tarfile.REGTYPE, link: str = "",
            ) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.size, member.type, member.linkname = len(content), kind, link
    return member, content


def _tar_of_renamings(times: int) -> bytes:
    member = tarfile.TarInfo("a.rego")
    member.pax_headers = {"path": "b.rego"}
    return member.tobuf(tarfile.PAX_FORMAT)[:1024] * times


HOSTILE: dict[str, tuple[bytes, str]] = {
    "climbs": (_tar(_member("../../etc/cron.d/x.rego")), "no name for a file"),
    "climbs within": (_tar(_member("a/../b.rego")), "no name for a file"),
    "absolute twice": (_tar(_member("//etc/x.rego")), "no name for a file"),
    "backslash": (_tar(_member("..\\x.rego")), "no name for a file"),
    "hidden": (_tar(_member(".git/x.rego")), "no name for a file"),
    "control character": (_tar(_member("a\nb.rego")), "no name for a file"),
    "symbolic link": (_tar(_member("a.rego", b"", kind=tarfile.SYMTYPE, link="/etc/passwd")), "no plain file"),
    "hard link": (_tar(_member("a.rego", b"", kind=tarfile.LNKTYPE, link="data.json")), "no plain file"),
    "device": (_tar(_member("a.rego", b"", kind=tarfile.CHRTYPE)), "no plain file"),
    "pipe": (_tar(_member("a.rego", b"", kind=tarfile.FIFOTYPE)), "no plain file"),
    "twice": (_tar(_member("a.rego"), _member("a.rego", b"package other")), "twice"),
    "twice by a slash": (_tar(_member("a.rego"), _member("/a.rego", b"package other")), "twice"),
    "data below": (_tar(_member("access/data.json", b"{}")), "merge data into one"),
    "yaml": (_tar(_member("data.yaml", b"{}")), "neither a .rego file nor"),
    "wasm": (_tar(_member("policy.wasm", b"x")), "neither a .rego file nor"),
    "too many": (_tar(*(_member(f"a{number}.rego") for number in range(MAX_MEMBERS + 1))), "more than 1,000 files"),
    "too many folders": (
        _tar(*(_member(f"a{number}", b"", kind=tarfile.DIRTYPE) for number in range(MAX_MEMBERS + 1))), "and folders"),
    "headers of headers": (gzip.compress(_tar_of_renamings(2_000)), "no tar archive"),
    "bomb": (gzip.compress(bytes(70 * 2**20)), "unpacks to more than"),
    "large": (bytes(MAX_PACKED + 1), "are the most"),
    "no gzip": (b"PK\x03\x04", "no gzip file"),
    "no tar": (gzip.compress(b"hello" * 200), "no tar archive"),
    "cut off": (_tar(_member("a.rego"))[:-20], "cut off"),
    "something after": (_tar(_member("a.rego")) + gzip.compress(b"x"), "follows its end"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_an_archive_no_honest_builder_writes_is_refused(name: str) -> None:
    raw, why = HOSTILE[name]

    with pytest.raises(RefusedBundleError, match=why):
        unpacked(raw)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_bundle_or_refused(raw: bytes) -> None:
    for content in (raw, gzip.compress(raw)):
        try:
            bundle_from(unpacked(content), AUTHOR.verification)
        except RefusedBundleError:
            continue
        pytest.fail("bytes of chance are no signed bundle")


@pytest.mark.parametrize(("roots", "why"), [
    (["elsewhere"], "outside the roots"), ([], "outside the roots"), (["gateway/x"], "outside the roots"),
    (["gateway", "gateway/x"], "holds another root"), (["gateway", "/gateway/"], "holds another root"),
    (["gateway"], "brings data.roles"),
])
def test_what_is_outside_the_roots_of_the_manifest_is_refused(roots: list[str], why: str) -> None:
    files = {"p.rego": b"package gateway\n", "data.json": b'{"roles": {"a": 1}}',
             ".manifest": json.dumps({"roots": roots}).encode()}

    with pytest.raises(RefusedBundleError, match=why):
        inspect_bundle(bundle_from(files, None))


def test_what_is_inside_the_roots_of_the_manifest_is_taken() -> None:
    files = {"p.rego": b"package gateway.x\n", "data.json": b'{"roles": {"a": {"b": 1}}}'}

    for roots in (["gateway", "roles"], ["gateway/x", "roles/a"], [""]):
        inspect_bundle(bundle_from({**files, ".manifest": json.dumps({"roots": roots}).encode()}, None))


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: Path(path).symlink_to("/dev/zero"),
                                  lambda path: Path(path).symlink_to("away")])
@pytest.mark.parametrize("name", ["b.rego", "data.json"])
def test_a_folder_with_what_is_no_file_is_refused_at_once(
        name: str, make: Callable[[Path], None], tmp_path: Path) -> None:
    (tmp_path / "a.rego").write_text("package gateway\n")
    make(tmp_path / name)

    assert BundleFolder(tmp_path).fingerprint()
    with pytest.raises(RefusedBundleError, match="no plain file"):
        BundleFolder(tmp_path).read()


def test_a_pipe_in_the_place_of_a_bundle_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "b.tar.gz")

    with pytest.raises(RefusedBundleError, match="no plain file"):
        BundleFile(tmp_path / "b.tar.gz").read()


def test_the_same_policies_make_the_same_file() -> None:
    files = built(rules(1), built_at_us=5)

    assert packed(files) == packed(dict(reversed(files.items())))
    assert unpacked(packed(files)) == files


@pytest.mark.parametrize(("raw", "hashed"), [
    (b'{"b": 1, "a": [-2, "x\\u2028\\u00e9"]}', '{"a":[-2,"x\\u2028\u00e9"],"b":1}'),
    (b'{"b": 1.0, "a": [-0, 2]}', '{"a":[-0,2],"b":1.0}'),
    (b'{"b": 1, "a": 100000000000000000000000000000}', '{"a":100000000000000000000000000000,"b":1}'),
])
def test_a_value_is_hashed_with_sorted_keys_and_numbers_as_they_are_written(raw: bytes, hashed: str) -> None:
    assert digest_of("data.json", raw) == hashlib.sha256(hashed.encode()).hexdigest()


def test_weak_digests_are_refused() -> None:
    with pytest.raises(RefusedBundleError, match="MD5"):
        digest_of("p.rego", b"", "MD5")


@pytest.mark.parametrize(("manifest", "why"), [
    ({"wasm": [{}]}, "only OPA follows"), ({"rego_version": 0}, "Rego v0"),
    ({"file_rego_versions": {"a": 0}}, "Rego v0"),
    ({"metadata": {"sequence": 1.5}}, "whole number"), ({"metadata": {"sequence": 2**63}}, "whole number"),
    ({"metadata": {"built_at": "yesterday"}}, "RFC 3339"),
    ({"metadata": {"built_at": "2026-11-21T07:00:00"}}, "RFC 3339"),
    ({"revision": "a\nb"}, "printable"), ({"roots": "a"}, "list of paths"), ([], "object"),
])
def test_a_manifest_that_nobody_can_follow_is_refused(manifest: object, why: str) -> None:
    with pytest.raises(RefusedBundleError, match=why):
        bundle_from({**rules(1).files, ".manifest": json.dumps(manifest).encode()}, None)
