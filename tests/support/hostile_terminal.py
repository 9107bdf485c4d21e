"""A call whose every text tries to steer a terminal."""

from __future__ import annotations

from support.events import Call, message, text_part
from support.terminal import Output

#: Colours, a bell, the one-byte introducer of sequences, a mark that turns the line round,
#: a line of its own, and rich's markup.
EVIL = "\x1b[31m\x1b]0;t\x07\x9b1m\u202e\r\n\x08[bold red]x[/][link=a]:smile:"


SHORT = "\x07\x9b\u202e"


def hostile_call() -> Call:
    """A call whose every text is hostile."""
    call = Call().store("opened", metadata={f"k{SHORT}": f"v{EVIL}"})
    call.server("session.created", session={"id": f"s{EVIL}", "model": f"m{SHORT}"})
    call.server("conversation.created", conversation={"id": f"c{SHORT}"})
    call.added(message(f"i1{SHORT}", f"user{SHORT}", text_part(f"hi {EVIL}", "input_text")))
    call.created(f"r1{SHORT}", f"c{SHORT}", metadata={f"k{SHORT}": f"v{EVIL}"})
    output = [
        {
            "id": f"i2{SHORT}",
            "type": "function_call",
            "name": f"n{EVIL}",
            "arguments": EVIL,
            "call_id": "x",
        },
        message(f"i3{SHORT}", f"assistant{SHORT}", text_part(f"needle {EVIL}")),
        {"id": f"i4{SHORT}", "type": f"t{SHORT}", "server_label": EVIL},
    ]
    for item in output:
        call.server("response.output_item.done", response_id=f"r1{SHORT}", item=item)
        call.added(item)
    call.server("response.output_text.delta", item_id=f"i5{SHORT}", delta=EVIL)
    details = {"type": "incomplete", "reason": f"why{SHORT}"}
    usage = {"input_tokens": 5, "output_tokens": 5}
    status = {"status": "incomplete", "status_details": details}
    call.done(f"r1{SHORT}", f"c{SHORT}", output=output, usage=usage, **status)
    call.created(f"r2{SHORT}", None).done(f"r2{SHORT}", None, output=output, usage=usage)
    call.server("error", error={"code": f"code{SHORT}", "message": EVIL})
    call.server(f"unknown{SHORT}").frame("server", EVIL).frame("client", EVIL.encode())
    call.server("session.input_transcript.delta", delta=EVIL)
    return call.store("closed", reason=EVIL)


def steers(told: Output) -> list[str]:
    """Lines that hold anything but what is printed as it is."""
    text = told.out + told.err
    return [ascii(line) for line in text.split("\n") if not line.isprintable()]
