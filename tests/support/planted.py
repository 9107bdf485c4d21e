"""A call with secrets in every place that people and programs put them, and words that are none."""

from __future__ import annotations

import json
from typing import Any

from support.events import Call

#: Names that secrets stand under in frames.
NAMES = (
    *("authorization", "api_key", "X-Api-Key", "access_token", "token", "bearer", "ephemeral_key"),
    *("jwt", "passwd", "password", "client_secret", "refreshToken", "cookie", "private_key"),
)


def planted_call(secret: str) -> Call:
    """A call in whose every kind of event this secret stands.

    Args:
        secret: letters and digits.
    """
    key = f"sk-{secret}"
    tool = {
        "type": "mcp",
        "server_label": "docs",
        "server_url": f"https://u{secret}:p{secret}@mcp.example.test/sse?key={secret}&x={secret}",
        "authorization": secret,
        "headers": {"X-Mine": secret},
    }
    named = dict.fromkeys(NAMES, secret)
    inner = json.dumps({"deep": [named], "again": json.dumps({"password": secret}), "city": "Oslo"})
    pair = [{"name": "OPENAI_API_KEY", "value": secret}, {"value": secret, "key": "token"}]
    args = ["run", "--api-key", secret, f"curl -u admin:{secret} -H 'Cookie: a=b; sid={secret}'"]
    inner = json.dumps({**json.loads(inner), "env": pair, "args": args, "headers": f"X: {secret}"})
    session = {"id": "sess_planted", "model": "gpt-realtime", "tools": [tool], "instructions": key}
    call = Call()
    call.server("session.created", session={**session, "client_secret": {"value": f"ek_{secret}"}})
    call.client("session.update", session=session)
    call.server("session.updated", session=session)
    call.store("metadata", metadata={"customer": "42", "note": key, "token": secret})
    call.server("conversation.created", conversation={"id": "conv_1"})
    call.typed("item_1", f"my key is {key} and the token is fine: ?password={secret}")
    call.created("resp_1", "conv_1", metadata={"topic": "returns", "api_key": secret})
    call.begins_speech("resp_1", "item_2")
    call.says("resp_1", "item_2", f"you said {key}")
    ids: dict[str, Any] = {"response_id": "resp_1", "item_id": "item_3", "output_index": 1}
    called = {
        "id": "item_3", "type": "function_call", "name": "f", "call_id": "call_1",
        "arguments": inner,
    }  # fmt: skip
    for begin in range(0, len(inner), 7):
        piece = inner[begin : begin + 7]
        call.server("response.function_call_arguments.delta", delta=piece, **ids)
    call.server("response.function_call_arguments.done", arguments=inner, **ids)
    call.server("response.output_item.done", item=called, **ids)
    call.server("conversation.item.added", item=called)
    result = {
        "id": "item_4", "type": "function_call_output", "call_id": "call_1",
        "output": f"Authorization: Bearer {secret}\n<apiKey>{secret}</apiKey>"
        f" API key: {secret} password => '{secret}, {secret}'\n{inner}",
    }  # fmt: skip
    call.client("conversation.item.create", item=result)
    call.server("conversation.item.added", item=result)
    mcp = {
        "id": "item_5", "type": "mcp_call", "server_label": "docs", "name": "search",
        "arguments": inner, "output": inner, "error": {"message": f"refused {key}"},
    }  # fmt: skip
    call.server("response.output_item.done", item=mcp, **ids)
    call.server("conversation.item.added", item=mcp)
    call.server("error", error={"type": "x", "code": "bad", "message": f"wrong api key: {key}"})
    call.server("unknown.event", thing={"nested": [{"credentials": [secret]}]})
    call.frame("server", f'no JSON at all, but {{"api_key": "{secret}"}}')
    call.frame("server", json.dumps({"type": "x", "password": secret}).encode())
    failed = {"type": "failed", "error": {"message": f"api_key={secret}"}}
    call.done("resp_1", "conv_1", status="failed", status_details=failed, output=[called, mcp])
    return call.store("closed", reason=f"token={secret}")
