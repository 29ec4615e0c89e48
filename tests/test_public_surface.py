"""What `import segdex` gives, and what it must not load."""

from __future__ import annotations

import subprocess
import sys

import pytest

import segdex

HEAVY = ("numba", "lark", "numpy", "pyarrow", "pyroaring", "msgspec", "cyclopts", "rich")


def test_public_names() -> None:
    assert segdex.__all__ == [
        "ANY",
        "ArgumentError",
        "ClosedError",
        "CorruptError",
        "Index",
        "LimitError",
        "LockedError",
        "Rule",
        "RuleError",
        "SchemaError",
        "SegdexError",
        "SourceError",
        "StorageError",
        "VersionError",
        "__version__",
        "all_of",
        "anniversary",
        "any_category",
        "any_of",
        "bucket",
        "build",
        "call",
        "did",
        "everyone",
        "field",
        "open",
        "parse",
        "rule_schema",
        "segment",
        "sequence",
        "step",
        "today",
        "value",
        "variable",
    ]


@pytest.mark.parametrize("name", segdex.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(segdex, name) is not None
    assert name in dir(segdex)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'biuld'"):
        segdex.biuld  # noqa: B018


def test_errors_have_one_base() -> None:
    errors = [getattr(segdex, name) for name in segdex.__all__ if name.endswith("Error")]
    assert len(errors) == 11
    assert all(issubclass(error, segdex.SegdexError) for error in errors)


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()


def loaded_by(code: str) -> set[str]:
    """Which heavy packages a fresh process has loaded after *code*."""
    return set(python(f"import sys\n{code}\nprint(*({set(HEAVY)!r} & set(sys.modules)))").split())


def test_import_is_light() -> None:
    assert loaded_by("import segdex") == set()


def test_help_is_light() -> None:
    silent = "import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()):"
    assert loaded_by(f"{silent}\n from segdex.cli import main\n main(['--help'])") <= {"cyclopts", "rich", "msgspec"}


def test_public_names_hold_after_any_import() -> None:
    """No module of the package has the name of a public function, which importing it would hide."""
    code = "import segdex.index, segdex\nprint(callable(segdex.build), callable(segdex.open))"
    assert python(code) == "True True"
