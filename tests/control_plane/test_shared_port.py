"""The port that a fleet of processes shares."""

import socket

from control_plane.server import listen, listen_beside


def test_what_a_worker_served_last_does_not_hold_up_a_restart() -> None:
    front = listen("127.0.0.1", 0, option="--gateway-port", is_shared=True)
    port = front.getsockname()[1]
    beside = listen_beside("127.0.0.1", port)
    front.close()
    client = socket.create_connection(("127.0.0.1", port))
    served, _ = beside.accept()
    served.close()
    client.close()
    beside.close()

    again = listen("127.0.0.1", port, option="--gateway-port", is_shared=True)

    assert again.getsockname()[1] == port
    again.close()
