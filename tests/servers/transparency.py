"""The reference implementations of witnesses and logs, built once by Go into the cache of the tests.

reference_witness   transparency-dev/witness, in memory: what our ledger asks
tessera_log         transparency-dev/tessera on POSIX: what asks our witness
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.built import built, missing
from tests.servers.started import free_port, wait_answering

BUILD_DEADLINE_S = 900

GO_MOD = """module transparency

go 1.25.0

require (
	github.com/transparency-dev/merkle v0.0.2
	github.com/transparency-dev/tessera v1.0.4
	github.com/transparency-dev/witness v0.0.0-20260720115447-2e1c6971d19e
)

replace github.com/transparency-dev/merkle => ./merkle
"""

MERKLE = "github.com/transparency-dev/merkle@v0.0.2"
SUBTREE = """package proof

import (
	"errors"

	"github.com/transparency-dev/merkle"
)

// VerifySubtreeConsistency is in no published version of this module, and nothing here asks for subtrees.
func VerifySubtreeConsistency(_ merkle.LogHasher, _, _, _ uint64, _ [][]byte, _, _ []byte) error {
	return errors.New("not in this build")
}
"""

WITNESS = """package main

import (
	"context"
	"log"
	"net/http"
	"os"

	f_note "github.com/transparency-dev/formats/note"
	"github.com/transparency-dev/witness/persistence/inmemory"
	"github.com/transparency-dev/witness/witness"
	"golang.org/x/mod/sumdb/note"
)

func main() {
	address, secret, logKey := os.Args[1], os.Args[2], os.Args[3]
	signer := must(f_note.NewSignerForCosignatureV1(secret))
	verifier := must(note.NewVerifier(logKey))
	watched := func(_ context.Context, origin string) (note.Verifier, bool, error) {
		return verifier, origin == verifier.Name(), nil
	}
	made := must(witness.New(context.Background(), witness.Opts{
		Persistence: inmemory.New(), Signers: []note.Signer{signer}, VerifierForLog: watched}))
	http.HandleFunc("POST /add-checkpoint", witness.NewHTTPHandler(made).AddCheckpoint)
	log.Fatal(http.ListenAndServe(address, nil))
}
"""

LOG = """package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"
)

func main() {
	address, folder, secret, policy := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	ctx := context.Background()
	witnesses := must(tessera.NewWitnessGroupFromPolicy([]byte(policy)))
	options := tessera.NewAppendOptions().WithCheckpointSigner(must(note.NewSigner(secret))).
		WithCheckpointInterval(200*time.Millisecond).WithBatching(1, 50*time.Millisecond).WithWitnesses(witnesses, nil)
	appender, _, _, err := tessera.NewAppender(ctx, must(posix.New(ctx, posix.Config{Path: folder})), options)
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("POST /add", func(w http.ResponseWriter, r *http.Request) {
		index, err := appender.Add(r.Context(), tessera.NewEntry(must(io.ReadAll(r.Body))))()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprint(w, index.Index)
	})
	http.Handle("GET /", http.FileServer(http.Dir(folder)))
	log.Fatal(http.ListenAndServe(address, nil))
}
"""

MUST = """
func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}
"""


@contextmanager
def reference_witness(secret: str, log_key: str) -> Iterator[str]:
    """Run the reference witness with a note signing key, for one log; give its URL."""
    with _running("witness", secret, log_key) as url:
        yield url


@contextmanager
def tessera_log(folder: Path, secret: str, policy: str) -> Iterator[str]:
    """Run a Tessera log whose checkpoints the witnesses of a policy must cosign; give its URL."""
    with _running("log", str(folder), secret, policy) as url:
        yield url


@contextmanager
def _running(name: str, *arguments: str) -> Iterator[str]:
    address = f"127.0.0.1:{free_port()}"
    process = subprocess.Popen([str(peer_binary(name)), address, *arguments], stderr=subprocess.DEVNULL)
    try:
        wait_answering(f"http://{address}", process)
        yield f"http://{address}"
    finally:
        process.kill()
        process.wait(10)


def peer_binary(name: str) -> Path:
    """Return a program's path; both are built at once, the log last."""
    return built("transparency-log", _build).with_name(f"transparency-{name}")


def _build(cache: Path) -> None:
    if shutil.which("go") is None:
        missing(f"no Go to build Tessera and the reference witness with: install Go, or put them into {cache}")
    source = cache / "transparency-source"
    shutil.rmtree(source, ignore_errors=True)
    for name, program in (("witness", WITNESS), ("log", LOG)):
        (source / name).mkdir(parents=True)
        (source / name / "main.go").write_text(program + MUST)
    _go(cache, "mod", "download", MERKLE)
    shutil.copytree(Path(_go(cache, "env", "GOMODCACHE").strip()) / MERKLE, source / "merkle",
                    copy_function=shutil.copyfile)
    for folder in (source / "merkle").rglob("*/"):
        folder.chmod(0o755)
    (source / "merkle" / "proof" / "subtree.go").write_text(SUBTREE)
    (source / "go.mod").write_text(GO_MOD)
    _go(source, "mod", "tidy")
    for name in ("witness", "log"):
        _go(source, "build", "-o", str(cache / f"transparency-{name}.new"), f"./{name}")
        (cache / f"transparency-{name}.new").replace(cache / f"transparency-{name}")


def _go(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["go", *arguments], cwd=folder, env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=mod"},
                          capture_output=True, text=True, timeout=BUILD_DEADLINE_S, check=False)
    if done.returncode:
        missing(f"go {arguments[0]} failed: {done.stderr[-500:]}")
    return done.stdout
