"""OpenAI's webhooks: which are genuine, by the `openai` package, and what becomes of a call."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai import InvalidWebhookSignatureError, OpenAI
from support.webhooks import SECRET, body_of, incoming, live_connected, live_incoming, signed

from eventstore import InvalidInputError
from eventstore.capture.calls.webhooks import (
    BadWebhookError,
    IncomingCall,
    call_metadata,
    check,
    parse_secret,
    read_call,
    signature,
)
from eventstore.realtime.metadata import check_metadata

KEY = parse_secret(SECRET)
CLIENT = OpenAI(api_key="none", webhook_secret=SECRET)
WANTED = {"from": "from", "to": "to", "x-customer": "customer"}


def is_taken(headers: dict[str, str], body: bytes) -> bool:
    try:
        check(KEY, headers, body, time.time())
    except BadWebhookError:
        return False
    return True


def openai_takes(headers: dict[str, str], body: bytes) -> bool:
    try:
        CLIENT.webhooks.verify_signature(body, headers)
    except (InvalidWebhookSignatureError, ValueError):
        return False
    return True


def test_what_we_sign_the_openai_package_reads() -> None:
    body = incoming("rtc_9", From="sip:+1555@sip.example.com")
    event: Any = CLIENT.webhooks.unwrap(body, signed(body))
    assert event.type == "realtime.call.incoming"
    assert event.data.call_id == "rtc_9"
    assert read_call(body) == IncomingCall("rtc_9", (("from", "sip:+1555@sip.example.com"),))


def test_a_secret_without_a_prefix_is_the_key_itself() -> None:
    plain = "a secret of many characters"
    body = incoming()
    headers = signed(body, secret=plain)
    OpenAI(api_key="none", webhook_secret=plain).webhooks.verify_signature(body, headers)
    check(parse_secret(plain), headers, body, time.time())


CHANGES = st.sampled_from(
    (
        {},
        {"webhook-id": "wh_other"},
        {"webhook-timestamp": str(int(time.time()) - 7)},
        {"webhook-timestamp": "soon"},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,AAAA"},
        {"webhook-signature": "v1,AAAA {}"},
        {"webhook-signature": "{} v1,AAAA"},
        {"webhook-signature": "v2,AAAA v1a,BBBB {}"},
        {"webhook-signature": "{}x"},
        {"webhook-signature": "v1,"},
    )
)


@given(CHANGES, st.text(max_size=20), st.booleans(), st.sampled_from((0, 200, 400, -200, -400)))
def test_we_take_what_the_openai_package_takes(
    change: dict[str, str], more: str, is_changed: bool, age: int
) -> None:
    body = body_of(more=more)
    headers = signed(body, "wh_1", age)
    told = {k: v.format(headers["webhook-signature"]) for k, v in change.items()}
    sent = body + b" " if is_changed else body
    assert is_taken({**headers, **told}, sent) == openai_takes({**headers, **told}, sent)


@pytest.mark.parametrize(
    ("age", "taken"), [(0, True), (290, True), (-290, True), (310, False), (-310, False)]
)
def test_the_time_is_at_most_five_minutes_off(age: int, taken: bool) -> None:
    body = incoming()
    assert is_taken(signed(body, age=age), body) == taken


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": ""},
        {"webhook-id": "x" * 300},
        {"webhook-id": "wh\n1"},
        {"webhook-timestamp": "-1"},
        {"webhook-timestamp": "1" * 5000},
        {"webhook-timestamp": "١٢٣"},
        {"webhook-signature": "\udc00é v1,é"},
        {"webhook-signature": "v1,AAAA " * 100_000},
    ],
)
def test_hostile_headers_are_refused(change: dict[str, str]) -> None:
    body = incoming()
    assert not is_taken({**signed(body), **change}, body)


def test_what_is_missing_is_refused() -> None:
    body = incoming()
    for name in signed(body):
        assert not is_taken({k: v for k, v in signed(body).items() if k != name}, body)


@pytest.mark.parametrize("secret", ["", "short", "whsec_", "whsec_AAAA", "whsec_no base64 at all!"])
def test_what_is_no_secret_is_refused_untold(secret: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        parse_secret(secret)
    hidden = secret.removeprefix("whsec_")
    assert not hidden or hidden not in str(refused.value)


# What a webhook says


@pytest.mark.parametrize("type_", ["response.completed", "live.session.ended", ""])
def test_other_events_tell_of_no_call(type_: str) -> None:
    assert read_call(body_of(type_, data={"call_id": "rtc_1"})) is None


@pytest.mark.parametrize("type_", ["live.call.incoming", "live.transport.incoming"])
def test_a_gpt_live_session_waits_to_be_accepted(type_: str) -> None:
    body = live_incoming("live_9", type_, From="sip:+1555@sip.example.com", X_A="b")
    event: Any = CLIENT.webhooks.unwrap(body, signed(body))
    assert (event.type, event.data.session_id) == (type_, "live_9")
    headers = (("from", "sip:+1555@sip.example.com"), ("x-a", "b"))
    assert read_call(body) == IncomingCall("live_9", headers, is_live=True)


def test_a_gpt_live_session_has_begun_over_webrtc() -> None:
    body = live_connected("live_9")
    event: Any = CLIENT.webhooks.unwrap(body, signed(body))
    assert (event.type, event.data.session_id) == ("live.transport.connected", "live_9")
    assert read_call(body) == IncomingCall("live_9", (), is_live=True)


@pytest.mark.parametrize("id_", [None, "", 1, "live/1", "l" * 129, "live_1\n", ["live_1"]])
def test_a_gpt_live_session_without_an_id_is_refused(id_: Any) -> None:
    with pytest.raises(BadWebhookError, match="no id"):
        read_call(body_of("live.transport.connected", data={"session_id": id_}))


@pytest.mark.parametrize("type_", [None, 1, ["live.call.incoming"], {}])
def test_a_type_that_is_no_text_tells_of_no_call(type_: Any) -> None:
    assert read_call(body_of(type_, data={"session_id": "live_1"})) is None


@pytest.mark.parametrize("body", [b"[]", b"null", b'"x"', b"1"])
def test_other_json_tells_of_no_call(body: bytes) -> None:
    assert read_call(body) is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b"[" * 60_000,
        body_of(),
        body_of(data=[]),
        body_of(data={"call_id": 1}),
        body_of(data={"call_id": ""}),
        body_of(data={"call_id": "rtc_1&model=x"}),
        body_of(data={"call_id": "rtc_1\n"}),
        body_of(data={"call_id": "x" * 129}),
    ],
)
def test_a_call_without_an_id_is_refused(body: bytes) -> None:
    with pytest.raises(BadWebhookError):
        read_call(body)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("sip:+142555512112@sip.example.com", "sip:+142555512112@sip.example.com"),
        ('"Ann" <sip:+1555@a.example;user=phone>;tag=9', "sip:+1555@a.example"),
        ('"<sip:evil@x>, \\"" <sip:real@a.example>;tag=9', "sip:real@a.example"),
        ("Ann <tel:+1555>", "tel:+1555"),
        ("sips:ann:secret@a.example", "sips:ann@a.example"),
        ("<sip:a@b", "<sip:a@b"),
        ("  ", None),
    ],
)
def test_whom_a_call_is_from_is_an_address(value: str, kept: str | None) -> None:
    for name in ("from", "to"):
        assert call_metadata([(name, value)], WANTED).get(name) == kept


def test_headers_that_are_asked_for_become_metadata() -> None:
    body = incoming(X_Customer=" 42; a=b ", X_Other="7", f="sip:a@b", To="sip:c@d")
    call = read_call(body)
    assert call is not None
    found = call_metadata(call.headers, WANTED)
    assert found == {"customer": "42; a=b", "from": "sip:a@b", "to": "sip:c@d"}


def test_a_header_that_comes_twice_counts_once() -> None:
    assert call_metadata([("x-customer", "42"), ("x-customer", "7")], WANTED) == {"customer": "42"}


@given(
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "name": st.sampled_from(("From", "x-customer", "X-CUSTOMER", "to", 1, None)),
                "value": st.one_of(st.text(), st.text(min_size=600), st.integers(), st.none()),
            },
        )
    )
)
def test_hostile_headers_become_metadata_within_the_limits(told: list[Any]) -> None:
    call = read_call(body_of(data={"call_id": "rtc_1", "sip_headers": told}))
    assert call is not None
    found = check_metadata(call_metadata(call.headers, WANTED))
    assert set(found) <= set(WANTED.values())
    assert all(value.isprintable() and value.encode() for value in found.values())


def test_many_headers_are_looked_at_no_further() -> None:
    many = [{"name": "x", "value": "y"}] * 100_000 + [{"name": "From", "value": "sip:a@b"}]
    call = read_call(body_of(data={"call_id": "rtc_1", "sip_headers": many}))
    assert call is not None
    assert len(call.headers) < 1000


def test_a_half_of_a_character_is_no_trouble() -> None:
    value = json.loads('"\\ud800 42 \\u202e\\u0000"')
    assert call_metadata([("x-customer", value)], WANTED) == {"customer": "42"}


def test_a_key_in_a_header_is_not_kept() -> None:
    value = "Bearer sk-proj-" + "a1B2c3D4" * 6
    found = call_metadata([("x-customer", value)], WANTED)
    assert "a1B2c3D4" not in found["customer"]


def test_a_signature_covers_all_of_a_webhook() -> None:
    one = signature(KEY, "wh_1", "17", b"{}")
    others = [("wh_2", "17", b"{}"), ("wh_1", "18", b"{}"), ("wh_1", "17", b"{} ")]
    assert all(signature(KEY, *other) != one for other in others)
