"""A process that works on a bucket: `python -m tests.scaffold.bucket_process ENDPOINT ROUNDS NUMBER`.

Each round takes the lock, reads, appends one batch as the next serial, and gives the lock back. What it holds is shown
in a file that only one process may have: a second one ends the process with the exit code 9.
"""

from __future__ import annotations

import os
import random
import sys
import time
import uuid
from dataclasses import replace
from pathlib import Path

from declarative.errors import StateError
from declarative.state import Holder
from declarative.state.objects import ObjectEngine
from declarative.state.objects.address import parse
from tests.scaffold import recorded as r
from tests.scaffold.bucket_worlds import LINEAGE, Clock, spot_at


def main(endpoint: str, rounds: int, number: int, sign: Path) -> None:
    spot = replace(
        spot_at(endpoint, Clock()), uuid=lambda: str(uuid.uuid4()), monotonic=time.monotonic, sleep=time.sleep
    )
    engine = ObjectEngine(parse(spot.address), spot)
    holder = Holder(f"lock-{number}", "me", "here", os.getpid(), "apply", "now")
    done = 0
    while done < rounds:
        if engine.try_lock(holder) is not None:
            time.sleep(random.uniform(0.01, 0.1))
            continue
        try:
            os.close(os.open(sign, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            os._exit(9)
        found = engine.read().state
        serial = found.serial if found is not None else 0
        engine.append([r.put(number * 100_000 + done)], lineage=LINEAGE, after=serial)
        if found is not None and done % 10 == 9:
            found = engine.read().state
            assert found is not None
            engine.write(found, after=found.serial)
        print(serial + 1, flush=True)
        sign.unlink()
        engine.unlock()
        done += 1


if __name__ == "__main__":
    try:
        main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
    except StateError as error:
        print(f"{error} {error.fix}", file=sys.stderr)
        sys.exit(1)
