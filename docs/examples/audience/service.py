"""The service: questions over HTTP, answered from an index that another process writes.

AUDIENCE_INDEX=INDEX uvicorn audience.service:app --workers 2
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import pyarrow as pa
from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel

import segdex
from audience.follower import Follower
from segdex.index import View
from segdex.live.changes import Changes

TIMEOUT = float(os.environ.get("AUDIENCE_TIMEOUT_S", "5"))
REFRESH = float(os.environ.get("AUDIENCE_REFRESH_MS", "100")) / 1000
MOST_MEMBERS = 100_000

ARROW, NDJSON = "application/vnd.apache.arrow.stream", "application/x-ndjson"


@contextlib.asynccontextmanager
async def life(app: FastAPI) -> AsyncIterator[None]:
    """From the start of a worker to its end."""
    app.state.follower = Follower(Path(os.environ["AUDIENCE_INDEX"]), REFRESH)
    yield
    app.state.follower.close()


app = FastAPI(title="Audience", lifespan=life)


class Question(BaseModel):
    """A rule, and whom not to count: nobody, all suppression segments, or those for some purposes."""

    rule: str
    suppression: bool | list[str] = False


@contextlib.contextmanager
def view(request: Request) -> Iterator[View]:
    """One version of the index, for all that one request asks."""
    with request.app.state.follower.index.view() as held:
        yield held


# Endpoints are plain functions, which FastAPI runs in threads: a rule over raw events may take a while, and segdex
# answers from many threads at once.


@app.post("/count")
def count(question: Question, request: Request) -> dict[str, Any]:
    """How many customers a rule holds for, exactly."""
    with view(request) as index:
        found = index.count(question.rule, suppression=question.suppression, timeout=TIMEOUT)
        return {"rule": question.rule, "count": found, **version(index)}


@app.post("/estimate")
def estimate(question: Question, request: Request) -> dict[str, Any]:
    """About how many, with bounds that hold."""
    with view(request) as index:
        found = index.estimate(question.rule, suppression=question.suppression, timeout=TIMEOUT)
        bounds = {"low": found.low, "value": found.value, "high": found.high, "exact": found.exact}
        return {"rule": question.rule, **bounds, **version(index)}


@app.get("/segments/{key}")
def segments(key: str, request: Request) -> dict[str, Any]:
    """The segments that one customer is in."""
    with view(request) as index:
        if not index.contains("everyone", key):
            raise HTTPException(404, "no customer has this key")
        return {"key": key, "segments": index.segments_of(key), **version(index)}


@app.get("/members")
def members(
    request: Request,
    rule: str,
    columns: Annotated[list[str], Query()] = [],  # noqa: B006, FastAPI copies it
    limit: Annotated[int, Query(ge=0, le=MOST_MEMBERS)] = 1000,
    format: Literal["arrow", "ndjson"] = "ndjson",
) -> Response:
    """The members of a rule, without those in suppression segments, with some columns."""
    with view(request) as index:
        found = index.members(rule, columns=columns, limit=limit, timeout=TIMEOUT)
        headers = {"X-Generation": str(index.generation)}
    if format == "arrow":
        return Response(arrow(found), media_type=ARROW, headers=headers)
    return StreamingResponse(lines(found), media_type=NDJSON, headers=headers)


@app.get("/changes")
def changes(request: Request, since: int) -> StreamingResponse:
    """Who entered and left the tracked segments after a generation, one line a generation."""
    try:
        found = request.app.state.follower.index.changes(since)
    except segdex.LimitError as error:
        raise HTTPException(410, str(error)) from None
    return StreamingResponse(map(told, found), media_type=NDJSON)


@app.get("/health")
def health(request: Request) -> dict[str, Any]:
    """Which version answers, how far its clock is behind, and when this worker looked for a newer one."""
    follower: Follower = request.app.state.follower
    with view(request) as index:
        lag = (dt.datetime.now(dt.UTC) - index.as_of).total_seconds()
        return {**version(index), "customers": len(index), "lag_s": lag, "looked_s": follower.age, "pid": os.getpid()}


@app.exception_handler(segdex.SegdexError)
def refused(_: Request, error: Exception) -> JSONResponse:
    """Errors of the caller with what is wrong; others without what is none of the caller's business."""
    if isinstance(error, segdex.RuleError | segdex.ArgumentError):
        return JSONResponse({"error": str(error)}, 400)
    if isinstance(error, segdex.LimitError):
        return JSONResponse({"error": str(error)}, 422)
    return JSONResponse({"error": "the index cannot answer"}, 503)


# --- forms -------------------------------------------------------------------------------------------------------


def version(index: View) -> dict[str, Any]:
    """Which version answered."""
    return {"generation": index.generation, "as_of": index.as_of.isoformat().replace("+00:00", "Z")}


def arrow(found: pa.RecordBatchReader) -> bytes:
    """Record batches as an Arrow stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, found.schema) as writer:
        for batch in found:
            writer.write_batch(batch)
    return bytes(sink.getvalue().to_pybytes())


def lines(found: pa.RecordBatchReader) -> Iterator[str]:
    """Record batches as JSON lines; decimals and times as text."""
    for batch in found:
        yield "".join(json.dumps(row, default=str) + "\n" for row in batch.to_pylist())


def told(found: Changes) -> str:
    """What one generation changed, as a line."""
    sides = {
        side: {name: keys.to_pylist() for name, keys in held.items()}
        for side, held in (("entered", found.entered), ("left", found.left))
    }
    marks = {"redefined": found.redefined, "erased": found.erased}
    return json.dumps({"generation": found.generation, "as_of": found.as_of.isoformat(), **sides, **marks}) + "\n"
