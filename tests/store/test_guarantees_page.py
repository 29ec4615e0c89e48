"""Every test that the page on guarantees names is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")


def test_every_named_test_is_there():
    lines = [line for line in PAGE.splitlines() if "`test_" in line]
    assert len(lines) > 10
    for line in lines:
        path = None
        for name in re.findall(r"`(tests/[\w/]+\.py|test_\w+)`", line):
            if name.startswith("tests/"):
                path = ROOT / name
            else:
                assert path is not None, line
                functions = {
                    node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)
                }
                assert name in functions, f"{path.name} has no {name}"
