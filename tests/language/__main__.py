"""A long proof of the language: ``python -m tests.language --cases 100000 [--seed N]``.

Random schemas, data and rules; every rule through its three forms and every way to ask, held to the naive meaning. The
seed is printed: it finds the same cases again.
"""

from __future__ import annotations

import argparse
import os
import time
from concurrent.futures import ProcessPoolExecutor

from tests.language.proof import RULES, prove


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.language", description="Prove the language by random rules.")
    parser.add_argument("--cases", type=int, default=100_000, help="how many rules to try")
    parser.add_argument("--seed", type=int, default=None, help="where to begin; default: by the clock")
    asked = parser.parse_args()
    seed = asked.seed if asked.seed is not None else time.time_ns() % 1_000_000_000
    worlds = -(-asked.cases // RULES)
    print(f"seed {seed}: {worlds:,} schemas of {RULES} rules each", flush=True)
    done, started = 0, time.monotonic()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for number, count in enumerate(pool.map(prove, range(seed, seed + worlds), chunksize=4), 1):
            done += count
            if number % 100 == 0:
                print(f"{done:,} cases, {time.monotonic() - started:,.0f} s", flush=True)
    print(f"{done:,} cases, no difference, {time.monotonic() - started:,.0f} s")


if __name__ == "__main__":
    main()
