"""What this decision point offers and where (AuthZEN 1.0, section 9); enforcement points find it under `.well-known`.

`capabilities` lists URNs registered with IANA; there are none yet, and a parameter without values is left out (9.2.2).
"""

from collections.abc import Mapping

WELL_KNOWN = "/.well-known/authzen-configuration"
PATHS: Mapping[str, str] = {
    "access_evaluation_endpoint": "/access/v1/evaluation",
    "access_evaluations_endpoint": "/access/v1/evaluations",
    "search_subject_endpoint": "/access/v1/search/subject",
    "search_resource_endpoint": "/access/v1/search/resource",
    "search_action_endpoint": "/access/v1/search/action",
}
MAX_AGE_S = 3_600


def metadata(origin: str) -> dict[str, str]:
    """Return the document for the decision point at this origin (scheme, host and port)."""
    return {"policy_decision_point": origin} | {name: origin + path for name, path in PATHS.items()}
