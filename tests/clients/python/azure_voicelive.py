"""azure-ai-voicelive: typed turns, one of which calls a tool, in the shape of Voice Live."""

from __future__ import annotations

import asyncio

from azure.ai.voicelive.aio import VoiceLiveConnection, connect
from azure.ai.voicelive.models import (
    FunctionCallOutputItem,
    FunctionTool,
    InputTextContentPart,
    Modality,
    RequestSession,
    UserMessageItem,
)
from azure.core.credentials import AzureKeyCredential
from event_items import EventItems, calls
from telling import arguments, tell

heard = EventItems()


async def answered(connection: VoiceLiveConnection) -> None:
    """Take events until the answer is complete, calls of tools included."""
    async for event in connection:
        told = event.as_dict()
        heard.take(told)
        if told["type"] == "error":
            raise RuntimeError(told)
        if told["type"] != "response.done":
            continue
        if not (called := calls(told["response"])):
            return
        for call in called:
            output = FunctionCallOutputItem(call_id=call["call_id"], output="It is sunny.")
            await connection.conversation.item.create(item=output)
        await connection.response.create()


async def main() -> None:
    credential = AzureKeyCredential("none")
    city = {"type": "object", "properties": {"city": {"type": "string"}}}
    tool = FunctionTool(name="get_weather", description="The weather.", parameters=city)
    async with connect(
        credential=credential, endpoint=arguments().url, model="gpt-realtime"
    ) as connection:
        session = RequestSession(modalities=[Modality.TEXT], instructions="Be brief.", tools=[tool])
        await connection.session.update(session=session)
        for words in ("Hello there.", "What is the weather?", "Goodbye."):
            item = UserMessageItem(content=[InputTextContentPart(text=words)])
            await connection.conversation.item.create(item=item)
            await connection.response.create()
            await answered(connection)
    tell(heard.items)


asyncio.run(main())
