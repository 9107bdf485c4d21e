"""pipecat-ai's OpenAIRealtimeLLMService in a voice pipeline: spoken turns, one interrupts.

It calls no tool: where a call comes in the same moment as the user's words, as it does in a replay
without pauses, Pipecat may write the call first.
"""

from __future__ import annotations

import asyncio

from pipecat.frames.frames import (
    EndFrame,
    InputAudioRawFrame,
    LLMRunFrame,
    OutputAudioRawFrame,
    StartFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    AssistantTurnStoppedMessage,
    LLMContextAggregatorPair,
)
from pipecat.services.openai.realtime import events
from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import TransportParams
from pipecat.workers.runner import WorkerRunner
from pipecat_common import told
from telling import RATE, arguments, tell, turn


class Speaker(BaseOutputTransport):
    """Plays what is said, twice as fast as it would be."""

    def __init__(self) -> None:
        super().__init__(TransportParams(audio_out_enabled=True, audio_out_sample_rate=RATE))
        self.plays = asyncio.Event()

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        self.plays.set()
        await asyncio.sleep(len(frame.audio) / 2 / RATE / 2)
        return True


def service(url: str) -> OpenAIRealtimeLLMService:
    hearing = events.AudioInput(
        transcription=events.InputAudioTranscription(), turn_detection=events.TurnDetection()
    )
    properties = events.SessionProperties(audio=events.AudioConfiguration(input=hearing))
    return OpenAIRealtimeLLMService(
        api_key="sk-none",
        base_url=f"{url.replace('http:', 'ws:')}/v1/realtime",
        settings=OpenAIRealtimeLLMService.Settings(
            model="gpt-realtime", system_instruction="Be brief.", session_properties=properties
        ),
    )


async def main() -> None:
    llm, speaker = service(arguments().url), Speaker()
    context = LLMContext([{"role": "user", "content": "Good day."}])
    pair = LLMContextAggregatorPair(context)
    worker = PipelineWorker(
        Pipeline([pair.user(), llm, speaker, pair.assistant()]), enable_rtvi=False
    )
    answered: asyncio.Queue[AssistantTurnStoppedMessage] = asyncio.Queue()

    @pair.assistant().event_handler("on_assistant_turn_stopped")
    async def on_stopped(aggregator: object, message: AssistantTurnStoppedMessage) -> None:
        answered.put_nowait(message)

    async def speak() -> None:
        for chunk in turn():
            await worker.queue_frame(InputAudioRawFrame(chunk, RATE, 1))
            await asyncio.sleep(0.004)

    async def talk() -> None:
        await worker.queue_frame(LLMRunFrame())
        await answered.get()
        await speak()
        await answered.get()
        speaker.plays.clear()
        await speak()
        await speaker.plays.wait()
        # A user's words are in the context a second after they came, or with the next ones.
        await asyncio.sleep(1.5)
        await speak()
        assert (await answered.get()).interrupted
        await answered.get()
        await speak()
        await answered.get()
        await worker.queue_frame(EndFrame())

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await asyncio.gather(runner.run(), talk())
    tell(told(context))


asyncio.run(main())
