"""livekit-agents' AgentSession: spoken turns, one interrupts an answer and calls a tool."""

from __future__ import annotations

import asyncio
import logging
import time

import aiohttp
from livekit import rtc
from livekit.agents import Agent, AgentSession, function_tool
from livekit.agents.voice import io
from livekit.plugins import openai
from livekit_common import told
from telling import CHUNK_MS, RATE, arguments, tell, turn


class Microphone(io.AudioInput):
    """Gives the chunks that are put into it."""

    def __init__(self) -> None:
        super().__init__(label="microphone")
        self._chunks: asyncio.Queue[bytes] = asyncio.Queue()

    async def __anext__(self) -> rtc.AudioFrame:
        chunk = await self._chunks.get()
        return rtc.AudioFrame(chunk, RATE, 1, RATE * CHUNK_MS // 1000)

    async def speak(self) -> None:
        for chunk in turn():
            self._chunks.put_nowait(chunk)
            await asyncio.sleep(0.004)


class Speaker(io.AudioOutput):
    """Plays at once what is said, but for an answer that goes on: of that, 600 milliseconds."""

    def __init__(self) -> None:
        capabilities = io.AudioOutputCapabilities(pause=False)
        super().__init__(label="speaker", capabilities=capabilities, sample_rate=RATE)
        self.plays = asyncio.Event()
        self._seconds = 0.0

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        if not self._seconds:
            self.on_playback_started(created_at=time.time())
        self._seconds += frame.duration
        if self._seconds > 2:
            self.plays.set()

    def flush(self) -> None:
        super().flush()
        if self._seconds > 2:
            return  # it still plays
        if self._seconds:
            self.on_playback_finished(playback_position=self._seconds, interrupted=False)
        self._seconds = 0.0

    def clear_buffer(self) -> None:
        if self._seconds:
            self.on_playback_finished(playback_position=0.6, interrupted=True)
        self._seconds = 0.0


class Assistant(Agent):
    def __init__(self) -> None:
        super().__init__(instructions="Be brief.")

    @function_tool
    async def get_weather(self, city: str) -> str:
        """The weather of a city."""
        return f"It is sunny in {city}."


async def main() -> None:
    url = arguments().url
    async with aiohttp.ClientSession() as http:
        model = openai.realtime.RealtimeModel(
            model="gpt-realtime", base_url=f"{url}/v1", api_key="sk-none", http_session=http
        )
        # Without it, nobody interrupts in the first seconds.
        session = AgentSession(llm=model, aec_warmup_duration=None)
        microphone, speaker = Microphone(), Speaker()
        session.input.audio, session.output.audio = microphone, speaker
        answers: asyncio.Queue[str] = asyncio.Queue()

        @session.on("conversation_item_added")
        def added(event: object) -> None:
            item = event.item
            if item.type == "message" and item.role == "assistant":
                answers.put_nowait(item.text_content or "")

        await session.start(Assistant(), record=False)
        await session.generate_reply(user_input="Good day.")
        await answers.get()
        await microphone.speak()
        await answers.get()
        await microphone.speak()
        await speaker.plays.wait()
        await microphone.speak()
        for _ in ("the story", "the weather"):
            await answers.get()
        await microphone.speak()
        await answers.get()
        items = told(session.history)
        await session.aclose()
    tell(items)


logging.basicConfig(level=logging.WARNING)
asyncio.run(main())
