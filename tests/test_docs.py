"""Every example in the documentation runs and gives what the page says.

A page is run from top to bottom in an empty folder. What a fenced block is, its first word says:

    ```python          is executed; with ``>>>`` its output is compared. A page is one namespace.
    ```console         lines after ``$`` are run by a shell, the lines below are what they print.
    ```rule            each line is a rule that parses.
    ```toml shop.toml  is the file of that name (so are csv and json); a block without a name is only to be read.
    ```toml +shop.toml is a part of that file: all parts of the page together are written before anything is run.

In output ``...`` stands for anything, and white space is compared loosely. A second word ``unrun`` keeps a block from
being run.
"""

from __future__ import annotations

import dataclasses
import doctest
import importlib
import itertools
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import segdex

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
FENCE = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.M | re.S)


@dataclasses.dataclass(frozen=True)
class Block:
    language: str
    name: str | None
    text: str
    line: int


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for match in FENCE.finditer(text):
        yield Block(match[1], match[2], match[3], text.count("\n", 0, match.start()) + 2)


def relative(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.compiled  # some examples are over real data
@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_examples(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shell = tmp_path / "bin" / "segdex"
    shell.parent.mkdir()
    shell.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m segdex "$@"\n')
    shell.chmod(0o755)
    monkeypatch.setenv("PATH", f"{shell.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    folder = tmp_path / "page"
    folder.mkdir()
    monkeypatch.chdir(folder)
    namespace: dict[str, Any] = {}
    for name, text in gathered(page).items():
        (folder / name).write_text(text, encoding="utf-8")
    for block in blocks(page):
        if block.name is None:
            run(page, block, namespace)
        elif block.name != "unrun" and not block.name.startswith("+"):
            (folder / block.name).write_text(block.text, encoding="utf-8")


def gathered(page: Path) -> dict[str, str]:
    """The files that a page gives in parts: the lines of all parts, those of one heading together."""
    files: dict[str, dict[str, list[str]]] = {}
    for block in blocks(page):
        if block.name is not None and block.name.startswith("+"):
            sections = files.setdefault(block.name[1:], {"": []})
            lines = sections[""]
            for line in block.text.splitlines():
                if re.match(r"\[\[", line):  # another item of a list
                    lines = sections.setdefault(f"{line} {block.line} {len(sections)}", [line])
                elif re.match(r"\[", line):
                    lines = sections.setdefault(line.split("#")[0].rstrip(), [line])
                else:
                    lines.append(line)
    return {
        name: "\n".join(itertools.chain.from_iterable(sections.values())) + "\n" for name, sections in files.items()
    }


def run(page: Path, block: Block, namespace: dict[str, Any]) -> None:
    if block.language == "python":
        run_python(page, block, namespace)
    elif block.language == "console":
        run_console(page, block)
    elif block.language == "rule":
        for rule in filter(None, (line.strip() for line in block.text.splitlines())):
            segdex.parse(rule)


def run_python(page: Path, block: Block, namespace: dict[str, Any]) -> None:
    place = f"{relative(page)}:{block.line}"
    if ">>>" not in block.text:
        exec(compile(block.text, place, "exec"), namespace)
        return
    example = doctest.DocTestParser().get_doctest(block.text, namespace, place, str(page), block.line)
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    runner.run(example, out=report.append, clear_globs=False)
    namespace.update(example.globs)
    assert runner.failures == 0, "".join(report)


def run_console(page: Path, block: Block) -> None:
    for part in re.split(r"^\$ ", block.text, flags=re.M)[1:]:
        command, _, expected = part.partition("\n")
        done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False, timeout=120)
        got = done.stdout + done.stderr
        matches = doctest.OutputChecker().check_output(expected, got, FLAGS)
        assert matches, f"{relative(page)}:{block.line}\n$ {command}\nexpected:\n{expected}\ngot:\n{got}"


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


SOURCES = [path for path in sorted((ROOT / "src").rglob("*.py")) if ">>>" in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("source", SOURCES, ids=relative)
def test_examples_in_docstrings(source: Path) -> None:
    name = ".".join(source.relative_to(ROOT / "src").with_suffix("").parts)
    done = doctest.testmod(importlib.import_module(name), optionflags=FLAGS)
    assert done.attempted > 0
    assert done.failed == 0


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    pages = [str(page.relative_to(ROOT / "docs")) for page in PAGES[1:] if page.name != "index.md"]
    assert [name for name in pages if f"]({name})" not in index] == []


@pytest.mark.parametrize("text", [">>> 1 + 1\n3\n", "assert 1 + 1 == 3\n"], ids=["doctest", "code"])
def test_a_wrong_python_example_fails(text: str) -> None:
    with pytest.raises(AssertionError):
        run(PAGES[0], Block("python", None, text, 1), {})


def test_a_wrong_console_example_fails() -> None:
    with pytest.raises(AssertionError, match="expected"):
        run(PAGES[0], Block("console", None, "$ echo a\nb\n", 1), {})


def test_a_wrong_rule_fails() -> None:
    with pytest.raises(segdex.RuleError):
        run(PAGES[0], Block("rule", None, "a > 1\na >\n", 1), {})
