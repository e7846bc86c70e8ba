"""Why a client cannot be registered so: a code that RFC 7591 defines, and a sentence for the developer."""

from shared_kernel.errors import UnprocessableError


class ClientMetadataError(UnprocessableError):
    """A value of the metadata breaks a rule (RFC 7591 section 3.2.2)."""

    code = "invalid_client_metadata"

    def __init__(self, name: str, rule: str) -> None:
        super().__init__(f"{name} {rule}")
        self.name = name


class RedirectUriRefusedError(ClientMetadataError):
    """A redirect URI may not be registered."""

    code = "invalid_redirect_uri"


class SoftwareStatementRefusedError(ClientMetadataError):
    """We trust no publisher of software statements."""

    code = "unapproved_software_statement"

    def __init__(self) -> None:
        super().__init__("software_statement", "is not accepted here: register with plain metadata")
