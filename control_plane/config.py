"""Configuration: one frozen value, the only reader of the environment. Houses receive values, never variables."""

from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AliasChoices,
    Field,
    HttpUrl,
    IPvAnyAddress,
    IPvAnyNetwork,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from control_plane.origins import origin_of
from shared_kernel.errors import GridwardenError

Port = Annotated[int, Field(ge=0, le=65_535)]


class ConfigurationError(GridwardenError):
    """A setting is unusable; the sentence names the variable."""


def _named(*names: str) -> Any:  # noqa: ANN401 - a pydantic alias object
    return AliasChoices(*names)


class Settings(BaseSettings):
    """Everything an operator may set; see docs/configuration.md for the table."""

    model_config = SettingsConfigDict(env_prefix="GRIDWARDEN_", frozen=True, extra="ignore", populate_by_name=True)

    home: Path = Path("var")
    host: IPvAnyAddress = Field(default="127.0.0.1", validate_default=True)
    gateway_port: Port = 5000
    console_port: Port = 8080
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    issuer: HttpUrl | None = None
    console_url: HttpUrl | None = None
    database_url: str | None = Field(default=None, validation_alias=_named("database_url", "DATABASE_URL"))
    opa_url: HttpUrl | None = Field(default=None, validation_alias=_named("opa_url", "OPA_URL"))
    policy_bundle: Path | None = None
    policy_verification_key: Path | None = None
    signal_transmitters: Path | None = None
    rate_limits: Path | None = None
    redis_url: SecretStr | None = Field(default=None, validation_alias=_named("redis_url", "REDIS_URL"))
    mongodb_host: str | None = Field(default=None, validation_alias=_named("mongodb_host", "MONGODB_HOST"))
    mongodb_port: Port = Field(default=27_017, validation_alias=_named("mongodb_port", "MONGODB_PORT"))
    mongodb_db: str = Field(default="gridwarden", validation_alias=_named("mongodb_db", "MONGODB_DB"))
    mongodb_user: str | None = Field(default=None, validation_alias=_named("mongodb_user", "MONGODB_USER"))
    mongodb_password: SecretStr | None = Field(
        default=None, validation_alias=_named("mongodb_password", "MONGODB_PASSWORD"))
    vault_addr: HttpUrl | None = Field(default=None, validation_alias=_named("vault_addr", "VAULT_ADDR"))
    tls_cert: Path | None = Field(default=None, validation_alias=_named("tls_cert", "TLS_CERT"))
    tls_key: Path | None = Field(default=None, validation_alias=_named("tls_key", "TLS_KEY"))
    tls_client_certificates: Literal["off", "optional"] = "off"
    tls_client_ca: Path | None = None
    mtls_port: Port | None = None
    ext_authz_port: Port | None = None
    ext_authz_http_port: Port | None = None
    ext_authz_routes: Path | None = None
    ext_authz_client_ca: Path | None = None
    client_registration: Literal["closed", "open"] = "closed"
    client_registration_pkce: bool = True
    people_registration: Literal["closed", "open"] = "closed"
    smtp_url: SecretStr | None = None
    mail_from: str = "gridwarden@localhost"
    geoip_db: Path | None = Field(default=None, validation_alias=_named("geoip_db", "GEOIP_DB"))
    outbound_networks: Annotated[tuple[IPvAnyNetwork, ...], NoDecode] = ()
    outbound_ca: Path | None = None
    upstreams: Path | None = None
    upstream_pki: Literal["built-in", "vault"] = "built-in"
    upstream_pki_mount: str = "pki"
    upstream_pki_role: str = "gridwarden"
    consul_addr: HttpUrl | None = Field(
        default=None, validation_alias=_named("consul_addr", "GRIDWARDEN_CONSUL_ADDR", "CONSUL_HTTP_ADDR"))
    consul_token: SecretStr | None = Field(
        default=None, validation_alias=_named("consul_token", "GRIDWARDEN_CONSUL_TOKEN", "CONSUL_HTTP_TOKEN"))
    identity_keys: Literal["file", "vault-kv", "vault-transit"] = "file"
    key_rotation_days: Annotated[int, Field(ge=1, le=3_650)] = 90
    vault_role_id: str | None = Field(default=None, validation_alias=_named("vault_role_id", "VAULT_ROLE_ID"))
    vault_secret_id: SecretStr | None = Field(
        default=None, validation_alias=_named("vault_secret_id", "VAULT_SECRET_ID"))
    vault_token: SecretStr | None = Field(default=None, validation_alias=_named("vault_token", "VAULT_TOKEN"))
    ledger_vault_key: str | None = None
    ledger_witnesses: Path | None = None
    ledger_timestamp_url: HttpUrl | None = None
    ledger_timestamp_roots: Path | None = None
    trusted_proxies: Annotated[tuple[IPvAnyNetwork, ...], NoDecode] = ()
    max_connections: Annotated[int, Field(ge=16, le=100_000)] = 2_048
    max_connections_per_address: Annotated[int, Field(ge=4, le=100_000)] = 256
    log_level: str = "info"

    @field_validator("trusted_proxies", "outbound_networks", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("consul_addr", mode="before")
    @classmethod
    def _with_scheme(cls, value: object) -> object:
        return f"http://{value}" if isinstance(value, str) and "://" not in value else value

    @field_validator("database_url")
    @classmethod
    def _is_postgres(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("postgresql://", "postgres://")):
            message = "it must start with postgresql://"
            raise ValueError(message)
        return value

    @field_validator("log_level")
    @classmethod
    def _is_level(cls, value: str) -> str:
        if value.lower() not in {"debug", "info", "warning", "error"}:
            message = "choose debug, info, warning or error"
            raise ValueError(message)
        return value.lower()

    def gateway_url(self) -> str:
        """Return the issuer: what clients and browsers call the gateway, without a trailing slash."""
        return str(self.issuer or f"{self._scheme()}://{self._reachable_host()}:{self.gateway_port}").rstrip("/")

    def gateway_origin(self) -> str:
        """Return scheme, host and port of the issuer, without its path."""
        return origin_of(self.gateway_url())

    def mtls_url(self) -> str | None:
        """Return what clients with certificates call: the issuer's host on the port that demands them."""
        if self.mtls_port is None:
            return None
        parts = urlsplit(self.gateway_url())
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        return f"https://{host}:{self.mtls_port}{parts.path}"

    def certificates_url(self) -> str | None:
        """Return where clients may show certificates: the port that demands them, else the one that asks for them."""
        asks = self.tls_cert is not None and self.tls_client_certificates == "optional"
        return self.mtls_url() or (self.gateway_url() if asks else None)

    def ext_authz_host(self) -> str:
        """Return where checks are listened for: beyond loopback only where callers show a certificate of ours."""
        return "127.0.0.1" if self.ext_authz_client_ca is None else str(self.host)

    def console_base_url(self) -> str:
        """Return what browsers call the console, without a trailing slash."""
        return str(self.console_url or f"{self._scheme()}://{self._reachable_host()}:{self.console_port}").rstrip("/")

    def _scheme(self) -> str:
        return "https" if self.tls_cert else "http"

    def _reachable_host(self) -> str:
        host = "127.0.0.1" if self.host.is_unspecified else str(self.host)
        return f"[{host}]" if ":" in host else host


def load_settings(**given: Any) -> Settings:  # noqa: ANN401 - command-line values, validated here
    """Read the environment; values given (and not None) win. Raise ConfigurationError with the variable's name."""
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as cause:
        first = cause.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else "settings"
        why = first["msg"].removeprefix("Value error, ")
        raise ConfigurationError(f"the setting {name} is unusable: {why}") from cause
