"""The house rules that no type checker knows: who may import whom, and who alone may touch what."""

from __future__ import annotations

import ast
import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "segdex"

# Data walks through the rooms in this order; a room imports only rooms before it.
ROOMS = (
    "errors", "forks", "deadlines", "spread", "jit", "rules", "schema", "values", "arguments", "events", "ingest",
    "metrics", "bitmap", "generation", "sets", "query", "order", "derive", "load", "reclock", "store", "asking",
    "live", "index", "opening", "demo", "cli",
)  # fmt: skip
FRONT_DOOR = ("segdex", "segdex.__main__")  # the public names, and `python -m segdex`

SINGLE_IMPORTERS = {"numba": {"segdex.jit"}, "pyroaring": {"segdex.bitmap.roaring"}}

# Calls on files belong in `store/os.py`. Whoever else makes one says here which, and why.
FILE_CALLS_ELSEWHERE = {
    "segdex.jit": (
        {"Path.mkdir", "Path.stat", "Path.rglob", "Path.read_bytes", "Path.unlink", "os.access"},
        "compiled code is kept outside every index, in a folder that must be proven private",
    ),
    "segdex.rules.text": ({"Path.read_text"}, "reads the grammar, a file of the package"),
    "segdex.schema.load": ({"Path.stat", "Path.read_bytes"}, "reads the schema file, which is no part of an index"),
    "segdex.cli.run": ({"os.open", "os.fdopen", "os.close", "os.dup2"}, "points a stdout that nobody reads at nothing"),
}

FILE_MODULES = {"fcntl", "fileinput", "glob", "io", "mmap", "pickle", "shelve", "shutil", "tempfile"}
# Names that only `pathlib` has; `open`, `replace`, `rename` and the like are names of other things too.
PATH_METHODS = {
    "chmod", "glob", "hardlink_to", "iterdir", "lstat", "mkdir", "read_bytes", "read_text", "rglob", "rmdir", "stat",
    "symlink_to", "touch", "unlink", "write_bytes", "write_text",
}  # fmt: skip
HARMLESS_OS = {
    "O_WRONLY", "PathLike", "W_OK", "X_OK", "cpu_count", "devnull", "environ", "fsencode", "fspath", "getpid", "getuid",
    "name", "path", "register_at_fork", "sched_getaffinity",
}  # fmt: skip
ARROW_FILES = {"memory_map", "OSFile", "create_memory_map"}
NUMPY_FILES = {"memmap", "load", "save", "savez", "fromfile", "tofile", "genfromtxt", "loadtxt", "savetxt"}


@dataclasses.dataclass(frozen=True)
class Import:
    """One import of a module of the package: from where, of what, in which line, and whether it runs on import."""

    source: str
    target: str
    line: int
    eager: bool


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}


def room(module: str) -> str:
    return module.split(".")[1]


def statements(node: ast.AST, eager: bool = True) -> Iterator[tuple[ast.AST, bool]]:
    """Every node below *node*, and whether it runs when the module is imported."""
    for child in ast.iter_child_nodes(node):
        typing_only = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
        inside = eager and not typing_only and not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
        yield child, inside
        yield from statements(child, inside)


def imported(module: str) -> Iterator[tuple[str, int, bool]]:
    """Every module that *module* imports, anywhere in it."""
    for node, eager in statements(TREES[module]):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno, eager
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{MODULES[module]}:{node.lineno}: a relative import"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield (full if full in MODULES else str(node.module)), node.lineno, eager


IMPORTS = [
    Import(module, target, line, eager)
    for module in MODULES
    for target, line, eager in imported(module)
    if target.split(".")[0] == "segdex"
]


def test_every_room_is_known() -> None:
    found = {room(module) for module in MODULES if module not in FRONT_DOOR}
    assert found - set(ROOMS) == set(), "give the room its place in ROOMS"


def test_imports_run_in_one_direction() -> None:
    wrong = [
        f"{each.source}:{each.line} imports {each.target}"
        for each in IMPORTS
        if each.source not in FRONT_DOOR
        and each.target not in FRONT_DOOR
        and ROOMS.index(room(each.target)) > ROOMS.index(room(each.source))
    ]
    assert wrong == []


def test_only_the_outermost_room_uses_the_public_names() -> None:
    """Inside, a name is imported from where it is defined."""
    users = {each.source for each in IMPORTS if each.target == "segdex" and each.source not in FRONT_DOOR}
    assert {room(user) for user in users} <= {"cli", "demo"}


def test_no_import_cycle() -> None:
    graph: dict[str, set[str]] = {module: set() for module in MODULES}
    for each in IMPORTS:
        if each.eager and each.target in MODULES and each.target != "segdex":
            graph[each.source].add(each.target)
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, "a cycle: " + " -> ".join([*path[path.index(module) :], module])
        if module not in done:
            for target in sorted(graph[module]):
                visit(target, (*path, module))
            done.add(module)

    for module in MODULES:
        visit(module, ())


@pytest.mark.parametrize("library", SINGLE_IMPORTERS)
def test_single_importer(library: str) -> None:
    importers = {module for module in MODULES for target, _, _ in imported(module) if target.split(".")[0] == library}
    assert importers == SINGLE_IMPORTERS[library]


def file_calls(module: str) -> Iterator[tuple[str, int]]:
    """Everything in *module* that opens, maps, lists or changes files."""
    for target, line, _ in imported(module):
        if target.split(".")[0] in FILE_MODULES:
            yield f"import {target}", line
    has_os = "os" in {target for target, _, _ in imported(module)}
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open":
            yield "open", node.lineno
        if not isinstance(node, ast.Attribute):
            continue
        of = node.value.id if isinstance(node.value, ast.Name) else None
        if of == "os":
            if has_os and node.attr not in HARMLESS_OS:
                yield f"os.{node.attr}", node.lineno
        elif of in ("pa", "pyarrow") and node.attr in ARROW_FILES:
            yield f"pyarrow.{node.attr}", node.lineno
        elif (of in ("np", "numpy") and node.attr in NUMPY_FILES) or node.attr == "tofile":
            yield f"numpy.{node.attr}", node.lineno
        elif node.attr in PATH_METHODS:
            yield f"Path.{node.attr}", node.lineno


@pytest.mark.parametrize("module", sorted(set(MODULES) - {"segdex.store.os"}))
def test_files_are_touched_in_one_place(module: str) -> None:
    allowed, _ = FILE_CALLS_ELSEWHERE.get(module, (set(), ""))
    found = dict(file_calls(module))
    assert {call: line for call, line in found.items() if call not in allowed} == {}
    assert allowed - set(found) == set(), "an exception that is no longer needed"


# --- docs/architecture.md ----------------------------------------------------------------------------------------

ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_documented_paths_exist() -> None:
    named = set(re.findall(r"`((?:src|tests|docs|scripts|benchmarks|\.ci)/[\w./*-]*)`", ARCHITECTURE))
    assert len(named) > 15
    assert [path for path in sorted(named) if not list(ROOT.glob(path.rstrip("/")))] == []


def test_documented_rooms_are_the_rooms() -> None:
    named = re.findall(r"^\| `src/segdex/(\w+)(?:/|\.py)` \|", ARCHITECTURE, re.M)
    assert named == [name for name in ROOMS if name in {room(m) for m in MODULES if m not in FRONT_DOOR}]
