"""The verbs for subscriptions: follow all sessions, list subscriptions, drop one."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, cast

from sqlalchemy import Engine

from eventstore.brief import brief
from eventstore.common.arguments import check_seconds, check_text, check_whole
from eventstore.common.urls import split_server_url
from eventstore.errors import InvalidInputError
from eventstore.realtime.values import storable
from eventstore.store.filters.filters import BasicFilter, checked_filter
from eventstore.verbs.queries import Queries

if TYPE_CHECKING:
    from eventstore.exports.otel.traces import Traces
    from eventstore.feed.delivery import From, Of
    from eventstore.feed.feed import Feed
    from eventstore.feed.webhooks.dead_letters import DeadLetter
    from eventstore.feed.webhooks.webhooks import Webhooks
    from eventstore.verbs.filter_params import MetadataConditions
    from eventstore.verbs.reports import SubscriptionStatus


#: How many seconds a lease has at most.
_MOST_LEASE = 12 * 3600
#: How often a collector's limit of time is in the lease of traces. It is renewed after each
#: request, if half of it is over.
_LIMITS = 3


#: How many types of events a subscription has at most. They are a statement's parameters.
_MOST_TYPES = 100


def _checked_types(types: object) -> tuple[str, ...]:
    """Return types of events that a subscription can be of, or raise InvalidInputError."""
    if not isinstance(types, list | tuple | set | frozenset):
        raise InvalidInputError("types: give a list of types of events")
    if len(types) > _MOST_TYPES:
        raise InvalidInputError(f"types: at most {_MOST_TYPES}")
    for one in types:
        check_text("types", one)
        if storable(one) != one:
            raise InvalidInputError(f"types: {brief(one)} holds what no database keeps")
    return tuple(types)


class SubscriptionVerbs(Queries):
    """The verbs for subscriptions. `EventStore` has them all; make one of those."""

    #: The same database, for work that no time limit of queries ends.
    _work: Engine

    def subscribe(
        self,
        name: str,
        of: Of | None = None,
        from_: From = "now",
        *,
        types: Sequence[str] | None = None,
        metadata: MetadataConditions | None = None,
        lease: float = 30.0,
        once: bool = False,
    ) -> Feed:
        """Follow all sessions: each event, each finished response, or each session that has ended.

        A subscription has a checkpoint for each session in the database. So a process that ends
        goes on where it was, and several processes with one subscription share the sessions. What
        is of one session comes in its order, at least once; across sessions there is no order.

        Args:
            name: The subscription's name: letters, digits and `. _ : -`. It is added if the store
                has none of this name.
            of: `events` (which a new subscription is of by default), `responses`, `sessions`
                that have ended, `endings` for both, or `changes`, which tells of a session's new
                events once, however many have come. A subscription that is there stays of what it
                is.
            from_: Where a new subscription begins: at the `start` of all sessions, or with what
                comes from `now` on.
            types: Only events of these types. Without it, and without `metadata`, a subscription
                that is there delivers what it did before.
            metadata: Only sessions with this metadata, as for `sessions`; what comes before a
                session has it is not delivered.
            lease: How many seconds one delivery may take. After that, another process may get the
                session.
            once: End when there are no more deliveries for now, and do not wait for more.

        Returns:
            What yields the deliveries: iterate over it, or give its `run` a function.

        Raises:
            InvalidInputError: An argument is wrong, or the subscription is of something else.
            DatabaseUnavailableError: The database cannot be reached.
        """
        from eventstore.feed.delivery import check_from, check_of
        from eventstore.feed.feed import Feed
        from eventstore.feed.subscriptions import add_subscription

        check_text("name", name)
        if of is not None:
            check_of(of)
        check_from(from_)
        check_seconds("lease", lease)
        if lease > _MOST_LEASE:
            raise InvalidInputError(f"lease: at most {_MOST_LEASE:,} seconds")
        if types is not None:
            types = _checked_types(types)
        conditions = None
        if metadata is not None:
            conditions = tuple(checked_filter(BasicFilter, {"metadata": metadata}).metadata)
        consumer = add_subscription(self._work, name, of, from_, types, conditions)
        return Feed(self._work, consumer, lease, once)

    def webhooks(
        self,
        to: str,
        secret: str,
        *,
        on: str | Collection[str] = ("session.ended",),
        name: str = "webhooks",
        from_: From = "now",
        metadata: MetadataConditions | None = None,
        link: str | None = None,
        allow_private: bool = False,
        once: bool = False,
    ) -> Webhooks:
        """Post each finished response, or each session that has ended, to an app.

        Webhooks are signed as Standard Webhooks says, and sent in their order for each session. One
        that is not taken is sent again, with pauses that grow up to ten minutes. After 14 times it
        is given up: `dead_letters` lists it.

        Args:
            to: The app's URL, `https://…`.
            secret: The secret that signs them: `whsec_` and 24 bytes or more in base64.
            on: `session.ended`, `response.done` or both, also as one text with a comma.
            name: The name of their subscription: webhooks to two apps have two names.
            from_: Where they begin: at the `start` of all sessions, or with what comes from `now`.
            metadata: Only sessions with this metadata, as for `sessions`.
            link: Where the store's pages are, such as `https://calls.example.com`: each webhook has
                a link to its session.
            allow_private: Let them go to a private address, and by HTTP.
            once: End when all are sent, and do not wait for more.

        Returns:
            What sends them: call its `run`.

        Raises:
            InvalidInputError: An argument is wrong.
            DatabaseUnavailableError: The database cannot be reached.
        """
        from eventstore.common.standard_webhooks import parse_secret
        from eventstore.feed.webhooks.destination import parse_destination
        from eventstore.feed.webhooks.payload import subscription_of
        from eventstore.feed.webhooks.webhooks import Webhooks

        check_text("to", to)
        check_text("secret", secret)
        if link is not None:
            check_text("link", link)
        of = subscription_of(on)
        destination = parse_destination(to, allow_private)
        key = parse_secret(secret, "use whsec_ and 24 random bytes or more in base64")

        def feed() -> Feed:
            return self.subscribe(name, of, from_, metadata=metadata, once=once)

        feed().close()
        return Webhooks(self._work, name, feed, destination, key, link)

    def traces(
        self,
        to: str | None = None,
        *,
        name: str = "traces",
        from_: From = "now",
        metadata: MetadataConditions | None = None,
        content: bool = False,
        link: str | None = None,
        once: bool = False,
    ) -> Traces:
        """Send the spans of sessions to an OpenTelemetry collector while the sessions go on.

        The span of a response, a tool call or a transcription is sent when it ends, and the
        session's own when the session has ended. They are the spans that `read_spans` returns.
        While the collector is away, they wait. This needs the extra `otel`.

        Args:
            to: The collector's URL for OTLP over HTTP, such as `http://localhost:4318`; by default
                what OTEL_EXPORTER_OTLP_ENDPOINT names.
            name: The name of their subscription: two collectors need two names.
            from_: Where they begin: at the `start` of all sessions, or with what comes from `now`.
            metadata: Only sessions with this metadata, as for `sessions`.
            content: Include what was said, and the arguments and outputs of tools.
            link: Where the store's pages are, such as `https://calls.example.com`: each span has
                the address of its session's page.
            once: End when all are sent, and do not wait for more.

        Returns:
            What sends them: call its `run`.

        Raises:
            InvalidInputError: An argument is wrong.
            MissingExtraError: OpenTelemetry's packages are not installed.
            DatabaseUnavailableError: The database cannot be reached.
        """
        from eventstore.exports.otel.otlp_http import Endpoint
        from eventstore.exports.otel.traces import LOOK_EACH, Traces
        from eventstore.feed.delivery import check_from
        from eventstore.feed.feed import Feed
        from eventstore.feed.subscriptions import add_subscription

        for named, value in (("to", to), ("link", link)):
            if value is not None:
                check_text(named, value)
        check_text("name", name)
        check_from(from_)
        if link is not None and split_server_url(link, ("http", "https")) is None:
            raise InvalidInputError("link: give the URL of your pages, https://…")
        conditions = None
        if metadata is not None:
            conditions = tuple(checked_filter(BasicFilter, {"metadata": metadata}).metadata)
        endpoint = Endpoint(to)

        def feed() -> Feed:
            consumer = add_subscription(self._work, name, "changes", from_, None, conditions)
            lease = endpoint.seconds * _LIMITS
            return Feed(self._work, consumer, lease, once, LOOK_EACH, acknowledged=True)

        feed().close()
        return Traces(self._work, name, feed, endpoint, content, link, once)

    def dead_letters(self, name: str | None = None, limit: int = 100) -> list[DeadLetter]:
        """Return webhooks that were given up, by session and event.

        `send_again` has them sent once more.

        Args:
            name: Only those of this subscription; None for all.
            limit: How many at most.

        Raises:
            DatabaseUnavailableError: The database cannot be reached.
        """
        from eventstore.feed.webhooks.dead_letters import dead_letters

        if name is not None:
            check_text("name", name)
        check_whole("limit", limit, 1)
        return dead_letters(self.reader.engine, name, limit)

    def send_again(
        self, dead_letter: str | Collection[str] | None = None, *, name: str | None = None
    ) -> int:
        """Mark webhooks that were given up to be sent once more.

        Whoever sends the webhooks of their subscription sends them within seconds: `Webhooks.run`,
        `eventstore webhooks`, or a server that was told to. What is not taken is given up again.

        Args:
            dead_letter: The id of one, or ids of several; None for all.
            name: Of all, only those of this subscription.

        Returns:
            How many were marked; those that were marked before do not count.

        Raises:
            InvalidInputError: An argument is wrong.
            NotFoundError: This is no id of a webhook that was given up.
            DatabaseUnavailableError: The database cannot be reached.
        """
        from eventstore.feed.webhooks.dead_letters import mark, mark_all

        if name is not None:
            check_text("name", name)
        if dead_letter is None:
            return mark_all(self._work, name)
        ids = [dead_letter] if isinstance(dead_letter, str) else dead_letter
        if not isinstance(ids, list | tuple | set | frozenset):
            raise InvalidInputError("dead_letter: give an id, or a list of ids")
        for id_ in ids:
            check_text("dead_letter", id_)
        return sum(mark(self._work, id_) for id_ in ids)

    def subscriptions(self) -> list[SubscriptionStatus]:
        """Return the subscriptions that the store has, and how far each of them is.

        Returns:
            For each its name, what it is of, how many sessions are `behind`, how many of those
            `failed`, with the first hundred of them, and when it was followed last.

        Raises:
            DatabaseUnavailableError: The database cannot be reached.
        """
        from eventstore.store.consumers.subscription_status import subscription_status

        return cast("list[SubscriptionStatus]", subscription_status(self.reader.engine))

    def drop_subscription(self, name: str) -> None:
        """Forget a subscription, and how far it was. Subscribing again begins anew.

        Args:
            name: The subscription's name.

        Raises:
            InvalidInputError: The store has no such subscription.
            DatabaseUnavailableError: The database cannot be reached.
        """
        from eventstore.feed.subscriptions import drop_subscription

        check_text("name", name)
        drop_subscription(self._work, name)
