"""Write the files: `python -m tests.conformance --issuer https://op.example:5000 --person vera.viewer DIR`."""

import argparse
import os
from pathlib import Path

from tests.conformance.plans import Target, as_text, files


def main() -> None:
    """Write `clients.json` and a configuration a plan."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("--issuer", required=True, help="the issuer to test, as the suite reaches it")
    parser.add_argument("--suite", default="https://localhost.emobix.co.uk:8443", help="where the suite runs")
    parser.add_argument("--person", required=True, help="the account that signs in")
    parser.add_argument("--password", default=os.environ.get("GRIDWARDEN_PASSWORD", ""),
                        help="its password (GRIDWARDEN_PASSWORD)")
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    target = Target(options.issuer.rstrip("/"), options.suite.rstrip("/"), options.person, options.password)
    options.folder.mkdir(parents=True, exist_ok=True)
    for name, content in files(target).items():
        path = options.folder / name
        path.touch(mode=0o600)
        path.write_text(as_text(content))
        print(path)  # noqa: T201 - a command's output


if __name__ == "__main__":
    main()
