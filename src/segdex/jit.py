"""The one module that imports numba: how kernels are compiled, and where the result is kept.

A kernel is a module-level function of arrays and numbers, decorated with its signatures:

    @kernel("i8(i8[:], f8[:], OUT f8[:])")

Arrays are one-dimensional and contiguous. Plain ones may be read-only (mapped files are); ``OUT`` marks those that
the kernel writes. Nothing is compiled on import: the first call compiles (or loads) all declared signatures, and no
others, so that a wrong type is an error and never a silent second compilation. ``helper`` marks functions that only
kernels call.

Compiled code lives in ``SEGDEX_CACHE_DIR`` (default: the user's cache folder), in a folder named after the version of
everything it depends on, the sources of all kernels included: numba itself does not notice a change in a helper of
another file. A folder that cannot be written, or that others may write, is not used: compiled code is executed, so
whoever writes it owns the process. Without a folder everything works, slower at first.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import importlib
import os
import pkgutil
import re
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Generic, ParamSpec, TypeVar, cast

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import caching, cgutils
from numba.extending import intrinsic

P = ParamSpec("P")
R = TypeVar("R")

_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": False}
_SCALARS = {
    "i1": types.int8, "u1": types.uint8, "b1": types.boolean, "i4": types.int32, "u2": types.uint16,
    "u4": types.uint32, "i8": types.int64, "u8": types.uint64, "f8": types.float64, "void": types.void,
}  # fmt: skip
_registry: list[Kernel[..., Any]] = []
_lock = threading.RLock()
if hasattr(os, "register_at_fork"):  # no child is born in the middle of a compilation
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)


def disabled() -> bool:
    """Whether ``NUMBA_DISABLE_JIT`` asks for kernels to run as plain Python."""
    return bool(numba.config.DISABLE_JIT)


def _argument(text: str) -> types.Type:
    name = text.removeprefix("OUT ").removesuffix("[:]").strip()
    scalar = _SCALARS[name]
    if not text.endswith("[:]"):
        return scalar
    return types.Array(scalar, 1, "C", readonly=not text.startswith("OUT "))


def _signature(text: str) -> Any:
    match = re.fullmatch(r"(\w+)\((.*)\)", text.strip(), re.S)
    if match is None:
        raise ValueError(f"not a kernel signature: {text!r}")
    arguments = [part.strip() for part in match[2].split(",") if part.strip()]
    return _SCALARS[match[1]](*(_argument(part) for part in arguments))


class Kernel(Generic[P, R]):
    """A compiled function that compiles at its first call."""

    def __init__(self, function: Callable[P, R], signatures: tuple[str, ...]) -> None:
        self.function = function
        self.signatures = signatures
        self.__doc__ = function.__doc__
        self.__name__ = function.__name__
        self._compiled: Callable[P, R] | None = None

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the kernel, compiled at the first call."""
        compiled = self._compiled
        return (compiled or self.compile())(*args, **kwargs)

    def compile(self) -> Callable[P, R]:
        """Compile every declared signature, or load it from the cache. Safe from several threads."""
        with _lock:
            if self._compiled is None:
                self._compiled = self._build()
            return self._compiled

    def _plain(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """The function in plain Python; like a compiled one it returns numbers of Python."""
        result = self.function(*args, **kwargs)
        return cast("R", result.item()) if isinstance(result, np.generic) else result

    def _build(self) -> Callable[P, R]:
        if disabled():
            return self._plain
        dispatcher = numba.njit(**_OPTIONS)(self.function)
        if cache_dir() is not None:
            dispatcher._cache = _FunctionCache(self.function)
        for text in self.signatures:
            dispatcher.compile(_signature(text))
        dispatcher.disable_compile()
        return cast("Callable[P, R]", dispatcher)


def kernel(*signatures: str) -> Callable[[Callable[P, R]], Kernel[P, R]]:
    """Declare a kernel and the signatures it is compiled for."""

    def declare(function: Callable[P, R]) -> Kernel[P, R]:
        made = Kernel(function, signatures)
        _registry.append(made)
        return made

    return declare


def helper(function: Callable[P, R]) -> Callable[P, R]:
    """Declare a function that kernels call; it is compiled into its callers."""
    return cast("Callable[P, R]", numba.njit(**_OPTIONS, no_cpython_wrapper=True, no_cfunc_wrapper=True)(function))


def kernels() -> list[Kernel[..., Any]]:
    """Every kernel of the package, in the order of its modules. Imports all modules that hold kernels."""
    package = importlib.import_module("segdex")
    for module in pkgutil.walk_packages(package.__path__, "segdex."):
        if module.name.rpartition(".")[2].startswith("kernels"):
            importlib.import_module(module.name)
    return list(_registry)


def warmup() -> Iterator[Kernel[..., Any]]:
    """Compile every kernel, yielding each before it is compiled."""
    for each in kernels():
        yield each
        each.compile()


# --- what kernels need beyond arrays -----------------------------------------------------------------------------

# Predicates lie in many places: a mapped file, memory, scratch. A kernel reaches them by their addresses, so that it
# takes one argument however many predicates a rule has: each array costs some 150 ns on its way into a kernel.


def _compiled_intrinsics() -> tuple[Any, ...]:
    def pointer(item: Any) -> Any:
        def to_pointer(_context: Any, _address: Any) -> Any:
            def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
                return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

            return types.CPointer(item)(types.int64), generate

        return intrinsic(to_pointer)

    def count_bits(_context: Any, _word: Any) -> Any:
        def generate(_generator: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            return builder.ctpop(arguments[0])

        return types.int64(types.uint64), generate

    def fetch(_context: Any, _address: Any) -> Any:
        def generate(_generator: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            octets, number = ir.IntType(8).as_pointer(), ir.IntType(32)
            kind = ir.FunctionType(ir.VoidType(), [octets, number, number, number])
            function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
            reading, into_second_level, of_data = number(0), number(2), number(1)
            builder.call(function, [builder.inttoptr(arguments[0], octets), reading, into_second_level, of_data])

        return types.void(types.int64), generate

    def line(builder: Any, address: Any, bits: int) -> Any:
        """A line of memory as a vector of numbers of so many bits."""
        vector = ir.VectorType(ir.IntType(bits), 512 // bits)
        loaded = builder.load(builder.inttoptr(address, vector.as_pointer()))
        loaded.align = 1
        return loaded

    def everywhere(builder: Any, value: Any, vector: Any) -> Any:
        one = builder.insert_element(
            ir.Constant(vector, ir.Undefined), builder.trunc(value, vector.element), ir.IntType(32)(0)
        )
        places = ir.Constant(ir.VectorType(ir.IntType(32), vector.count), [0] * vector.count)
        return builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), places)

    def compare(_context: Any, _address: Any, _low: Any, _width: Any) -> Any:
        def generate(_generator: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            address, low, width = arguments
            octets = line(builder, address, 8)
            above = builder.sub(octets, everywhere(builder, low, octets.type))
            inside = builder.icmp_unsigned("<=", above, everywhere(builder, width, octets.type))
            return builder.bitcast(inside, ir.IntType(64))

        return types.uint64(types.int64, types.int64, types.int64), generate

    def equal(_context: Any, _address: Any, _value: Any) -> Any:
        def generate(_generator: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            shorts = line(builder, arguments[0], 16)
            same = builder.icmp_unsigned("==", shorts, everywhere(builder, arguments[1], shorts.type))
            return builder.zext(builder.bitcast(same, ir.IntType(32)), ir.IntType(64))

        return types.uint64(types.int64, types.int64), generate

    pointers = pointer(types.uint64), pointer(types.int64), pointer(types.uint16)
    return *pointers, intrinsic(count_bits), intrinsic(fetch), intrinsic(compare), intrinsic(equal)


signed = cast("Callable[[Any], int]", np.int64)
"""A number as signed 64 bits: numba makes a float64 of a signed and an unsigned one."""

if disabled():

    def popcount(word: Any) -> int:
        """How many bits of an unsigned 64-bit word are 1."""
        return int(word).bit_count()

    def prefetch(address: int) -> None:
        """Ask for the line of memory at *address*, which will be read soon."""

    def words_at(address: int, count: int) -> Any:
        """*count* unsigned 64-bit words of memory as an array; whoever calls keeps that memory alive."""
        return np.frombuffer(memoryview((ctypes.c_uint64 * count).from_address(int(address))), np.uint64)

    def ints_at(address: int, count: int) -> Any:
        """*count* signed 64-bit integers of memory as an array; whoever calls keeps that memory alive."""
        return np.frombuffer(memoryview((ctypes.c_int64 * count).from_address(int(address))), np.int64)

    def octets_within(address: int, low: int, width: int) -> Any:
        """Which of 64 bytes of memory are *low* to *low* + *width*, as the bits of one word."""
        octets = np.frombuffer(memoryview((ctypes.c_uint8 * 64).from_address(int(address))), np.uint8)
        inside = (octets >= low) & (octets <= low + width)
        return np.packbits(inside, bitorder="little").view(np.uint64)[0]

    def shorts_equal(address: int, value: int) -> Any:
        """Which of 32 unsigned 16-bit values of memory are *value*, as the low bits of one word."""
        return np.packbits(shorts_at(address, 32) == value, bitorder="little").view(np.uint32)[0].astype(np.uint64)

    def shorts_at(address: int, count: int) -> Any:
        """*count* unsigned 16-bit values of memory as an array; whoever calls keeps that memory alive."""
        return np.frombuffer(memoryview((ctypes.c_uint16 * count).from_address(int(address))), np.uint16)

else:
    (
        _words_pointer, _ints_pointer, _shorts_pointer, popcount, prefetch, octets_within, shorts_equal
    ) = _compiled_intrinsics()  # fmt: skip

    @helper
    def words_at(address: int, count: int) -> Any:
        """*count* unsigned 64-bit words of memory as an array; whoever calls keeps that memory alive."""
        return numba.carray(_words_pointer(address), (count,))

    @helper
    def ints_at(address: int, count: int) -> Any:
        """*count* signed 64-bit integers of memory as an array; whoever calls keeps that memory alive."""
        return numba.carray(_ints_pointer(address), (count,))

    @helper
    def shorts_at(address: int, count: int) -> Any:
        """*count* unsigned 16-bit values of memory as an array; whoever calls keeps that memory alive."""
        return numba.carray(_shorts_pointer(address), (count,))


# --- where compiled code is kept ---------------------------------------------------------------------------------


def _kernel_sources() -> list[Path]:
    return sorted(Path(__file__).parent.rglob("kernels*.py"))


def _stamp() -> str:
    """A digest of everything that compiled code depends on, this module and all kernel sources included."""
    digest = hashlib.blake2b(digest_size=12)
    digest.update(f"{numba.__version__} {sys.version_info[:3]} {os.name} {sys.byteorder}".encode())
    for path in [Path(__file__), *_kernel_sources()]:
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _private(folder: Path) -> bool:
    """Make *folder* if need be; whether we may write it and nobody else may."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = folder.stat()
    except OSError:
        return False
    if hasattr(os, "getuid") and (found.st_uid != os.getuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)):
        return False
    return os.access(folder, os.W_OK | os.X_OK)


_chosen: list[Path | None] = []


def cache_dir() -> Path | None:
    """The folder of compiled kernels, or None where no safe place can be written. Chosen once a process."""
    with _lock:
        if not _chosen:
            asked = os.environ.get("SEGDEX_CACHE_DIR")
            base = Path(asked) if asked else Path(os.environ.get("XDG_CACHE_HOME") or _home() / ".cache") / "segdex"
            folder = base / f"kernels-{_stamp()}"
            _chosen.append(folder if _private(base) and _private(folder) else None)
        return _chosen[0]


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:  # no home: a container that runs under an unknown user
        return Path("/nonexistent")


class _Locator(caching._CacheLocator):  # type: ignore[misc]
    """Tells numba's cache to use our folder; the stamp in its name stands for every source."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._name = f"{function.__module__}.{function.__qualname__}"

    def get_cache_path(self) -> str:
        return str(cache_dir())

    def get_source_stamp(self) -> str:
        return "by folder"

    def get_disambiguator(self) -> str:
        return hashlib.blake2b(self._name.encode(), digest_size=6).hexdigest()

    @classmethod
    def from_function(cls, function: Callable[..., Any], _file: str) -> _Locator | None:
        return cls(function) if cache_dir() is not None else None


class _CacheImpl(caching.CompileResultCacheImpl):  # type: ignore[misc]
    _locator_classes = [_Locator]  # noqa: RUF012 (numba's own attribute)


class _FunctionCache(caching.FunctionCache):  # type: ignore[misc]
    _impl_class = _CacheImpl

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # a damaged or half-written file: compile again
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except Exception:  # the disk is full, the folder is gone, or the file that lists what is kept is damaged
            # Without that file the kernel is kept anew next time; until then it is only compiled.
            with contextlib.suppress(OSError):
                Path(self._cache_file._index_path).unlink(missing_ok=True)
