"""An example of the fuzzer: a store of hostile sessions, and all that can be asked of it."""

from __future__ import annotations

from unittest import mock

from fuzz.commands import changing, reading, run_commands
from fuzz.opened import Opened, Places, ids_of, write
from fuzz.routes import (
    ask_routes,
    ask_to_append,
    ask_to_erase,
    ask_to_score,
    ask_to_score_on_pages,
    ask_to_send_again,
    client_of,
)
from fuzz.streams import Form, Session
from fuzz.tally import Tally
from fuzz.tenants import check_tenants
from fuzz.verbs import ask_exports, ask_verbs

from eventstore.exports import html as export_html
from eventstore.sound.call_audio import SoundLimit
from eventstore.web.api import audio


def check_store(tally: Tally, places: Places, form: Form, written: list[Session]) -> None:
    """Write the sessions into a new store, and ask for all that it can answer."""
    tally.counts["stores"] += 1
    tally.counts["streams"] += len(written)
    with (
        # Encoding hours of silence finds nothing.
        mock.patch.object(export_html, "_SOUND", SoundLimit(60, 10**8)),
        mock.patch.object(audio, "LIMIT_SECONDS", 60.0),
        tally.hearing(),
        places.open(form) as opened,
    ):
        write(tally, opened, form, written)
        ids = ids_of(opened)
        if form.shared:
            check_tenants(tally, opened, ids, written)
            return
        ask_verbs(tally, opened, ids)
        ask_exports(tally, opened, ids, places.copied("elsewhere.db"))
        run_commands(tally, opened, reading(ids))
        with client_of(opened.store) as client:
            ask_routes(tally, client, ids)
            ask_to_append(tally, client, ids, written)
            ask_to_score(tally, client, ids)
            ask_to_score_on_pages(tally, client, ids)
            ask_to_send_again(tally, client, ids)
            run_commands(
                tally,
                opened,
                changing(ids, _exported(opened, ids.sessions), places.copied("copy.db")),
            )
            ask_to_erase(tally, client, ids)
        tally.ask("writes", "sum_days", opened.store.sum_days)
        tally.ask("writes", "price_sessions", opened.store.price_sessions)
        tally.ask("verbs", "usage", lambda: opened.store.usage("day"))


def _exported(opened: Opened, ids: list[str]) -> bytes:
    return b"".join(line for id_ in ids for line in opened.store.export(id_))
