"""Plays the steps one after the other and says how each ended; a step that fails ends the story."""

from control_plane.demo.narrator import Narrator, Told
from control_plane.demo.story import STEPS, Story
from shared_kernel.errors import GridwardenError


async def tell(story: Story, narrator: Narrator) -> list[Told]:
    """Return how every step ended."""
    told: list[Told] = []
    for number, (title, step) in enumerate(STEPS, 1):
        narrator.heading(number, title)
        try:
            told.append(Told(title, "happened", await step(story)))
        except GridwardenError as error:
            told.append(Told(title, "failed", error.detail))
            break
        except Exception as error:  # noqa: BLE001 - whatever went wrong, the table says so
            told.append(Told(title, "failed", f"{type(error).__name__}: {error}"))
            break
        narrator.say(told[-1].detail)
        narrator.wait()
    told += [Told(title, "not reached", "") for title, _ in STEPS[len(told):]]
    return told
