"""What happens to kernels whose kept code is damaged."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.compiled

SCRIPT = (
    "import numpy as np; from segdex.values import kernels; out = np.zeros(3, np.bool_)\n"
    "kernels.within_ints(np.arange(3), 1, 2, out); print(out.tolist())"
)


def run(folder: Path) -> str:
    environment = os.environ | {"SEGDEX_CACHE_DIR": str(folder)}
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, env=environment)
    return done.stdout.strip()


@pytest.mark.parametrize("damage", [b"", b"x" * 50, b"\x80\x04garbage"])
def test_a_damaged_list_of_kept_code_is_made_anew(tmp_path: Path, damage: bytes) -> None:
    assert run(tmp_path) == "[False, True, True]"
    for kept in tmp_path.rglob("*.nbi"):
        kept.write_bytes(damage)
    assert run(tmp_path) == "[False, True, True]"
    assert run(tmp_path) == "[False, True, True]"
    assert any(kept.stat().st_size > 60 for kept in tmp_path.rglob("*.nbi")), "it is kept again"
