"""Every benchmark runs and gives the figures that its readers look for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.__main__ import BENCHMARKS, main

KEYS = {
    "build": {"events_per_s", "peak_rss_mb", "build_s"},
    "import": {"import_ms", "index_ms", "parse_ms", "help_ms"},
    "kernels": {"kernels", "cold_s", "cached_s"},
}


@pytest.mark.slow
@pytest.mark.compiled
@pytest.mark.parametrize("name", sorted(BENCHMARKS))
def test_quick(name: str, tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    assert main([name, "--quick", "--json", str(out)]) == 0
    figures = json.loads(out.read_text(encoding="utf-8"))
    assert figures["benchmark"] == name
    assert all(figures[key] > 0 for key in KEYS[name])
