"""What paths and queries name, in the ways in which clients write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.realtime.request_target import names_of_url, read_target

PAIR = [("customer", "42")]


@pytest.mark.parametrize(
    ("target", "path", "query", "metadata"),
    [
        ("/v1/realtime?model=m", "/v1/realtime", "model=m", []),
        ("/r?model=m&metadata[customer]=42", "/r", "model=m", PAIR),
        ("/r?metadata%5Bcustomer%5D=42&x", "/r", "x", PAIR),
        ("/metadata/customer=42/v1/realtime?model=m", "/v1/realtime", "model=m", PAIR),
        ("/metadata/customer%3D42/v1/realtime", "/v1/realtime", "", PAIR),
        ("/metadata/customer%3d42", "/", "", PAIR),
        ("/metadata/a=1/b=2/r", "/r", "", [("a", "1"), ("b", "2")]),
        ("/metadata/a=b=c/%C3%A9%20=1+2%2F3/r", "/r", "", [("a", "b=c"), ("é ", "1+2/3")]),
        ("/metadata/a=/r?metadata[b]=1+2", "/r", "", [("a", ""), ("b", "1 2")]),
        # No metadata, but paths of the upstream's own.
        ("/metadata", "/metadata", "", []),
        ("/metadata/v1/realtime", "/metadata/v1/realtime", "", []),
        ("/v1/metadata/a=1", "/v1/metadata/a=1", "", []),
        ("metadata/a=1/r", "metadata/a=1/r", "", []),
        ("/Metadata/a=1/r", "/Metadata/a=1/r", "", []),
    ],
)
def test_metadata_are_told_from_what_is_for_the_upstream(
    target: str, path: str, query: str, metadata: list[tuple[str, str]]
) -> None:
    assert read_target(target) == (path, query, metadata, [])


@pytest.mark.parametrize(
    ("query", "rest", "metadata"),
    [
        ("metadata[customer]=42?model=gpt-realtime", "model=gpt-realtime", PAIR),
        ("x=1&metadata[customer]=42?model=m", "x=1&model=m", PAIR),
        ("metadata[q]=what??model=m", "model=m", [("q", "what?")]),
        ("session=s?model=m", "session=s&model=m", []),
        ("model=a?model=b", "model=b", []),
        ("?model=m", "model=m", []),
        # Something else names the model: then it is a value's own text.
        ("model=m&metadata[page]=/a?model=b", "model=m", [("page", "/a?model=b")]),
        ("deployment=d&metadata[page]=/a?model=b", "deployment=d", [("page", "/a?model=b")]),
        ("metadata[page]=/a%3Fmodel=b", "", [("page", "/a?model=b")]),
    ],
)
def test_a_model_that_is_appended_as_text_is_a_parameter(
    query: str, rest: str, metadata: list[tuple[str, str]]
) -> None:
    assert read_target(f"/v1/realtime?{query}") == ("/v1/realtime", rest, metadata, [])


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("/metadata/a=%FF/good=1/r", "the path is no UTF-8"),
        ("/metadata/good=1/r?metadata[a]=%FF", "the query is no UTF-8"),
        ("/metadata/good=1/r?metadata[%FF]=1", "the query is no UTF-8"),
    ],
)
def test_what_is_no_text_is_taken_off_and_told(target: str, told: str) -> None:
    assert read_target(target) == ("/r", "", [("good", "1")], [told])


@given(st.text(alphabet="/metadata=[]?&%3D ab\x00é"))
def test_any_target_is_read(target: str) -> None:
    read = read_target(target)
    assert read_target(f"{read.path}?{read.query}").query == read.query
    names_of_url(read.path, read.query)


@pytest.mark.parametrize(
    ("path", "query", "names"),
    [
        ("/v1/realtime", "model=m", [("asked", "m")]),
        ("/openai/realtime", "api-version=1&deployment=d", [("asked", "d")]),
        ("/v1/realtime", "call_id=rtc_1&model=m", [("call_id", "rtc_1")]),
        ("/v1/realtime", "intent=transcription", [("kind", "transcription")]),
        ("/v1/realtime", "intent=conversation&model=&call_id=", []),
        ("/v1/live/sessions", "", [("kind", "live")]),
        ("/openai/v1/live/sessions/live_1/attach", "", [("kind", "live")]),
        ("/v1/live/sessions/live_1/fork", "", [("kind", "live")]),
        (
            "/voice-live/realtime",
            "agent-name=a&agent-project-name=p",
            [("agent", "agent-name=a"), ("agent", "agent-project-name=p"), ("kind", "voice-live")],
        ),
        (
            "/x/voice-live/realtime",
            "agent_id=1&project_id=2",
            [("agent", "agent-id=1"), ("agent", "project-id=2"), ("kind", "voice-live")],
        ),
        ("/v1/delive/sessions-of", "", []),
    ],
)
def test_what_an_address_names(path: str, query: str, names: list[tuple[str, str]]) -> None:
    assert names_of_url(path, query) == names
