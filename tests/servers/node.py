"""JavaScript packages that tests run: installed once by npm from a committed lock file."""

import shutil
import subprocess
from hashlib import sha256
from pathlib import Path

from tests.servers.built import built, missing

INSTALL_DEADLINE_S = 300


def installed(folder: Path) -> Path:
    """Return a copy of `folder` (package.json, package-lock.json, scripts) with its packages beside them."""
    sources = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}
    name = f"node-{folder.parent.name}-{sha256(b''.join(sources.values())).hexdigest()[:12]}"

    def build(cache: Path) -> None:
        npm = shutil.which("npm")
        if npm is None or shutil.which("node") is None:
            missing("no Node.js to run a JavaScript client with")
        fresh = cache / f"{name}.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        for file, content in sources.items():
            (fresh / file).write_bytes(content)
        done = subprocess.run([npm, "ci", "--no-audit", "--no-fund"], cwd=fresh, capture_output=True, text=True,
                              timeout=INSTALL_DEADLINE_S, check=False)
        if done.returncode:
            missing(f"npm could not install {folder.parent.name}: {(done.stdout + done.stderr)[-300:]}")
        fresh.rename(cache / name)

    return built(name, build)
