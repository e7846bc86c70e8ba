"""`make servers`: builds what the tests would build at first use, so that it is not part of their time."""

import sys
from collections.abc import Callable
from pathlib import Path
from time import monotonic

import pytest

from tests.servers.consul import consul_binary
from tests.servers.node import installed
from tests.servers.opa import opa_binary
from tests.servers.transparency import peer_binary
from tests.servers.vault import vault_binary

PROGRAMS: dict[str, Callable[[], Path]] = {
    "OPA": opa_binary, "Vault": vault_binary, "Consul": consul_binary,
    "Tessera and the reference witness": lambda: peer_binary("log"),
    "npm openid-client": lambda: installed(Path(__file__).parents[1] / "real_clients" / "node"),
}


def main() -> None:
    """Build all of them, one after the other; end with 1 when one could not be built."""
    failed = False
    for name, build in PROGRAMS.items():
        began = monotonic()
        try:
            build()
            print(f"{name}: ready after {monotonic() - began:.0f} s")  # noqa: T201 - a command's output
        except (pytest.skip.Exception, pytest.fail.Exception) as cause:
            failed = True
            print(f"{name}: {cause.msg}", file=sys.stderr)  # noqa: T201 - a command's output
    sys.exit(failed)


if __name__ == "__main__":
    main()
