"""Nothing stands beside the enforcement point: no second router, no lenient listener, no route without an action."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HOUSES = ("audit_ledger", "governance", "grid_services", "identity", "policy_engine", "siem_rules", "soar_playbooks")
ROUTERS = frozenset({"Mount", "Router", "Route", "WebSocketRoute", "Host", "Starlette", "FastAPI", "add_route"})
APART = {
    "control_plane/console/application.py": "an application of its own, which asks the gateway as its users",
    "audit_ledger/http/witness.py": "a witness is a process of its own, for logs of others",
}
"""Who may build routes without a gateway, and why."""
SERVERS = frozenset({"uvicorn.run", "uvicorn.Server", "asyncio.start_server", "create_server", "web.run_app"})


def _trees(*folders: str) -> Iterator[tuple[str, ast.Module]]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text())


def _calls(tree: ast.Module) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _named(call: ast.Call) -> str:
    return ast.unparse(call.func)


def test_no_house_and_no_part_of_the_gateway_builds_a_router() -> None:
    found = {(name, _named(call)) for name, tree in _trees(*HOUSES, "control_plane", "shared_kernel")
             for call in _calls(tree) if _named(call).rpartition(".")[2] in ROUTERS and name not in APART}

    assert found == set()


def test_every_listener_says_with_which_protocol_it_parses_and_it_is_the_strict_one() -> None:
    listeners = [(name, call) for name, tree in _trees(*HOUSES, "control_plane") for call in _calls(tree)
                 if _named(call) == "Listener"]

    assert len(listeners) >= 5
    for name, call in listeners:
        assert len(call.args) >= 3, name
        protocol = ast.unparse(call.args[2])
        assert protocol in {"strict", "protocol", "strict_protocol(settings)", "StrictProtocol"}, (name, protocol)


def test_only_one_module_starts_http_servers() -> None:
    found = {name for name, tree in _trees(*HOUSES, "control_plane") for call in _calls(tree)
             if _named(call) in SERVERS or _named(call).endswith(".create_server")}

    assert found <= {"control_plane/server.py"}


@pytest.mark.parametrize("option", ["http", "ws_per_message_deflate", "proxy_headers", "server_header", "access_log"])
def test_the_server_is_told_what_it_leaves_to_us(option: str) -> None:
    [config] = [call for name, tree in _trees("control_plane") for call in _calls(tree)
                if _named(call) == "uvicorn.Config"]

    said = {keyword.arg: ast.unparse(keyword.value) for keyword in config.keywords}
    assert said[option] in {"False", "listener.http"}


def test_every_endpoint_names_its_action_where_it_is_made() -> None:
    made = [(name, call) for name, tree in _trees(*HOUSES, "control_plane") for call in _calls(tree)
            if _named(call) == "Endpoint"]

    assert len(made) > 60
    assert [name for name, call in made if len(call.args) < 4 and not any(
        keyword.arg == "action" for keyword in call.keywords)] == []
