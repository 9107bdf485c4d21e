"""Takes OpenAI's webhooks, and has each call that they tell of recorded by a sideband.

The HTTP server (`web/api/webhooks.py`) hands each webhook over here. The app itself accepts the
call; a recording waits for that.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from eventstore.capture.calls.call_recordings import (
    CallRecordings,
    CallToRecord,
    CallUpdate,
    FindSession,
    TooManyCallsError,
)
from eventstore.capture.calls.sideband import call_address
from eventstore.capture.calls.webhooks import (
    FROM,
    TO,
    BadWebhookError,
    IncomingCall,
    call_metadata,
    check,
    read_call,
)

#: Ids of webhooks that are remembered, so that one that comes again is told from a new one.
_REMEMBERED = 10_000
#: Seconds in which a refusal of one kind is told once.
_QUIET = 60.0
#: Seconds to wait for a call's accept, unless others are named.
WAIT = 60.0


@dataclass
class IncomingCalls:
    """Has the calls recorded that webhooks tell of.

    Attributes:
        secret: the key of the webhooks' secret.
        recordings: records them.
        upstream: what stands for `wss://api.openai.com/v1`.
        wait: seconds to wait for a call's accept.
        metadata: pairs to set on each session, which no call replaces.
        headers: the key of metadata for each SIP header that is wanted, by its name in lower
            case, beside From and To.
        tell: told what happens to each call.
        tell_refused: told in words why a webhook was refused, once a minute for each cause.
        find: says in which session a call was recorded before.
    """

    secret: bytes
    recordings: CallRecordings
    upstream: str
    wait: float
    metadata: Mapping[str, str]
    headers: Mapping[str, str]
    tell: Callable[[CallUpdate], None]
    tell_refused: Callable[[str], None]
    find: FindSession | None = None
    _seen: OrderedDict[str, None] = field(default_factory=OrderedDict, init=False)
    _told: dict[str, float] = field(default_factory=dict, init=False)

    def receive(self, headers: Mapping[str, str], body: bytes) -> None:
        """Take a webhook. One that came before, or that tells of no call, is done with.

        Raises:
            BadWebhookError: it is not genuine, too old, or cannot be read.
            TooManyCallsError: its call is not recorded, unless the webhook comes again later.
        """
        try:
            webhook_id = check(self.secret, headers, body, time.time())
            if webhook_id in self._seen:
                return
            call = read_call(body)
            if call is not None:
                self._start(call)
        except BadWebhookError as error:
            self._refuse(str(error))
            raise
        except TooManyCallsError:
            self._refuse("as many calls are recorded at once as may be")
            raise
        self._seen[webhook_id] = None
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)

    def _start(self, call: IncomingCall) -> None:
        wanted = {FROM: FROM, TO: TO, **self.headers}
        pairs = {**call_metadata(call.headers, wanted), **self.metadata}
        address = call_address(self.upstream, call.call_id)
        asked = CallToRecord(call.call_id, address, pairs, self.wait)
        if self.recordings.start(asked, self.tell, self.find):
            self.tell(CallUpdate(call.call_id, "incoming"))

    def _refuse(self, why: str) -> None:
        now = time.monotonic()
        if now - self._told.get(why, -_QUIET) >= _QUIET:
            self._told[why] = now
            self.tell_refused(why)
