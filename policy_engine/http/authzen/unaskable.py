"""A question that cannot be put to policy: its answer is *no*, with the reason in the answer's context (7.2.1)."""

from shared_kernel.errors import InvalidInputError


class UnaskableError(InvalidInputError):
    """What is asked about does not exist, or is not what a policy may rely on; `status` is the context's error."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
