"""What can go wrong with a ledger, and what to do then."""

from shared_kernel.errors import InvalidInputError, UnavailableError


class RefusedEventError(InvalidInputError):
    """The event breaks the door policy; nothing was sealed."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"the event cannot be sealed: {where or 'it'} {why}")
        self.where = where


class MalformedNoteError(InvalidInputError):
    """The bytes are not a signed note, a verifier key or a checkpoint as C2SP writes them."""


class UntrustedNoteError(InvalidInputError):
    """The note is well-formed, and no key this reader trusts has signed it."""


class LedgerDownError(UnavailableError):
    """The ledger's database does not take entries now; nothing that only waited was sealed.

    `is_refusal`: the database itself said no, so that what was on its way is not sealed either.
    """

    def __init__(self, cause: str, *, is_refusal: bool = False) -> None:
        super().__init__(f"the audit ledger cannot seal now ({cause}): retry later, nothing was done")
        self.is_refusal = is_refusal


class UnknownOutcomeError(LedgerDownError):
    """The connection was lost while the entry was on its way: the database may hold it, and nobody was told."""

    def __init__(self, cause: UnavailableError) -> None:
        self.is_refusal = False
        UnavailableError.__init__(self, f"{cause.detail.partition(':')[0]}: whether this was sealed is not known. What "
                                        "depends on it did not happen; retry later, with the same idempotency key")


class LedgerFullError(UnavailableError):
    """More records wait than the queue holds."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} records already wait for the audit ledger: retry later, nothing was done")


class LedgerStoppedError(UnavailableError):
    """The sequencer is not running: not yet started, or stopped."""

    def __init__(self) -> None:
        super().__init__("the audit ledger is not running: start it, or retry when it has started")


class AnotherSequencerError(UnavailableError):
    """Another process already writes this stream; two writers would fork it."""

    def __init__(self, stream: str) -> None:
        super().__init__(f"another process already writes the ledger {stream}: stop it, or let it do the sealing")


class NoLeaderError(UnavailableError):
    """A record was handed over, and no process that leads has sealed it in time."""

    def __init__(self, stream: str) -> None:
        super().__init__(f"no process leads the ledger {stream} now: retry later, another takes over within seconds")


class RetiredKeyError(UnavailableError):
    """The record's personal fields are sealed under a key that was erased meanwhile; another key is taken."""

    def __init__(self) -> None:
        super().__init__("the subject of this record was erased at this moment: retry, nothing was done")


class LostLeadError(UnavailableError):
    """This process was paused, or cut off, longer than its lease: another may lead now."""

    def __init__(self, stream: str, lease_s: float) -> None:
        super().__init__(f"this process lost the lead of the ledger {stream}, silent for more than its lease of "
                         f"{lease_s:g} s: retry later, it takes the lead again when nobody else has it")


class ForkedLedgerError(UnavailableError):
    """The stored head is not the one we left: somebody else wrote. Sealing stops until a person has looked."""

    def __init__(self, stream: str, what: str) -> None:
        super().__init__(f"the ledger {stream} was changed behind our back ({what}): run `gridwarden ledger verify`")


class ForeignLedgerError(UnavailableError):
    """The database holds a ledger of another name than the key's."""

    def __init__(self, ours: str, theirs: str) -> None:
        super().__init__(
            f"the database holds the ledger {theirs}, the key is of {ours}: use that ledger's home, or a new database",
        )


class UncheckableError(UnavailableError):
    """There is nothing to verify, or it cannot be read: exit code 5, never 0."""
