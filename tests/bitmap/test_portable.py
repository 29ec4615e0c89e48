"""Portable Roaring in and out of the hot form, held to a naive reader, to CRoaring and to the format's own files."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet
from pyroaring import BitMap

from segdex import jit
from segdex.bitmap import portable, predicate, roaring
from segdex.bitmap.predicate import Predicate
from segdex.errors import CorruptError
from tests.oracle import portable as naive
from tests.proof import data as proof

COUNT = 3 * 65_536 + 100
EXAMPLES = 15 if jit.disabled() else 80
BORDERS = [0, 1, 2, 63, 64, 4095, 4096, 65_534, 65_535, 65_536, 65_537, 131_071, 131_072, COUNT - 1]
EDGES = [0, 1, 2, 4095, 4096, 4097, 65_534, 65_535, 65_536, 65_537, 131_071, 131_072, 2**32 - 1]
CARDINALITIES = [1, 2, 3, 5, 510, 511, 512, 513, 4095, 4096, 4097, 65_534, 65_535, 65_536]


def held(ids: list[int], count: int = COUNT) -> Predicate:
    mask = np.zeros(count, np.bool_)
    mask[ids] = True
    return predicate.from_mask(mask)


def as_runs(data: bytes) -> bytes:
    """What CRoaring makes of a set without runs; of one with runs it may keep runs that save nothing."""
    bitmap = BitMap.deserialize(data)
    bitmap.run_optimize()
    return bytes(bitmap.serialize())


def same(found: Predicate, expected: Predicate) -> bool:
    return found.chunks == expected.chunks and np.array_equal(found.words, expected.words)


def hold_together(ids: list[int], count: int = COUNT) -> None:
    """Everything that must be true of a set of ids."""
    members = held(ids, count)
    data = portable.dump(members)
    assert data == naive.write(ids)
    with_runs = portable.dump(members, runs=True)
    assert with_runs == as_runs(data)
    assert naive.read(with_runs) == ids
    assert naive.ids_of(portable.load(data, count)) == ids
    assert same(portable.load(data, count), members)
    assert same(portable.load(with_runs, count), members)
    bitmap = roaring.to_bitmap(members)
    assert bitmap == BitMap(ids)
    assert same(roaring.from_bitmap(bitmap, count), members)
    assert same(roaring.from_bitmap(BitMap.deserialize(with_runs), count), members)


@st.composite
def sets(draw: st.DrawFn) -> list[int]:
    ids = set(draw(st.sets(st.one_of(st.integers(0, COUNT - 1), st.sampled_from(BORDERS)))))
    for start, length, step in draw(
        st.lists(st.tuples(st.integers(0, COUNT - 1), st.integers(1, 9000), st.integers(1, 5)), max_size=4)
    ):
        ids |= set(range(start, min(COUNT, start + length * step), step))
    return sorted(ids)


@settings(max_examples=EXAMPLES)
@given(sets())
def test_any_set_goes_out_and_comes_back(ids):
    hold_together(ids)


@settings(max_examples=EXAMPLES)
@given(st.sets(st.sampled_from([border + near for border in (0, 65_536, 131_072) for near in (-2, -1, 0, 1)])))
def test_ids_at_the_borders_of_chunks(ids):
    hold_together(sorted(each for each in ids if each >= 0))


@pytest.mark.parametrize("cardinality", CARDINALITIES)
@pytest.mark.parametrize("shape", ["first", "last", "spread", "scattered"])
def test_cardinalities_at_which_containers_change(cardinality, shape):
    values = {
        "first": range(cardinality),
        "last": range(65_536 - cardinality, 65_536),
        "spread": range(0, 65_536, 65_536 // cardinality)[:cardinality],
        "scattered": np.sort(np.random.default_rng(cardinality).permutation(65_536)[:cardinality]).tolist(),
    }[shape]
    hold_together([7, *(65_536 + value for value in values)])


@pytest.mark.parametrize("runs", [2046, 2047, 2048, 2049])
def test_numbers_of_runs_at_which_runs_cease_to_pay(runs):
    """A bitset takes 8,192 bytes and so do 2,047 and a half runs; an array's values must be more than two a run."""
    hold_together([32 * run + i for run in range(runs) for i in range(4)])
    hold_together([i for run in range(50) for i in (32 * run, 32 * run + 1)] + [40_000])
    hold_together([i for run in range(50) for i in (32 * run, 32 * run + 1)] + [40_000, 40_001, 40_002, 40_003])


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 65_535, 65_536, 65_537, 131_072, COUNT])
def test_nobody_and_everyone(count):
    hold_together([], count)
    hold_together(list(range(count)), count)


@pytest.mark.parametrize("containers", [1, 2, 3, 4, 5, 8, 9, 16, 17])
def test_numbers_of_containers_at_which_the_header_changes(containers):
    hold_together([65_536 * chunk + i for chunk in range(containers) for i in range(10)], 65_536 * containers)


def test_without_a_count_there_are_as_many_chunks_as_the_set_needs():
    assert portable.load(BitMap().serialize(), None).chunks == 0
    assert portable.load(BitMap([65_535]).serialize(), None).chunks == 1
    assert portable.load(BitMap([65_536]).serialize(), None).chunks == 2
    without_runs = BitMap(EDGES, optimize=False).serialize()
    for data in (without_runs, BitMap(EDGES).serialize()):
        members = portable.load(data, None)
        assert members.chunks == 65_536
        assert members.cardinality == len(EDGES)
        assert portable.dump(members) == without_runs


def test_a_predicate_without_chunks():
    nobody = portable.load(BitMap().serialize(), None)
    for runs in (False, True):
        assert portable.dump(nobody, runs) == BitMap().serialize()
    assert roaring.to_bitmap(nobody) == BitMap()


@pytest.mark.parametrize("skip", range(9))
def test_bytes_may_start_anywhere(skip):
    for data in (BitMap(range(0, 20_000, 3)).serialize(), as_runs(naive.write(list(range(10, 20_000))))):
        members = portable.load(memoryview(b"x" * skip + data)[skip:], COUNT)
        assert naive.ids_of(members) == naive.read(data)


@pytest.mark.parametrize("size", [1, 3, 4])
def test_the_cookie_with_runs_may_stand_before_containers_that_are_none(size):
    """The cookie alone says whether there are offsets."""
    described = [value for key in range(size) for value in (key, 1)]
    offsets = [5 + 4 * size + 4 * size + 4 * key for key in range(size)] if size >= 4 else []
    values = [7, 9] * size
    data = struct.pack(f"<HHB{2 * size}H{len(offsets)}I{2 * size}H", 12347, size - 1, 0, *described, *offsets, *values)
    assert agrees(data)


# --- refusals ----------------------------------------------------------------------------------------------------


def shapes() -> dict[str, BitMap]:
    mixed = BitMap([*range(5, 90), *range(200, 9000, 3), *range(65_536, 131_072), *range(300_000, 300_500)])
    mixed |= BitMap(np.random.default_rng(3).choice(400_000, 30_000, replace=False).tolist())
    found = {
        "empty": BitMap(),
        "one": BitMap([0]),
        "edges": BitMap(EDGES),
        "full": BitMap(range(65_536)),
        "4096": BitMap(range(0, 8192, 2)),
        "4097": BitMap(range(0, 8194, 2)),
        "every other": BitMap(range(0, 65_536, 2)),
        "runs": BitMap(range(10, 3 * 65_536)),
        "few runs": BitMap([1, 2, 3, 4, 70_000]),
        "mixed": mixed,
        "many": BitMap([at * 65_536 + 7 for at in range(9)]) | BitMap(range(65_536, 65_600)),
    }
    for shape in ("runs", "few runs", "mixed", "many"):
        found[shape].run_optimize()
    return found


SMALL = ["empty", "one", "edges", "few runs", "many"]


@pytest.mark.parametrize("shape", shapes())
def test_what_croaring_writes_is_well_formed(shape):
    bitmap = shapes()[shape]
    data = memoryview(bitmap.serialize())
    count = bitmap.max() + 1 if bitmap else 0
    portable.check(data, count)
    if bitmap:
        with pytest.raises(CorruptError, match=f"beyond the last customer; found {count - 1}"):
            portable.check(data, count - 1)


def agrees(data: bytes) -> bool:
    """Whether *data* is a set; it is read as the naive reader and CRoaring read it, or refused as by the former."""
    try:
        expected = naive.read(data)
    except naive.NotASetError:
        with pytest.raises(CorruptError):
            portable.load(data, None)
        return False
    members = portable.load(data, None)
    assert portable.dump(members) == naive.write(expected)
    assert roaring.to_bitmap(members) == BitMap.deserialize(data) == BitMap(expected)
    return True


@pytest.mark.parametrize("shape", SMALL)
def test_every_truncation_and_every_tail_is_refused(shape):
    data = bytes(shapes()[shape].serialize())
    assert agrees(data)
    for length in range(len(data)):
        assert not agrees(data[:length])
        assert not agrees(data[length:]) or length == 0
    for tail in (b"\0", b"\0\0", b"\1" * 8, data):
        assert not agrees(data + tail)


@pytest.mark.parametrize("shape", SMALL)
def test_every_flipped_bit_is_refused_or_another_set(shape):
    data = bytes(shapes()[shape].serialize())
    accepted = 0
    for position in range(len(data)):
        for bit in range(8):
            flipped = bytearray(data)
            flipped[position] ^= 1 << bit
            accepted += agrees(bytes(flipped))
    assert accepted < 8 * len(data) / 2


@settings(max_examples=4 * EXAMPLES)
@given(st.sampled_from(SMALL), st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=3))
def test_any_damage_is_refused_or_another_set(shape, damage):
    data = bytearray(shapes()[shape].serialize())
    for position, value in damage:
        data[position % len(data)] = value
    agrees(bytes(data))


@settings(max_examples=4 * EXAMPLES)
@given(st.sampled_from([b"", b"\x3a\x30\0\0", b"\x3b\x30\0\0", b"\x3b\x30\x03\0"]), st.binary(max_size=60))
def test_any_bytes_are_refused_or_a_set(start, data):
    agrees(start + data)


def runs_of(*pairs: tuple[int, int], cardinality: int) -> bytes:
    """One container of runs."""
    values = [len(pairs), *(value for pair in pairs for value in pair)]
    return struct.pack(f"<HHBHH{len(values)}H", 12347, 0, 1, 0, cardinality - 1, *values)


ONE = struct.pack("<IIHHI", 12346, 1, 0, 1, 16)
REFUSED = {
    "the bytes end too early; found 0 bytes": b"",
    "the bytes end too early; found 3 bytes": b"\x3a\x30\0",
    "the bytes end too early; found 4 bytes": b"\x3a\x30\0\0",
    "the bytes end too early; found 5 bytes": b"\x3b\x30\xff\xff\0",
    "the bytes end too early; found 7 bytes": b"\x3b\x30\0\0\1\0\0",
    "the bytes end too early; found 9 bytes": b"\x3b\x30\0\0\1\0\0\0\0",
    "the bytes end too early; found 8 bytes": struct.pack("<II", 12346, 65_536),
    "found a cookie of 0; allowed: a cookie of 12346 or 12347": b"\0" * 8,
    "found a cookie of 12345": b"\x39\x30\0\0",
    "too many containers; found 65537; allowed: up to 65536": struct.pack("<II", 12346, 65_537),
    "too many containers; found 4294967295": b"\x3a\x30\0\0\xff\xff\xff\xff",
    "bytes are left over; found 22 bytes; allowed: 20": ONE + struct.pack("<3H", 1, 2, 3),
    "bytes are left over; found 21 bytes": ONE + struct.pack("<HHB", 1, 2, 3),
    "container 0 of 1: an offset is wrong; found 18; allowed: 16": struct.pack("<IIHHIHH", 12346, 1, 0, 1, 18, 1, 2),
    "chunks are out of order; found chunk 3 after 3": struct.pack("<II4H", 12346, 2, 3, 0, 3, 0) + b"\0" * 12,
    "container 0 of 1: values are out of order; found a stated cardinality of 2": ONE + struct.pack("<HH", 2, 2),
    "a container has no runs": runs_of(cardinality=1),
    "runs are out of order": runs_of((0, 1), (1, 0), cardinality=3),
    "runs are out of order; found a stated cardinality of 4": runs_of((0, 1), (2, 1), cardinality=4),
    "container 0 of 1: runs are out of order": runs_of((65_535, 1), cardinality=2),
    "the cardinality of runs is wrong; found a stated cardinality of 5": runs_of((0, 3), cardinality=5),
}


@pytest.mark.parametrize("problem", REFUSED)
def test_what_is_wrong_is_named(problem):
    with pytest.raises(CorruptError) as caught:
        portable.load(REFUSED[problem], None)
    assert problem in str(caught.value)
    assert not agrees(REFUSED[problem])


def test_a_bitset_with_a_wrong_cardinality():
    data = bytearray(BitMap(range(0, 10_000, 2)).serialize())
    portable.check(memoryview(data), 2**32)
    data[-1] ^= 1
    with pytest.raises(CorruptError, match="cardinality of a bitset"):
        portable.check(memoryview(data), 2**32)
    assert not agrees(bytes(data))


# --- real files --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bitmapwithruns.bin", "bitmapwithoutruns.bin"])
def test_files_of_the_specification_are_written_back_byte_for_byte(name):
    data = proof.file(f"roaring-format/{name}").read_bytes()
    members = portable.load(data, None)
    assert naive.ids_of(members) == naive.read(data)
    assert members.cardinality == 200_100  # as the specification's own test of these files says
    assert portable.dump(members, runs=name == "bitmapwithruns.bin") == data


def test_a_file_that_another_library_wrote_with_runs():
    data = proof.file("roaring-format/addoffsetinput.bin").read_bytes()
    assert naive.ids_of(portable.load(data, None)) == naive.read(data)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("bitmap64.bin", "found a set of 64-bit ids"),
        ("portable_bitmap64.bin", "found a set of 64-bit ids"),
        ("64map32bitvals.bin", "found a set of 64-bit ids"),
        ("64maphighvals.bin", "found a set of 64-bit ids"),
        ("64mapspreadvals.bin", "found a set of 64-bit ids"),
        ("64mapempty.bin", "found a cookie of 0"),
        ("64mapemptyinput.bin", "found 0 bytes"),
        ("64mapinvalidsize.bin", "found a cookie of 0"),
        ("64mapkeytoosmall.bin", "found a cookie of 0"),
        ("64mapsizetoosmall.bin", "found a cookie of"),
        *((f"crashproneinput{number}.bin", "found") for number in range(1, 8)),
    ],
)
def test_files_of_another_form_and_files_that_broke_readers_are_refused(name, found):
    data = proof.file(f"roaring-format/{name}").read_bytes()
    with pytest.raises(CorruptError, match=found):
        portable.load(data, None)
    assert not agrees(data)


@pytest.mark.parametrize("name", ["census1881", "census1881_srt", "weather_sept_85", "weather_sept_85_srt"])
def test_real_sets(name):
    table = parquet.read_table(proof.file(f"bitmaps/{name}.parquet"))
    for row in table.column(1).slice(0, 20):
        bitmap = BitMap(np.asarray(row.values).tolist(), optimize=False)
        data = bytes(bitmap.serialize())
        members = roaring.from_bitmap(bitmap, bitmap.max() + 1)
        assert portable.dump(members) == data
        assert portable.dump(members, runs=True) == as_runs(data)
        assert roaring.to_bitmap(members) == bitmap
        assert same(portable.load(as_runs(data), bitmap.max() + 1), members)
