"""The transmitter: its desks side by side, as one attribute of the provider."""

from dataclasses import dataclass

from identity.domain.clients.remote_uris import Network
from identity.service.foundation import Foundation
from identity.service.signals.courier import SignalCourier
from identity.service.signals.poll_desk import PollDesk
from identity.service.signals.stream_desk import StreamDesk
from identity.service.signals.writer import SetWriter


@dataclass(frozen=True, slots=True)
class Transmitter:
    """Tells receivers what happens to people, sessions and credentials."""

    streams: StreamDesk
    polls: PollDesk
    courier: SignalCourier

    @classmethod
    def of(cls, foundation: Foundation, *, form_key: bytes, networks: tuple[Network, ...] = ()) -> "Transmitter":
        """Put the desks together; `networks` are inside addresses receivers may name."""
        streams, writer = StreamDesk(foundation, form_key=form_key, networks=networks), SetWriter(foundation)
        return cls(streams, PollDesk(foundation, writer), SignalCourier(foundation, streams, writer))
