"""What is secret: names that secrets stand under, and shapes that secrets have. Pure.

This is the one list for all that masks: `mask.py` uses it for frames, resources and words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

#: What stands in place of a secret.
REMOVED = "[removed]"

Span = tuple[int, int]

# Names are compared without case and signs. A name that ends like this holds a secret.
_ENDINGS = (
    *("authorization", "apikey", "subscriptionkey", "accesskey", "secretkey", "privatekey"),
    *("signingkey", "encryptionkey", "ephemeralkey", "accountkey", "masterkey", "sharedkey"),
    *("token", "accesstokens", "authtokens", "refreshtokens", "apitokens", "secret", "secrets"),
    *("apikeys", "password", "passwords", "passwd", "pwd", "passphrase", "passcode"),
    *("credential", "credentials", "cookie", "cookies", "jwt", "bearer", "connectionstring"),
)
_WHOLE = frozenset({"auth", "oauth", "pass", "authentication"})
_WITHIN = ("password", "passwd", "apikey", "clientsecret", "accesstoken", "refreshtoken")
# These end with "token", and are places in a list or parts of a model's vocabulary.
_HARMLESS = frozenset(
    f"{name}token"
    for name in (
        *("page", "nextpage", "previouspage", "next", "prev", "continuation", "sync", "pagination"),
        *("max", "per", "eos", "bos", "pad", "stop", "unk", "mask", "timestamp", "cursor"),
    )
)
#: In the query of an address, these names hold a secret as well.
_QUERY = frozenset({"key", "sig", "signature", "pw", "sas", "hmac", "assertion", "ticket"})
_QUERY_ENDINGS = ("signature", "assertion")
#: Headers that say nothing of whoever sends them.
HARMLESS_HEADERS = frozenset(
    {
        *("accept", "acceptencoding", "acceptlanguage", "contenttype", "contentlength", "host"),
        *("contentencoding", "useragent", "date", "connection", "cachecontrol", "openaibeta"),
    }
)


@lru_cache(maxsize=10_000)
def plain(name: str) -> str:
    """Return a name without case and signs, as names are compared: `X-Api-Key` is `xapikey`."""
    return re.sub("[^a-z0-9]", "", name.lower())


@lru_cache(maxsize=10_000)
def is_secret_name(name: str) -> bool:
    """Return True if what stands under this name is a secret.

    Args:
        name: as it is written, such as `api_key`, `X-Api-Key` or `apiKey`.
    """
    found = plain(name).rstrip("0123456789")
    if found in _HARMLESS:
        return False
    return found in _WHOLE or found.endswith(_ENDINGS) or any(part in found for part in _WITHIN)


# Shapes. Each expression begins where a run of signs begins and takes all of it, so that none
# looks at a sign more than a few times, whatever the text is.

_RUN = re.compile(r"[A-Za-z0-9_.\-]{9,}+")
_OWN_PREFIXES = ("sk-", "sk_", "ek_", "ek-")
_PREFIXES = (
    *("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "hf_", "gsk_", "xai-"),
    *("xoxb-", "xoxp-", "xoxa-", "xapp-", "npm_", "pypi-", "dckr_pat_", "whsec_", "shpat_"),
    *("rk_live_", "SG.", "AIza", "ya29.", "tvly-", "r8_"),
)
_SCHEME = re.compile(r"\b(bearer|basic)\s{1,4}([A-Za-z0-9._~+/=\-]{8,}+)", re.IGNORECASE)
#: A name with what stands between it and its value, and the quotes before that.
ASSIGNED = re.compile(r"(?<![\w\-])([A-Za-z0-9_\-]{2,40}+)[\"'\\]{0,8}\s{0,2}([=:])\s{0,2}")
QUOTED = re.compile(r"[\"'\\]{1,8}")
_VALUE = re.compile(r"[^\s\"'\\&,;{}\[\]()<>]++")
_SENTENCE = re.compile(r"[^\"'\\\r\n,;{}\[\]<>]++")
_ADDRESS = re.compile(r"://([^\s\"'\\<>]++)")
_PARAMETER = re.compile(r"([^&;=]*+)=([^&;]*+)")
_DIGIT = re.compile("[0-9]")
_MIXED = re.compile("[a-z][A-Z]|[A-Z][a-z]+[A-Z]")
_PEM, _PEM_KEY, _PEM_END = "-----BEGIN ", "PRIVATE KEY-----", "-----END "
_SHORT, _LONG, _FOREIGN = 6, 12, 20
_FEW, _SOME = 4, 8


def secrets_in(text: str, is_json: bool = False) -> Iterator[Span]:
    """Yield where secrets stand in words: keys by their shape, passwords of addresses, and so on.

    Spans may overlap and come in any order.

    Args:
        is_json: the text is JSON, whose names and values somebody else looks at.
    """
    for run in _RUN.finditer(text):
        if is_key(run[0]):
            yield run.span()
    for found in _SCHEME.finditer(text):
        if _is_credential(found[1].lower(), found[2]):
            yield found.span(2)
    if "=" in text or ":" in text:
        yield from _assigned(text, is_json)
    if "://" in text:
        for found in _ADDRESS.finditer(text):
            yield from _of_address(found[1], found.start(1), whole=False)
    if _PEM in text:
        yield from _pem_keys(text)


def secrets_of_address(text: str) -> Iterator[Span]:
    """Yield what may be secret in the address of a tool's server: its user, query and long names.

    Keys of such servers stand in their addresses under any name, so that no value stays.
    """
    for found in _ADDRESS.finditer(text):
        yield from _of_address(found[1], found.start(1), whole=True)


def is_key(run: str) -> bool:
    """Return True if letters, digits and signs without a space have the shape of a key."""
    run = run.lstrip("._-")
    if run.startswith(_OWN_PREFIXES):
        rest = run[3:]
        return len(rest) >= _LONG or (len(rest) >= _SHORT and _is_mixed(rest))
    if run.startswith("eyJ"):
        return run.count(".") >= 1 and len(run) >= _FOREIGN
    return run.startswith(_PREFIXES) and len(run) >= _FOREIGN + 4 and _is_mixed(run)


def _is_mixed(value: str) -> bool:
    """Return True if a value has digits or letters of both cases, as words hardly have."""
    return _DIGIT.search(value) is not None or _MIXED.search(value) is not None


def _is_credential(scheme: str, value: str) -> bool:
    return _is_mixed(value) or "=" in value or (scheme == "bearer" and len(value) >= _FOREIGN)


def _assigned(text: str, is_json: bool) -> Iterator[Span]:
    """Yield the values of `name=value`, `name: value` and `'name': 'value'`."""
    place = 0
    # Up to where values, by what ends them, are known to be words: what ends there is, too.
    words = {_VALUE: 0, _SENTENCE: 0}
    while (found := ASSIGNED.search(text, place)) is not None:
        place = found.end()
        if not is_secret_name(found[1]):
            continue
        quote = QUOTED.match(text, place)
        if quote is not None and is_json and '"' in quote[0]:
            continue
        is_header = plain(found[1]).endswith(("authorization", "cookie"))
        start = quote.end() if quote is not None else place
        kind = _SENTENCE if quote is not None or is_header else _VALUE
        is_spoken = quote is None and found[2] == ":"
        if is_spoken and start < words[kind]:
            continue
        value = kind.match(text, start)
        if value is None:
            continue
        if _is_meant(value[0], is_spoken, is_header):
            yield value.span()
            place = value.end()
        elif is_spoken:
            words[kind] = value.end()


def _is_meant(value: str, is_spoken: bool, is_header: bool) -> bool:
    """Return True if a value is a secret: words behind a colon are mostly speech."""
    if not is_spoken:
        return len(value) >= _FEW
    return len(value) >= _SOME and (_is_mixed(value) or (is_header and "=" in value))


def _of_address(rest: str, start: int, whole: bool) -> Iterator[Span]:
    """Yield what is secret in what follows the `://` of an address.

    Args:
        rest: the address behind its scheme.
        start: where that stands in the text.
        whole: take all values, whatever their names are.
    """
    head, _, fragment = rest.partition("#")
    place, _, query = head.partition("?")
    host, slash, path = place.partition("/")
    user, at, _ = host.rpartition("@")
    if at and user:
        yield start, start + len(user)
    if whole and slash:
        begin = len(host) + 1
        for part in path.split("/"):
            if len(part) >= _FOREIGN and _is_mixed(part):
                yield start + begin, start + begin + len(part)
            begin += len(part) + 1
    for values, begin in ((query, len(place) + 1), (fragment, len(head) + 1)):
        named = False
        for pair in _PARAMETER.finditer(values):
            named = True
            if pair[2] and (whole or _is_secret_parameter(pair[1])):
                yield start + begin + pair.start(2), start + begin + pair.end(2)
        if values and not named and whole:
            yield start + begin, start + begin + len(values)


def _is_secret_parameter(name: str) -> bool:
    found = plain(name)
    return found in _QUERY or found.endswith(_QUERY_ENDINGS) or is_secret_name(name)


def _pem_keys(text: str) -> Iterator[Span]:
    place = text.find(_PEM)
    while place >= 0:
        stop = text.find("-----", place + len(_PEM))
        begin = stop + 5 if stop >= 0 else len(text)
        if text[place:begin].endswith(_PEM_KEY):
            end = text.find(_PEM_END, begin)
            end = len(text) if end < 0 else end
            yield begin, end
            begin = end
        place = text.find(_PEM, begin)
