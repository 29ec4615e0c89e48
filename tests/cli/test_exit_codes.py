"""Whatever goes wrong: an exit code, one line on stderr, nothing on stdout, no traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

import segdex
from segdex.cli import main
from tests.cli.conftest import Command

CALL, DATA = 2, 1


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (segdex.ArgumentError, CALL),
        (segdex.LimitError, CALL),
        (segdex.RuleError, CALL),
        (segdex.SchemaError, CALL),
        (segdex.ClosedError, DATA),
        (segdex.CorruptError, DATA),
        (segdex.LockedError, DATA),
        (segdex.SourceError, DATA),
        (segdex.StorageError, DATA),
        (segdex.VersionError, DATA),
    ],
)
def test_errors(
    error: type[segdex.SegdexError], code: int, segdex_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_path: Path) -> NoReturn:
        raise error("it is broken", place="a.segdex", hint="mend it")

    monkeypatch.setattr(segdex, "open", refuse)
    assert segdex_command("count", "index", "everyone") == (code, "", "segdex: a.segdex: it is broken; mend it\n")


@pytest.mark.parametrize(
    ("raised", "code", "message"),
    [(KeyboardInterrupt, 130, ""), (MemoryError, 1, "segdex: out of memory\n")],
)
def test_interruptions(
    raised: type[BaseException],
    code: int,
    message: str,
    segdex_command: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_path: Path) -> NoReturn:
        raise raised

    monkeypatch.setattr(segdex, "open", refuse)
    assert segdex_command("count", "index", "everyone") == (code, "", message)


INTERRUPTED_IMPORT = """
import os, signal, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "cyclopts":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder())
from segdex.cli import main
sys.exit(main(["--help"]))
"""


def test_an_interrupt_in_the_midst_of_an_import() -> None:
    done = subprocess.run([sys.executable, "-c", INTERRUPTED_IMPORT], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["cuont", "index", "everyone"], "there is no command 'cuont' in this version; did you mean 'count'?"),
        (["audit", "index"], "there is no command 'audit' in this version"),
        (["count", "index"], "RULE"),
        (["count", "index", "everyone", "--jsno"], "--jsno"),
        (["build", "schema.toml"], "--out"),
        (["build", "schema.toml", "--out", "x", "--on-error", "ignore"], '"raise", "skip"'),
        (["members", "index", "everyone", "--out", "a.csv", "--limit", "few"], "--limit"),
        (["members", "index", "everyone", "--out", "a.xlsx"], ".parquet, .csv, .arrow"),
        (["members", "index", "everyone", "--out", "\udcff.csv"], "a name in UTF-8"),
        (["count", "/nowhere/at/all", "everyone"], "/nowhere/at/all"),
        (["build", "/nowhere/schema.toml", "--out", "x"], "/nowhere/schema.toml"),
    ],
)
def test_wrong_calls(arguments: list[str], said: str, segdex_command: Command) -> None:
    code, out, err = segdex_command(*arguments)
    assert (code, out) == (CALL, "")
    assert said in err
    assert "Traceback" not in err


def test_help_names_every_command(segdex_command: Command) -> None:
    code, out, _ = segdex_command("--help")
    assert code == 0
    names = "build count count-by members check explain customer inspect verify demo warmup apply advance changes"
    names += " define rename drop alter erase readmit compact"
    assert all(f" {name} " in out for name in names.split())
    for name in names.split():
        assert main([name, "--help"]) == 0


def test_version(segdex_command: Command) -> None:
    assert segdex_command("--version") == (0, f"{segdex.__version__}\n", "")


def test_without_arguments_help_is_shown(segdex_command: Command) -> None:
    code, out, _ = segdex_command()
    assert code == 0
    assert "Usage" in out


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
@pytest.mark.parametrize("redirected", [">/dev/full", ">&-", ">&- 2>&-"])
def test_an_output_that_cannot_be_written_shows_no_traceback(redirected: str) -> None:
    command = f'"{sys.executable}" -m segdex --help {redirected}'
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1)
    assert "Traceback" not in done.stderr
