"""What SCIM says when it says no (RFC 7644 section 3.12)."""

from shared_kernel.errors import GridwardenError


class ScimError(GridwardenError):
    """A refusal with its HTTP status and, for 400 and 409, its `scimType`."""

    kind = "scim"

    def __init__(self, status: int, detail: str, scim_type: str | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.scim_type = scim_type


def invalid_filter(why: str) -> ScimError:
    """Return the refusal of a filter."""
    return ScimError(400, f"the filter {why}", "invalidFilter")


def invalid_path(why: str) -> ScimError:
    """Return the refusal of a patch's path."""
    return ScimError(400, f"the path {why}", "invalidPath")


def invalid_value(why: str) -> ScimError:
    """Return the refusal of a value."""
    return ScimError(400, why, "invalidValue")


def invalid_syntax(why: str) -> ScimError:
    """Return the refusal of a message."""
    return ScimError(400, why, "invalidSyntax")


def not_mutable(name: str) -> ScimError:
    """Return the refusal to change what nobody may change."""
    return ScimError(400, f"{name} cannot be changed", "mutability")


def not_found(what: str) -> ScimError:
    """Return the refusal for want of the thing."""
    return ScimError(404, f"{what} is not here")
