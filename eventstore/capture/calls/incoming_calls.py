"""Handle OpenAI's webhooks, and start to record each call that they name.

The HTTP server (`web/api/webhooks.py`) passes each webhook to `IncomingCalls.receive`. The app
itself accepts the call; the recording waits for that.
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
from eventstore.realtime.upstream_urls import live_upstream

#: Ids of webhooks that are kept, to recognize a webhook that is sent again.
_KEPT_IDS = 10_000
#: Seconds in which refusals for the same reason are reported once.
_REFUSAL_INTERVAL = 60.0
#: Seconds to wait until a call is accepted, unless the caller gives another number.
WAIT = 60.0


@dataclass
class IncomingCalls:
    """Starts to record the calls that webhooks name.

    Attributes:
        secret: The key of the webhooks' secret.
        recordings: Records the calls.
        upstream: The base URL to use instead of `wss://api.openai.com/v1`.
        wait: Seconds to wait until a call is accepted.
        metadata: Pairs to set on each session, which no call replaces.
        headers: For each SIP header wanted besides From and To, by its name in lower case, the key
            of metadata to store its value under.
        tell: Called when something happens to a call.
        tell_refused: Called with the reason when a webhook is refused, once a minute for each
            reason.
        find: Returns the session in which a call was recorded before.
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
    _refused_at: dict[str, float] = field(default_factory=dict, init=False)

    def receive(self, headers: Mapping[str, str], body: bytes) -> None:
        """Handle a webhook; one that was sent before, or that names no call, is ignored.

        Raises:
            BadWebhookError: If it is not genuine, is too old, or cannot be read.
            TooManyCallsError: If its call is not recorded. The webhook may be sent again later.
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
        if len(self._seen) > _KEPT_IDS:
            self._seen.popitem(last=False)

    def _start(self, call: IncomingCall) -> None:
        keys = {FROM: FROM, TO: TO, **self.headers}
        pairs = {**call_metadata(call.headers, keys), **self.metadata}
        upstream = live_upstream(self.upstream) if call.is_live else self.upstream
        address = call_address(upstream, call.call_id)
        request = CallToRecord(call.call_id, address, pairs, self.wait)
        if self.recordings.start(request, self.tell, self.find):
            self.tell(CallUpdate(call.call_id, "incoming"))

    def _refuse(self, why: str) -> None:
        now = time.monotonic()
        if now - self._refused_at.get(why, -_REFUSAL_INTERVAL) >= _REFUSAL_INTERVAL:
            self._refused_at[why] = now
            self.tell_refused(why)
