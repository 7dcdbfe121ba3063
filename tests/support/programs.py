"""The installed programs."""

import sys
from pathlib import Path


def program_path(name: str) -> str:
    """Return the path of a program in this virtual environment."""
    return str(Path(sys.executable).parent / name)
