"""Find secrets in words: keys of a known shape, and values that are assigned to a secret name.

Called by mask.py for frames, resources and words, and by mask_session.py for deltas. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from eventstore.realtime.masking.secret_addresses import addresses_in
from eventstore.realtime.masking.secret_names import (
    SecretSpan,
    has_digit,
    is_mixed,
    is_secret_name,
    normalized_name,
)

# A text with none of these has no secret. Searching them takes a fraction of the time.
_HINTS = (
    *("key", "token", "secret", "pass", "pwd", "credential", "cookie", "auth", "jwt", "bearer"),
    *("headers", "connection", "sk-", "sk_", "ek_", "ek-", "://", "basic", "eyj", "-----begin"),
    *("\\u00", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "_pat_", "glpat-", "hf_", "gsk_", "xai-"),
    *("xox", "xapp-", "npm_", "pypi-", "whsec_", "shpat_", "rk_live_", "sg.", "aiza", "ya29."),
    *("tvly-", "r8_", "akia", "asia", "dop_v1_", "pplx-", "lin_api_", "ntn_", "sq0atp-", "glptt-"),
    *("rk_test_", "dapi", "hvs.", "dp.st.", "csrf", "-u ", "--user", "safety"),
)

# Signs of an assignment, and those of them that also occur in speech.
_SIGNS = ("=", ":", "\uff1d", "\uff1a", "%3")
_COLONS = (":", "\uff1a", "%3A", "%3a")


def may_hold(text: str) -> bool:
    """Return False if a text certainly has no secret. This is a quick check."""
    lowered = text.lower()
    return any(hint in lowered for hint in _HINTS)


# Shapes. Each expression matches a run of characters from its beginning to its end, so that no
# character is read more than a few times, whatever the text is.

_RUN = re.compile(r"[A-Za-z0-9_.\-]{9,}+")
_OWN_PREFIXES = ("sk-", "sk_", "ek_", "ek-")
_PREFIXES = (
    *("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "hf_", "gsk_", "xai-"),
    *("xoxb-", "xoxp-", "xoxa-", "xoxe-", "xoxe.", "xoxs-", "xapp-", "npm_", "pypi-", "glptt-"),
    *("dckr_pat_", "whsec_", "shpat_", "dop_v1_", "pplx-", "lin_api_", "ntn_", "sq0atp-"),
    *("rk_live_", "rk_test_", "SG.", "AIza", "ya29.", "tvly-", "r8_", "dapi", "hvs.", "dp.st."),
)
_AWS_KEY = re.compile("A[KS]IA[A-Z0-9]{16}")
#: The name of a websocket's subprotocol that has a key contains this.
_SUBPROTOCOL = "api-key."
# At the end of a text that continues: a run of characters, and a possible password of a URL.
_LAST_RUN = re.compile(r"(?<![A-Za-z0-9_.\-])[A-Za-z0-9_.\-]{8,}+\Z")
_LAST_USER = re.compile(r"://[^\s/@:\"'\\<>]{1,100}+:([^\s/@\"'\\<>]++)\Z")
_LONGEST_RUN = 1000
_SCHEME = re.compile(r"\b(bearer|basic)(?:\s|%20|\+){1,4}([A-Za-z0-9._~+/=\-]{8,}+)", re.IGNORECASE)
#: A name, the quotes after it, and the sign between it and its value.
ASSIGNED = re.compile(
    r"(?<![\w\-])([A-Za-z0-9_\-]{2,40}+)[\"'\\]{0,8}[ \t]{0,8}"
    r"(=>|:=|={1,3}|[:\uff1d\uff1a]|%3[DdAa])\s{0,8}"
)
QUOTED = re.compile(r"[\"'\\]{1,8}")
_LAST_QUOTE = re.compile(r"\\*[\"']\Z")
_WORD_BEFORE = re.compile(r"([A-Za-z]{2,14}) \Z")
_SAID = re.compile(
    r"\b(?:password|passcode|passphrase|token|secret|credential"
    r"|(?:api|access|secret|auth|private|subscription)[ _\-]?key)s?\s{1,2}(?:is|are|was)\s{1,2}"
    r"[\"'`\u201c]?([^\s\"'`\u201d\\,;{}\[\]()<>]{8,}+)",
    re.IGNORECASE,
)
_OPTION = re.compile(
    r"(?<![\w\-])--?([A-Za-z][A-Za-z0-9_\-]{1,40}+)\s{1,4}[\"'\\]{0,4}([^\s\"'\\\-][^\s\"'\\]{3,}+)"
)
_USER = re.compile(
    r"(?<![\w\-])(?:-u|--user|--proxy-user)[\s=]{1,2}[\"'\\]{0,4}"
    r"([^\s:\"'\\]{1,80}+:(?!//)[^\s\"'\\]++)"
)
_ELEMENT = re.compile(
    r"<(?:[\w.\-]{1,40}:)?([A-Za-z][\w.\-]{1,40}+)(?:\s[^<>]{0,200}+)?>([^<>]{4,}+)(?:</|\Z)"
)
_FIELD = re.compile(
    r"\b(?:name|id|key)=[\"'\\]{1,4}([\w.\-]{2,40}+)[\"'\\]{1,4}"
    r"[^<>]{0,100}?\bvalue=[\"'\\]{1,4}([^\"'\\<>]{4,}+)"
)
_VALUE = re.compile(r"[^\s\"'\\&,;{}\[\]()<>]++")
_PERCENT_VALUE = re.compile(r"(?:[^\s\"'\\&,;{}\[\]()<>%]|%(?!2[36]))++")
_COOKIES = re.compile(r"[^\"'\\\r\n{}\[\]<>]++")
# Schemes of an Authorization header whose credentials contain commas and quotes.
_SCHEMES = re.compile(r"(?:digest|aws4|hawk|oauth|signature)\b", re.IGNORECASE)
_LINE = re.compile(r"[^\r\n]++")
_SENTENCE = re.compile(r"[^\"'\\\r\n,;{}\[\]<>]++")
_PEM, _PEM_KEYS, _PEM_END = (
    "-----BEGIN ",
    ("PRIVATE KEY-----", "PRIVATE KEY BLOCK-----"),
    "-----END ",
)
_SHORT, _LONG, _FOREIGN = 6, 12, 20
_FEW, _SOME = 4, 8
_LONGEST_QUOTED = 4000


def secrets_in(text: str, is_json: bool = False) -> Iterator[SecretSpan]:
    """Yield the places of secrets in words: keys, passwords of URLs, assigned values and others.

    The places may overlap, and have no order.

    Args:
        text: The text.
        is_json: True if the text is JSON. The caller then checks its names and values.
    """
    yield from _keys(text)
    for found in _SCHEME.finditer(text):
        if _is_credential(found[1].lower(), found[2]):
            yield found.span(2)
    if any(sign in text for sign in _SIGNS):
        yield from _assigned(text, is_json)
    for found in _SAID.finditer(text):
        if is_mixed(found[1]):
            yield found.span(1)
    if " -" in text or text.startswith("-"):
        yield from _of_options(text)
    if ">" in text or "value=" in text:
        yield from _of_elements(text)
    if "://" in text:
        yield from addresses_in(text)
    if _PEM in text:
        yield from _pem_keys(text)


def begun_at_end(text: str) -> Iterator[SecretSpan]:
    """Yield the places of possible beginnings of secrets at the end of a text that continues.

    These are keys of a known shape, and passwords in URLs, which only the following `@` would tell.
    """
    for run in _LAST_RUN.finditer(text, max(0, len(text) - _LONGEST_RUN)):
        known = next((len(one) for one in _PREFIXES if run[0].startswith(one)), len(text))
        if len(run[0]) >= known + _FEW and is_mixed(run[0][known:]):
            yield run.span()
    for user in _LAST_USER.finditer(text, max(0, len(text) - _LONGEST_RUN)):
        if not user[1].isdigit():
            yield user.span(1)


def _keys(text: str) -> Iterator[SecretSpan]:
    for run in _RUN.finditer(text):
        if has_key_shape(run[0]):
            yield run.span()
        elif "." in run[0]:
            yield from _behind_dots(run[0], run.start())


def has_key_shape(run: str) -> bool:
    """Return True if a run of characters without spaces has the shape of a key."""
    run = run.lstrip("._-")
    if run.startswith(_OWN_PREFIXES):
        rest = run[3:]
        return len(rest) >= _LONG or (len(rest) >= _SHORT and is_mixed(rest))
    if _AWS_KEY.fullmatch(run):
        return True
    if run.startswith("eyJ"):
        return run.count(".") >= 1 and len(run) >= _FOREIGN
    return run.startswith(_PREFIXES) and len(run) >= _FOREIGN + 4 and is_mixed(run)


def looks_random(value: str) -> bool:
    """Return True if a text looks like a password or a key, and not like words or a name."""
    return len(value) >= _SOME and " " not in value and has_digit(value) and is_mixed(value)


def _is_credential(scheme: str, value: str) -> bool:
    return is_mixed(value) or "=" in value or (scheme == "bearer" and len(value) >= _FOREIGN)


def _behind_dots(run: str, start: int) -> Iterator[SecretSpan]:
    """Yield the place of a key after a dot, as in the name of a subprotocol."""
    begin = run.find(_SUBPROTOCOL) + len(_SUBPROTOCOL)
    if begin < len(_SUBPROTOCOL):
        places = (run.find(f".{prefix}") + 1 for prefix in _OWN_PREFIXES)
        begin = min((place for place in places if place and has_key_shape(run[place:])), default=-1)
    if begin >= 0 and len(run) - begin >= _SOME:
        yield start + begin, start + len(run)


def _of_elements(text: str) -> Iterator[SecretSpan]:
    """Yield the values of secret elements of XML and fields of HTML: `<apiKey>VALUE</apiKey>`."""
    for found in (*_ELEMENT.finditer(text), *_FIELD.finditer(text)):
        if is_secret_name(found[1]):
            yield found.span(2)


def _of_options(text: str) -> Iterator[SecretSpan]:
    """Yield the values of secret options of commands: `--api-key VALUE`, `-u user:password`."""
    for found in _OPTION.finditer(text):
        if is_secret_name(found[1]) and is_mixed(found[2]):
            yield found.span(2)
    for found in _USER.finditer(text):
        yield found.span(1)


def is_assigned_secret(text: str, found: re.Match[str]) -> bool:
    """Return True if the name of a match of `ASSIGNED` is secret, as in `token=` and `API key:`.

    Args:
        text: The text.
        found: The match.
    """
    if is_secret_name(found[1]):
        return True
    if normalized_name(found[1]) not in ("key", "keys"):
        return False
    start = found.start()
    word = _WORD_BEFORE.search(text, max(0, start - 16), start)
    return word is not None and is_secret_name(f"{word[1]}key")


def closing_quote(quote: str) -> re.Pattern[str] | None:
    """Return an expression for the end of a text that begins with these quotes, or None.

    Args:
        quote: The text of a match of `QUOTED`: one or more quotes, which may be escaped.
    """
    last = _LAST_QUOTE.search(quote)
    if last is None or quote == last[0] * 2:
        return None
    return re.compile(rf"(?<!\\){re.escape(last[0])}")


def _assigned(text: str, is_json: bool) -> Iterator[SecretSpan]:
    """Yield the values of `name=value`, `name: value` and `'name': 'value'`."""
    place = 0
    # For each kind of value, the place up to which values are known to be words of speech.
    words: dict[re.Pattern[str], int] = {}
    while (found := ASSIGNED.search(text, place)) is not None:
        place = found.end()
        if not is_assigned_secret(text, found):
            continue
        quote = QUOTED.match(text, place)
        if quote is not None and is_json and '"' in quote[0] and found[2] == ":":
            continue
        if quote is not None and (end := _end_of_quoted(text, quote)) is not None:
            if end - quote.end() >= _FEW:
                yield quote.end(), end
                place = end
            continue
        header = normalized_name(found[1]).endswith(("authorization", "cookie"))
        start = quote.end() if quote is not None else place
        kind = _kind_of_value(text, found, start, quote is not None)
        is_spoken = quote is None and found[2] in _COLONS
        if is_spoken and start < words.get(kind, 0):
            continue
        value = kind.match(text, start)
        if value is None:
            continue
        if _is_meant(value[0], is_spoken, header):
            yield value.span()
            place = value.end()
        elif is_spoken:
            words[kind] = value.end()


def _end_of_quoted(text: str, quote: re.Match[str]) -> int | None:
    """Return the end of a quoted value, or None if it has none, or none nearby."""
    ends = closing_quote(quote[0])
    if ends is None:
        # Two equal quotes are an empty text.
        return quote.end() if _LAST_QUOTE.search(quote[0]) else None
    found = ends.search(text, quote.end(), quote.end() + _LONGEST_QUOTED)
    return None if found is None else found.start()


def _kind_of_value(text: str, found: re.Match[str], start: int, is_quoted: bool) -> re.Pattern[str]:
    """Return the expression for a value that is not in quotes, by its name and its place."""
    name = normalized_name(found[1])
    if name.endswith("cookie"):
        return _COOKIES
    if name.endswith("authorization"):
        is_within = text[found.start() - 1 : found.start()] in ('"', "'")
        return _LINE if not is_within and _SCHEMES.match(text, start) else _SENTENCE
    if is_quoted:
        return _SENTENCE
    return _PERCENT_VALUE if found[2].startswith("%") else _VALUE


def _is_meant(value: str, is_spoken: bool, is_header: bool) -> bool:
    """Return True if a value is a secret, and not words: speech often has a colon."""
    if not is_spoken:
        return len(value) >= _FEW
    return len(value) >= _SOME and (is_mixed(value) or (is_header and "=" in value))


def _pem_keys(text: str) -> Iterator[SecretSpan]:
    place = text.find(_PEM)
    while place >= 0:
        stop = text.find("-----", place + len(_PEM))
        begin = stop + 5 if stop >= 0 else len(text)
        if text[place:begin].endswith(_PEM_KEYS):
            end = text.find(_PEM_END, begin)
            end = len(text) if end < 0 else end
            yield begin, end
            begin = end
        place = text.find(_PEM, begin)
