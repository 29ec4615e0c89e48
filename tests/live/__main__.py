"""A long proof of the law: ``python -m tests.live --cases 1000 [--seed N]``.

Random schemas, rows and steps. The seed is printed; a life that breaks the law is told with the fewest steps that do.
"""

from __future__ import annotations

import argparse
import os
import time
import traceback
import warnings
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from tests.live.lives import drawn, live


def prove(seed: int, most: int) -> str | None:
    """Live one life; what went wrong, if anything did."""
    warnings.simplefilter("ignore", RuntimeWarning)
    steps = drawn(seed, most)
    told = failure(seed, steps)
    if told is None:
        return None
    at = 0
    while at < len(steps):  # leave out step by step what does not matter
        fewer = steps[:at] + steps[at + 1 :]
        again = failure(seed, fewer)
        if again is not None and again[0] == told[0]:
            steps, told = fewer, again
        else:
            at += 1
    return f"seed {seed}, steps {steps}\n{told[1]}"


def failure(seed: int, steps: list[tuple[str, int]]) -> tuple[object, str] | None:
    """Where a life breaks the law, and what it says; None where it does not."""
    try:
        live(seed, steps)
    except Exception as error:
        text = traceback.format_exc()
        while error.__cause__ is not None:
            error = error.__cause__  # type: ignore[assignment]
        frame = traceback.extract_tb(error.__traceback__)[-1]
        return (type(error), frame.filename, frame.lineno), text
    return None


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.live", description="Prove the law by random lives.")
    parser.add_argument("--cases", type=int, default=1000, help="how many lives")
    parser.add_argument("--seed", type=int, default=None, help="where to begin; default: by the clock")
    parser.add_argument("--steps", type=int, default=10, help="at most so many steps each")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes")
    asked = parser.parse_args()
    seed = asked.seed if asked.seed is not None else time.time_ns() % 1_000_000_000
    print(f"seed {seed}: {asked.cases:,} lives", flush=True)
    failed, started = 0, time.monotonic()
    with ProcessPoolExecutor(asked.workers) as pool:
        lives = pool.map(partial(prove, most=asked.steps), range(seed, seed + asked.cases))
        for number, told in enumerate(lives, 1):
            if told is not None:
                failed += 1
                print(told, flush=True)
            if number % 20 == 0:
                print(f"{number:,} lives, {failed} broken, {time.monotonic() - started:,.0f} s", flush=True)
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()
