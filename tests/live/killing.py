"""A writer of a whole index that is killed at any time: what it acknowledged is there, and at most one thing more.

A child opens the index, says what it finds, lives the life of `tests.live.actions` and acknowledges each action over a
pipe; it is killed (``kill -9``) at a random time. The parent knows from the model what so many actions come to.

    python -m tests.live.killing --cycles 1000
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import struct
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path

import segdex
from segdex.store import generations
from tests.live import actions

_COUNT = struct.Struct("<q")


@dataclass
class Outcome:
    """What became of all the cycles.

    Attributes:
        kills: how many children were killed.
        early: how many of them before they had opened the index.
        acknowledged: how many actions were acknowledged.
        unsaid: how many more were found than were acknowledged: under way when the child was killed.
        problems: what must not be.
    """

    kills: int = 0
    early: int = 0
    acknowledged: int = 0
    unsaid: int = 0
    problems: list[str] = field(default_factory=list)


# --- the child -----------------------------------------------------------------------------------------------------


def work(folder: Path, model: actions.Model, pipe: int) -> None:
    """Say how many actions are there, *model* or one more, and go on until killed."""
    with segdex.open(folder, read_only=False) as index:
        model = found(index, model)
        os.write(pipe, _COUNT.pack(model.done))
        while True:
            action = actions.action(model.done + 1, model.clock)
            actions.act(index, action, model)
            os.write(pipe, _COUNT.pack(model.done + 1))
            model.act(action)


def found(index: segdex.Index, model: actions.Model) -> actions.Model:
    """What *index* is: *model*, or *model* after one action more; anything else raises."""
    told = actions.told(index, model)
    if told != model.told() or not _has_names(index, model):
        before, action = model, actions.action(model.done + 1, model.clock)
        model = actions.copied(model)
        model.act(action)
        if actions.told(index, model) != model.told():
            raise AssertionError(f"after {before.done} actions and maybe {action}:\n{told}\n{before.told()}")
    replayed, expected = actions.replayed(index, model), model.tracked()
    if replayed != expected:
        raise AssertionError(f"after {model.done} actions the feed comes to\n{replayed}\n{expected}")
    return model


def _has_names(index: segdex.Index, model: actions.Model) -> bool:
    return set(model.tracked()) == {name for name, held in index.schema.segments.items() if held.tracked}


# --- the killer ----------------------------------------------------------------------------------------------------


def cycles(count: int, folder: Path, longest: float = 0.4, seed: int = 1) -> Outcome:
    """Start, kill and start again; *longest* is how many seconds a child works after it has opened the index."""
    chance, outcome, model = random.Random(seed), Outcome(), actions.begun()
    actions.build(folder).close()
    for cycle in range(count):
        # Every fifth one is killed while it opens.
        opening = cycle % 5 == 4
        said, trouble = _killed(folder, model, chance.random() * (0.1 if opening else longest), opening)
        outcome.kills += 1
        if trouble:
            outcome.problems.append(f"cycle {cycle}: the child ended by itself: {trouble}")
            break
        if not said:
            outcome.early += 1
        elif said[0] - model.done not in (0, 1) or said != list(range(said[0], said[0] + len(said))):
            outcome.problems.append(f"cycle {cycle}: {model.done} were acknowledged, then {said}")
            break
        else:
            outcome.unsaid += said[0] - model.done
            outcome.acknowledged += len(said) - 1
            _follow(model, said[-1])
        if cycle % 10 == 0 or cycle == count - 1:
            model = _looked_at(folder, model, outcome, cycle)
    return outcome


def _follow(model: actions.Model, done: int) -> None:
    while model.done < done:
        model.act(actions.action(model.done + 1, model.clock))


def _looked_at(folder: Path, model: actions.Model, outcome: Outcome, cycle: int) -> actions.Model:
    """What the parent sees, which reads only; and whether every byte is as it should be."""
    try:
        with segdex.open(folder) as index:
            model_found = found(index, model)
        outcome.problems += [f"cycle {cycle}: verify finds {problem}" for problem in generations.verify(folder)]
    except Exception:
        outcome.problems.append(f"cycle {cycle}: {traceback.format_exc()}")
        return model
    outcome.unsaid += model_found.done - model.done
    return model_found


def _killed(folder: Path, model: actions.Model, seconds: float, opening: bool) -> tuple[list[int], str]:
    """What a child said that worked for some *seconds* and was killed, and what its trouble was, if it had any."""
    (ours, theirs), (trouble_in, trouble_out) = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        try:
            work(folder, model, theirs)
        except BaseException:
            os.write(trouble_out, traceback.format_exc().encode()[-60_000:])
        os._exit(1)
    os.close(theirs)
    os.close(trouble_out)
    said = b"" if opening else os.read(ours, _COUNT.size)
    time.sleep(seconds)
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with os.fdopen(ours, "rb") as pipe, os.fdopen(trouble_in, "rb") as trouble:
        said += pipe.read()
        return [number for (number,) in _COUNT.iter_unpack(said)], trouble.read().decode()


def main() -> int:
    """Run and print what was found."""
    parser = argparse.ArgumentParser(description="kill a writer at random times, again and again")
    parser.add_argument("--cycles", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        begun = time.monotonic()
        outcome = cycles(options.cycles, Path(place) / "index", seed=options.seed)
    for problem in outcome.problems:
        print(problem, file=sys.stderr)
    print(
        f"{outcome.kills:,} kills, {outcome.early:,} of them while it opened, {outcome.acknowledged:,} acknowledged, "
        f"{outcome.unsaid:,} found that were not yet, {len(outcome.problems):,} problems; "
        f"{time.monotonic() - begun:.0f} s"
    )
    return 1 if outcome.problems else 0


if __name__ == "__main__":
    sys.exit(main())
