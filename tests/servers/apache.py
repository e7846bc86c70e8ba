"""Debian's Apache with mod_auth_openidc, as a site owner configures it, on a folder of the test's own."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.built import missing
from tests.servers.started import free_port, wait_answering

MODULES = Path("/usr/lib/apache2/modules")
_NEEDED = ("mpm_event", "authn_core", "authz_core", "authz_user", "dir", "headers", "auth_openidc")


@dataclass(frozen=True, slots=True)
class Site:
    """A site whose folder `/private` needs a login."""

    port: int

    @property
    def url(self) -> str:
        """The site's address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def redirect_uri(self) -> str:
        """Where the provider sends people back."""
        return f"{self.url}/private/redirect_uri"


def site() -> Site:
    """Return a site that does not run yet, so that a client can be registered for it."""
    if not (MODULES / "mod_auth_openidc.so").exists():
        missing("no Apache with mod_auth_openidc: install apache2 and libapache2-mod-auth-openidc")
    return Site(free_port())


@contextmanager
def running(place: Site, folder: Path, **openidc: str) -> Iterator[Site]:
    """Run the site; `openidc` are directives of mod_auth_openidc without their `OIDC`."""
    root = folder / "htdocs" / "private"
    root.mkdir(parents=True)
    (root / "index.html").write_text("behind the door\n")
    for each in (folder, folder / "htdocs", root):
        each.chmod(0o777)
    configuration = folder / "apache.conf"
    configuration.write_text(_configuration(place, folder, openidc))
    process = subprocess.Popen(
        ["/usr/sbin/apache2", "-f", str(configuration), "-DFOREGROUND"], env=os.environ | {"LANG": "C"})
    try:
        wait_answering(f"{place.url}/none", process)
        yield place
    finally:
        process.terminate()
        process.wait()


def _configuration(place: Site, folder: Path, openidc: dict[str, str]) -> str:
    lines = [f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in _NEEDED]
    lines += [
        f"ServerRoot {folder}", "ServerName 127.0.0.1", f"Listen 127.0.0.1:{place.port}", f"PidFile {folder}/pid",
        f"Mutex file:{folder}", f"ErrorLog {folder}/error.log", f"DocumentRoot {folder}/htdocs",
        "User www-data", "Group www-data", "LogLevel auth_openidc:info",
        f"OIDCRedirectURI {place.redirect_uri}", "OIDCCryptoPassphrase of-the-site-alone-1234567890",
        *(f'OIDC{name} "{value}"' for name, value in openidc.items()),
        "<Location /private>", "AuthType openid-connect", "Require valid-user",
        'Header set X-Remote-User "expr=%{REMOTE_USER}"', "</Location>",
    ]
    return "\n".join(lines) + "\n"
