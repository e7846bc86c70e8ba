"""The training process: started for one training, fed, heard and gone."""

import asyncio
import os
import sys
from pathlib import Path

import grid_services
from shared_kernel.errors import GridwardenError

DEADLINE_S = 900
_WORDS_KEPT = 300
_OPENMP = b"libgomp"
"""What the loader names when LightGBM is imported on a machine without OpenMP."""
_MODULE = "grid_services.service.forecast_training"
_KEPT = ("PATH", "LD_LIBRARY_PATH", "LANG", "TMPDIR", "SYSTEMROOT")
"""The environment the child sees: no secret is among it, and it needs none."""


class TrainingError(GridwardenError):
    """The training process did not answer with a model."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the forecast could not be trained: {why}")


class MissingLibraryError(TrainingError):
    """LightGBM's wheel leaves OpenMP to the system."""

    def __init__(self) -> None:
        super().__init__("LightGBM needs the shared library libgomp.so.1: install it (Debian: apt install libgomp1)")


class TrainingProcess:
    """Runs one training in a child process; `module` is what it runs."""

    def __init__(self, module: str = _MODULE) -> None:
        """Remember the module."""
        self._module = module

    async def train(self, asked: bytes) -> bytes:
        """Return the child's answer; raise TrainingError when it fails, and leave no process behind."""
        child = await self._start()
        try:
            async with asyncio.timeout(DEADLINE_S):
                answer, words = await child.communicate(asked)
        except TimeoutError as cause:
            raise TrainingError(f"it took longer than {DEADLINE_S} s") from cause
        finally:
            await _end(child)
        if child.returncode and _OPENMP in words:
            raise MissingLibraryError
        if child.returncode:
            said = words.decode(errors="replace").strip()[-_WORDS_KEPT:]
            raise TrainingError(f"the training process ended with {child.returncode}: {said or 'without a word'}")
        return answer

    async def _start(self) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        try:
            return await asyncio.create_subprocess_exec(
                sys.executable, "-m", self._module, stdin=pipe, stdout=pipe, stderr=pipe, env=_environment(),
                start_new_session=True,
            )
        except OSError as cause:
            raise TrainingError(f"no process could be started ({cause.strerror})") from cause


async def _end(child: asyncio.subprocess.Process) -> None:
    if child.returncode is None:
        child.kill()
        await child.wait()


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return kept | {"PYTHONPATH": str(Path(grid_services.__path__[0]).parent), "OMP_NUM_THREADS": "1"}
