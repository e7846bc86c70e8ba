"""From a Sigma log source to the fields that prove an event comes from it: field -> admissible values.

Our own events are ECS documents: `product: gridwarden`, or no product, asks for nothing more. Windows events carry
their channel and event id; the categories are Sysmon's, as SigmaHQ's rules are written for. Events of any other
product must name it in `event.module`, as Elastic's integrations do: a rule for Okta never judges a smart meter.
"""

from collections.abc import Mapping

Routing = Mapping[str, frozenset[str]]
OWN_PRODUCT = "gridwarden"
_SYSMON = "microsoft-windows-sysmon/operational"
_POWERSHELL = "microsoft-windows-powershell/operational"

_WINDOWS_CATEGORIES: dict[str, tuple[str, tuple[int, ...]]] = {
    "process_creation": (_SYSMON, (1,)),
    "file_change": (_SYSMON, (2,)),
    "network_connection": (_SYSMON, (3,)),
    "sysmon_status": (_SYSMON, (4, 16)),
    "process_termination": (_SYSMON, (5,)),
    "driver_load": (_SYSMON, (6,)),
    "image_load": (_SYSMON, (7,)),
    "create_remote_thread": (_SYSMON, (8,)),
    "raw_access_thread": (_SYSMON, (9,)),
    "process_access": (_SYSMON, (10,)),
    "file_event": (_SYSMON, (11,)),
    "registry_add": (_SYSMON, (12,)),
    "registry_delete": (_SYSMON, (12,)),
    "registry_set": (_SYSMON, (13,)),
    "registry_rename": (_SYSMON, (14,)),
    "registry_event": (_SYSMON, (12, 13, 14)),
    "create_stream_hash": (_SYSMON, (15,)),
    "pipe_created": (_SYSMON, (17, 18)),
    "wmi_event": (_SYSMON, (19, 20, 21)),
    "dns_query": (_SYSMON, (22,)),
    "file_delete": (_SYSMON, (23, 26)),
    "clipboard_capture": (_SYSMON, (24,)),
    "process_tampering": (_SYSMON, (25,)),
    "file_block_executable": (_SYSMON, (27,)),
    "file_executable_detected": (_SYSMON, (29,)),
    "ps_module": (_POWERSHELL, (4103,)),
    "ps_script": (_POWERSHELL, (4104,)),
}
_WINDOWS_SERVICES: dict[str, str] = {
    "security": "security",
    "system": "system",
    "application": "application",
    "sysmon": _SYSMON,
    "powershell": _POWERSHELL,
    "powershell-classic": "windows powershell",
    "windefend": "microsoft-windows-windows defender/operational",
    "wmi": "microsoft-windows-wmi-activity/operational",
    "taskscheduler": "microsoft-windows-taskscheduler/operational",
    "dns-server": "dns server",
    "ntlm": "microsoft-windows-ntlm/operational",
    "bits-client": "microsoft-windows-bits-client/operational",
}


def routing_of(product: str | None, category: str | None, service: str | None) -> Routing | None:
    """Return what an event of this log source holds; None for a Windows source this table does not know."""
    named = (product or OWN_PRODUCT).lower()
    if named == OWN_PRODUCT:
        return {}
    if named != "windows":
        return {"event.module": frozenset({named})}
    if category in _WINDOWS_CATEGORIES:
        channel, ids = _WINDOWS_CATEGORIES[category]
        return {"Channel": frozenset({channel}), "EventID": frozenset(map(str, ids))}
    if service in _WINDOWS_SERVICES:
        return {"Channel": frozenset({_WINDOWS_SERVICES[service]})}
    return None
