from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from segdex.cli import main
from tests.query import shop


class Run(NamedTuple):
    code: int
    out: str
    err: str


Command = Callable[..., Run]


@pytest.fixture
def segdex_command(capfd: pytest.CaptureFixture[str]) -> Command:
    """Run the command line in this process; what it wrote is taken from the descriptors."""

    def run(*arguments: object) -> Run:
        code = main([str(each) for each in arguments])
        out, err = capfd.readouterr()
        return Run(code, out, err)

    return run


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved index of the small shop; not to be changed."""
    path = tmp_path_factory.mktemp("shop") / "index"
    with shop.index() as made:
        made.save(path)
    return path
