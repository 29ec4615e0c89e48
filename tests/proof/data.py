"""Where the real data sets lie that are no part of the repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def file(name: str) -> Path:
    """A file of the folder that the environment variable ``SEGDEX_DATA`` names; without it the test is skipped."""
    folder = os.environ.get("SEGDEX_DATA")
    if not folder:
        pytest.skip("SEGDEX_DATA is not set")
    path = Path(folder) / name
    if not path.exists():
        pytest.skip(f"SEGDEX_DATA holds no {name}")
    return path
