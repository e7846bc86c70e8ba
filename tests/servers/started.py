"""A server that a test started: a port for it, and the wait until it answers."""

import socket
import subprocess
import time
import urllib.error
import urllib.request

import pytest

READY_DEADLINE_S = 20


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_answering(url: str, process: subprocess.Popen[bytes]) -> None:
    """Return once the URL answers, with whatever status below 500; fail the test when the process ends before."""
    until = time.monotonic() + READY_DEADLINE_S
    while time.monotonic() < until:
        if process.poll() is not None:
            pytest.fail(f"the server of {url} ended with {process.returncode}")
        try:
            with urllib.request.urlopen(url, timeout=1):  # noqa: S310 - our own server
                return
        except urllib.error.HTTPError as answer:
            if answer.code < 500:
                return
            time.sleep(0.05)
        except OSError:
            time.sleep(0.05)
    pytest.fail(f"the server of {url} does not answer")
