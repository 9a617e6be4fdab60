"""The peers, each in an environment of its own."""

from __future__ import annotations

import shutil
import subprocess
import venv
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
ENVIRONMENTS: Final = HERE.parent.parent / ".venv-baselines"


def peer_python(name: str) -> Path:
    """The interpreter of the environment that `NAME.txt` pins; it is made at the first call."""
    requirements = HERE / f"{name}.txt"
    folder = ENVIRONMENTS / name
    stamp = folder / "requirements.txt"
    if not stamp.exists() or stamp.read_bytes() != requirements.read_bytes():
        venv.create(folder, clear=True, with_pip=True)
        # Installing byte-compiles, so that no run pays for it.
        install = ["-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(requirements)]
        subprocess.run([folder / "bin" / "python", *install], check=True)
        shutil.copyfile(requirements, stamp)
    return folder / "bin" / "python"
