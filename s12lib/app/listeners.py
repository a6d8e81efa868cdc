"""Who waits for the answers of Gradio's queue, and hears them as a stream of events."""

import asyncio
import time
from collections import Counter
from contextlib import suppress
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_UNHEARD = 20.0  # seconds that a request may be in the queue while nobody listens for its answer
MAX_FAREWELL = 1.0  # seconds from the word that no more answers come until the visitor has hung up
FAREWELL = b'"msg":"close_stream"'  # Gradio's word for that


class Listeners:
    """By visit, who listens. A visit has a name that the browser gives it, or Gradio for a program's one request."""

    def __init__(self, blocks: Any) -> None:
        self.blocks = blocks
        self.listening: Counter[str] = Counter()
        self.parting: dict[str, asyncio.Event] = {}  # set once who was told that no more answers come has hung up

    def expects(self, visit: str) -> bool:
        """Whether there are answers on their way to this visit."""
        return visit in self.blocks._queue.pending_messages_per_session

    def visit_of(self, event: str) -> str:
        """Whose request this is, or "" where it is nobody's."""
        queue = self.blocks._queue
        if event in queue.event_ids_to_events:
            return queue.event_ids_to_events[event].session_hash
        return next((visit for visit, events in queue.pending_event_ids_session.items() if event in events), "")

    def is_awaited(self, visit: str | None, event: str | None) -> bool:
        """Whether anybody listens for an answer, or may be about to. What nobody hears need not be computed."""
        if event is None or self.listening[visit or event]:
            return True
        joined = self.blocks._queue.event_analytics.get(event, {}).get("time", 0)
        return time.time() - joined < MAX_UNHEARD

    async def listen(self, visit: str, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand out answers as they come. When the visitor leaves, what waits for its turn is dropped at once."""
        gone = asyncio.Event()

        async def until_gone() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            gone.set()

        async def receive_what_is_left() -> Message:
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send_until_gone(message: Message) -> None:
            if FAREWELL in message.get("body", b""):
                self.parting[visit] = gone
            elif self.parting.get(visit) is gone and not message.get("more_body"):
                await within_seconds(MAX_FAREWELL, gone)  # that the visitor hangs up says that the word was read
            await send(message)

        self.listening[visit] += 1
        answering = asyncio.ensure_future(app(scope, receive_what_is_left, send_until_gone))
        leaving = asyncio.ensure_future(until_gone())
        try:
            await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.listening[visit] -= 1
            self.listening += Counter()  # drops those at zero
            leaving.cancel()
            has_all = self.parting.get(visit) is gone
            if not answering.done():
                answering.cancel()
                if not has_all and not self.listening[visit]:
                    await self.blocks._queue.clean_events(session_hash=visit)
            try:
                with suppress(asyncio.CancelledError):
                    await answering
            finally:
                if has_all:
                    del self.parting[visit]
                gone.set()  # where the stream ended by itself, its end says that no more comes

    def once_heard(self, visit: str | None, send: Send) -> Send:
        """``send`` for what is said to a visitor who asks for something, not before the last farewell was heard.

        The page opens a new stream only once it has read the farewell of the old one. Told before that that its request
        was taken, it would believe that the old stream brings the answer, and wait for ever.
        """

        async def send_then(message: Message) -> None:
            if visit in self.parting:
                await within_seconds(MAX_FAREWELL, self.parting[visit])
            await send(message)

        return send_then


async def within_seconds(limit: float, event: asyncio.Event) -> None:
    """Wait for the event, but no longer than that."""
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), limit)
