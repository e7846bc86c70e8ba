"""Names that no public authority vouches for: the only ones our own authority ever certifies."""

from collections.abc import Sequence
from ipaddress import ip_address, ip_network

from cryptography import x509

from shared_kernel.errors import InvalidInputError

DOMAINS = ("internal", "local", "localhost", "test", "home.arpa", "svc", "cluster.local", "consul")
"""Top-level names that no public authority vouches for (RFC 6761, RFC 6762, RFC 8375, ICANN's `internal`)."""
NETWORKS = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "fc00::/7", "::1/128")


class UnusableNameError(InvalidInputError):
    """No certificate is issued for this."""

    def __init__(self, why: str) -> None:
        super().__init__(f"no certificate can be issued: {why}")


def permitted_names() -> list[x509.GeneralName]:
    """Return the name constraints of the authority's certificate (RFC 5280 section 4.2.1.10)."""
    return [*(x509.DNSName(domain) for domain in DOMAINS),
            *(x509.IPAddress(ip_network(network)) for network in NETWORKS)]


def server_names(names: Sequence[str]) -> list[x509.GeneralName]:
    """Return names and addresses as a certificate has them; raise UnusableNameError outside the constraints."""
    return [_server_name(name) for name in names]


def _server_name(name: str) -> x509.GeneralName:
    try:
        address = ip_address(name)
    except ValueError:
        is_ours = any(name == domain or name.endswith(f".{domain}") for domain in DOMAINS)
        if not is_ours or name != name.lower() or not all(
                label and label.isascii() and label.replace("-", "").isalnum() for label in name.split(".")):
            raise UnusableNameError(f"{name} is not a name below {', '.join(DOMAINS)}, all in lower case") from None
        return x509.DNSName(name)
    if not any(address in ip_network(network) for network in NETWORKS):
        raise UnusableNameError(f"{name} is not a private address")
    return x509.IPAddress(address)
