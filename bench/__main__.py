"""`python -m bench`: run the measures and print what they gave."""

import argparse
import asyncio
import sys

import uvloop

from bench.dataset import ONE_MILLION, bench_server, connect
from bench.machine import describe, fdatasync_reading
from bench.report import Section
from bench.voice import measure_voice

async def main_async(what: str, quick: bool, pairs: int | None) -> list[Section]:
    async with bench_server(ONE_MILLION) as server:
        sections = await measure_voice(server, pairs=pairs or (2 if quick else 7), seconds=1.5 if quick else 4.0)
    return sections

if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for section in runner.run(main_async("voice", "--quick" in sys.argv, None)):
            print(section)
