"""What (b) is measured against: the least that a FastAPI application can do with a carrier's request and its database.

    python -m bench.baseline PORT DSN

No signature is checked, no agent looked for, nothing pushed and nothing logged: the form is read, the number looked up
by its index, a row put into a plain table.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import uvicorn
from fastapi import FastAPI, Request, Response

TABLE = """
CREATE TABLE IF NOT EXISTS bench_baseline (
    call_sid text PRIMARY KEY,
    from_number text NOT NULL,
    customer_id uuid,
    received_at timestamptz NOT NULL DEFAULT now()
)
"""
_LOOK_UP = "SELECT customer_id FROM customer_phones WHERE bucket = $1 AND e164 = $2"
_KEEP = "INSERT INTO bench_baseline (call_sid, from_number, customer_id) VALUES ($1, $2, $3)"


def create_app(dsn: str) -> FastAPI:
    """The application on the database at `dsn`, which has `TABLE`."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with asyncpg.create_pool(dsn) as app.state.pool:
            yield

    app = FastAPI(lifespan=lifespan)

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/voice")
    async def voice(request: Request) -> Response:
        form = await request.form()
        # One connection for both statements: asked of the pool twice, it would cost the baseline more.
        async with request.app.state.pool.acquire() as connection:
            customer_id = await connection.fetchval(_LOOK_UP, form["From"][-8:], form["From"])
            await connection.execute(_KEEP, form["CallSid"], form["From"], customer_id)
        return Response("<Response/>", media_type="text/xml")

    return app


if __name__ == "__main__":
    uvicorn.run(
        create_app(sys.argv[2]),
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )
