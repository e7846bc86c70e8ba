"""What governance refuses, and what the caller can do about it."""

from shared_kernel.classification import Classification
from shared_kernel.errors import ForbiddenError, InvalidInputError, NotFoundError, UnavailableError, UnprocessableError


class DeclarationError(InvalidInputError):
    """The catalog's file is wrong."""

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"the catalog's file, {place}: {problem}")
        self.place = place


class UnknownDatasetError(NotFoundError):
    """No such dataset."""

    def __init__(self, dataset: str) -> None:
        super().__init__(f"the catalog has no dataset {dataset!r}: GET /api/v1/catalog/datasets lists them")
        self.dataset = dataset


class UnknownColumnError(NotFoundError):
    """No such column."""

    def __init__(self, dataset: str, column: str) -> None:
        super().__init__(f"the dataset {dataset!r} has no column {column!r}: the catalog entry lists its columns")
        self.column = column


class UnknownLabelError(UnprocessableError):
    """Not a word of the lattice."""

    def __init__(self, label: str) -> None:
        super().__init__(f"{label!r} is not a classification: use {', '.join(Classification.__members__)}")
        self.label = label


class LoweringRefusedError(ForbiddenError):
    """A label goes up by a word and down only by a review."""

    def __init__(self, target: str, present: Classification, asked: Classification) -> None:
        super().__init__(
            f"{target} is {present.name} and lowering it to {asked.name} needs a reviewed declassification",
        )
        self.target = target


class NoPermitError(ForbiddenError):
    """Rows were asked for without a sealed permit."""

    def __init__(self, dataset: str) -> None:
        super().__init__(f"nobody permitted this reading of {dataset}: send the request through the gateway")
        self.dataset = dataset


class UnknownPurposeError(ForbiddenError):
    """A purpose was stated that nobody accepts."""

    def __init__(self, accepted: tuple[str, ...]) -> None:
        super().__init__(f"this Access-Purpose is not accepted: use one of {', '.join(accepted)}")


class UnknownMaskError(ForbiddenError):
    """The decision, or the catalog, demands a mask that this version cannot apply: nothing is shown."""

    def __init__(self, demanded: str) -> None:
        super().__init__(f"the mask {demanded!r} cannot be applied, so nothing is shown: correct the policy")
        self.demanded = demanded


class UnknownObligationError(ForbiddenError):
    """The decision demands something nobody here can fulfil: nothing is shown."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the obligation {name!r} cannot be fulfilled, so nothing is shown: correct the policy")
        self.name = name


class UnfulfilledObligationError(ForbiddenError):
    """These rows cannot be made what the decision demands: nothing is shown."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"the decision demands {name}, and here {why}, so nothing is shown")
        self.name = name


class NotSealedError(UnavailableError):
    """The access could not be sealed, so no row left."""

    def __init__(self, dataset: str) -> None:
        super().__init__(f"the access to {dataset} could not be sealed, so no row is shown: retry later")
        self.dataset = dataset


class StoreUnavailableError(UnavailableError):
    """The catalog's tables do not answer."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(f"the governance tables do not answer ({type(cause).__name__}): retry later")
