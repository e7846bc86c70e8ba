"""`envoy.service.auth.v3.Authorization/Check` over gRPC; imported only where it is configured, for gRPC is heavy.

A client of this port is a proxy of ours: on this machine, or one that shows a certificate of the authority named in
GRIDWARDEN_EXT_AUTHZ_CLIENT_CA.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from control_plane.config import ConfigurationError
from control_plane.ext_authz.checker import Check, Checker, Denied
from control_plane.ext_authz.permission import Mutations
from control_plane.ext_authz.wire.external_auth_pb2 import (
    AttributeContext,
    CheckRequest,
    CheckResponse,
    DeniedHttpResponse,
    HeaderValue,
    HeaderValueOption,
    HttpStatus,
    OkHttpResponse,
    RpcStatus,
)
from control_plane.gateway.peers import NOWHERE

SERVICE = "envoy.service.auth.v3.Authorization"
MAX_MESSAGE_BYTES = 262_144
MAX_CONCURRENT = 256
GRACE_S = 3.0
_OPTIONS = (("grpc.max_receive_message_length", MAX_MESSAGE_BYTES), ("grpc.max_metadata_size", 16_384))
_RPC_OK, _PERMISSION_DENIED, _UNAUTHENTICATED = 0, 7, 16
_RPC_CODES: Mapping[int, int] = {401: _UNAUTHENTICATED}


class PortUnusableError(ConfigurationError):
    """The port cannot be listened on."""

    def __init__(self, address: str) -> None:
        super().__init__(
            f"cannot listen on {address}: another process has it, choose another GRIDWARDEN_EXT_AUTHZ_PORT")


class Authorization:
    """Answers checks."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker

    async def check(self, request: CheckRequest, _: object) -> CheckResponse:
        """Return the answer; a request without attributes is refused like any other malformed one."""
        found = await self._checker.check(_asked(request.attributes))
        return _denied(found) if isinstance(found, Denied) else _allowed(found)


def server_of(checker: Checker, *, is_shared: bool = False) -> grpc.aio.Server:
    """Return a server with the one service, not yet listening; a shared one leaves room for our workers' beside it."""
    options = (*_OPTIONS, ("grpc.so_reuseport", int(is_shared)))
    server = grpc.aio.server(options=options, maximum_concurrent_rpcs=MAX_CONCURRENT)
    check = grpc.unary_unary_rpc_method_handler(
        Authorization(checker).check, request_deserializer=_read,
        response_serializer=CheckResponse.SerializeToString)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"Check": check}),))
    return server


def bound(server: grpc.aio.Server, address: str, credentials: grpc.ServerCredentials | None) -> int:
    """Bind and return the port; raise PortUnusableError."""
    try:
        if credentials is None:
            return server.add_insecure_port(address)
        return server.add_secure_port(address, credentials)
    except RuntimeError as cause:
        raise PortUnusableError(address) from cause


def mutual_tls(certificate: Path, key: Path, authority: Path) -> grpc.ServerCredentials:
    """Return credentials that insist on a client's certificate; a renewed key pair serves the next connection."""

    def configuration() -> grpc.ServerCertificateConfiguration | None:
        try:
            pair = [(key.read_bytes(), certificate.read_bytes())]
            return grpc.ssl_server_certificate_configuration(pair, root_certificates=authority.read_bytes())
        except OSError:
            return None

    first = configuration()
    if first is None:
        raise ConfigurationError("TLS_CERT, TLS_KEY or GRIDWARDEN_EXT_AUTHZ_CLIENT_CA cannot be read")
    return grpc.dynamic_ssl_server_credentials(
        first, configuration, require_client_authentication=True)  # type: ignore[arg-type]  # None: as before


def _read(content: bytes) -> CheckRequest:
    """Return the message; bytes that are none are a check of nothing, which is refused."""
    try:
        return CheckRequest.FromString(content)
    except DecodeError:
        return CheckRequest()


def _asked(attributes: AttributeContext) -> Check:
    http = attributes.request.http
    return Check(
        method=http.method, target=http.path.encode("utf-8"), fields=_fields(http),
        source_ip=attributes.source.address.socket_address.address or NOWHERE, is_https=http.scheme == "https")


def _fields(http: AttributeContext.HttpRequest) -> list[tuple[bytes, bytes]]:
    """Return the fields one by one where Envoy sends them so (`encode_raw_headers`), else as it merged them."""
    if http.HasField("header_map"):
        return [(field.key.lower().encode(), field.raw_value or field.value.encode())
                for field in http.header_map.headers]
    return [(name.lower().encode(), value.encode()) for name, value in http.headers.items()]


def _allowed(found: Mutations) -> CheckResponse:
    return CheckResponse(status=RpcStatus(code=_RPC_OK), ok_response=OkHttpResponse(
        headers=_options(found.to_set.items()), headers_to_remove=found.to_remove))


def _denied(found: Denied) -> CheckResponse:
    code = _RPC_CODES.get(found.status, _PERMISSION_DENIED)
    return CheckResponse(status=RpcStatus(code=code), denied_response=DeniedHttpResponse(
        status=HttpStatus(code=found.status), headers=_options(found.headers),
        body=found.body.decode("utf-8", "replace")))


def _options(fields: Iterable[tuple[str, str]]) -> list[HeaderValueOption]:
    return [HeaderValueOption(
        header=HeaderValue(key=name, value=value), append_action=HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD,
    ) for name, value in fields]
