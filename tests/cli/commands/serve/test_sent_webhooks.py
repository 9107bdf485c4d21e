"""Integration: the command `webhooks` sends what has ended, and lists what was given up."""

from __future__ import annotations

import json

import pytest
from support.calls import voice_call
from support.terminal import Terminal
from support.webhook_app import SECRET, App

from eventstore import EventStore
from eventstore.feed.webhooks import webhooks as sending

FRAMES = voice_call().frames


def test_webhooks(
    terminal: Terminal,
    store: EventStore,
    app: App,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert "EVENTSTORE_WEBHOOKS_SECRET" in terminal("webhooks", "--to", app.url).err
    monkeypatch.setenv("EVENTSTORE_WEBHOOKS_SECRET", SECRET)
    store.append("a", FRAMES, close=True)
    sending_all = ("webhooks", "--to", app.url, "--from", "start", "--once")
    assert "https:// alone" in terminal(*sending_all).err
    done = terminal(*sending_all, "--allow-private", "--json").json
    assert (done["sent"], done["failed"], done["given_up"]) == (1, 0, 0)
    assert app.told() == [("session.ended", "a")]
    assert terminal("webhooks", "--dead-letters").out == "No webhook was given up.\n"
    monkeypatch.setattr(sending, "MOST_TRIES", 1)
    app.statuses = [500]
    store.append("b", FRAMES, close=True)
    failed = terminal(*sending_all, "--allow-private")
    assert failed.code == 1
    assert failed.out == "Sent 0 webhooks; 1 failed, 1 given up.\n"
    (letter,) = terminal("webhooks", "--dead-letters", "--json").json["data"]
    assert (letter["session_id"], letter["error"]) == ("b", "status 500")
    assert "b  its end  1 times" in terminal("webhooks", "--dead-letters").out
    assert "1 webhook; see: eventstore webhooks --dead-letters" in terminal("status").out
    again = terminal("webhooks", "--to", app.url, "--allow-private", "--send-again")
    assert again.out == "Sent 1 webhook.\n" and json.loads(app.got[-1][1])["data"]["id"] == "b"
