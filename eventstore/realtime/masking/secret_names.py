"""The list of names whose values are secret, such as `api_key`. Called by all masking. Pure."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import unquote

#: Where a secret begins and ends in a text.
SecretSpan = tuple[int, int]

#: The text that replaces a secret.
REMOVED = "[removed]"

# Names are compared in lower case, without punctuation. A name with one of these ends is secret.
_ENDINGS = (
    *("authorization", "apikey", "subscriptionkey", "accesskey", "secretkey", "privatekey"),
    *("signingkey", "encryptionkey", "ephemeralkey", "accountkey", "masterkey", "sharedkey"),
    *("authkey", "appkey", "consumerkey", "servicekey", "functionskey", "deploykey", "sshkey"),
    *("hmackey", "licensekey", "openaikey", "azurekey", "loginkey", "keymaterial", "accesskeyid"),
    *(
        "secretvalue",
        "tokenvalue",
        "secretstring",
        "basicauth",
        "proxyauth",
        "xauth",
        "csrf",
        "xsrf",
    ),
    *("token", "accesstokens", "authtokens", "refreshtokens", "apitokens", "secret", "secrets"),
    *("apikeys", "password", "passwords", "passwd", "pwd", "passphrase", "passcode"),
    *("credential", "credentials", "cookie", "cookies", "jwt", "bearer", "connectionstring"),
    "safetyidentifier",  # it names a user
)
_WHOLE = frozenset({"auth", "oauth", "pass", "authentication"})
_WITHIN = ("password", "passwd", "apikey", "clientsecret", "accesstoken", "refreshtoken")
# These end with "token", but mean a place in a list or a part of a model's vocabulary.
_HARMLESS = frozenset(
    f"{name}token"
    for name in (
        *("page", "nextpage", "previouspage", "next", "prev", "continuation", "sync", "pagination"),
        *("max", "per", "eos", "bos", "pad", "stop", "unk", "mask", "timestamp", "cursor"),
    )
)
#: Further names that are secret in the query of a URL.
_QUERY = frozenset({"key", "sig", "signature", "pw", "sas", "hmac", "assertion", "ticket"})
_QUERY_ENDINGS = ("signature", "assertion")
#: Headers whose values are never secret.
HARMLESS_HEADERS = frozenset(
    {
        *("accept", "acceptencoding", "acceptlanguage", "contenttype", "contentlength", "host"),
        *("contentencoding", "useragent", "date", "connection", "cachecontrol", "openaibeta"),
    }
)
_DIGIT = re.compile("[0-9]")
_MIXED = re.compile("[a-z][A-Z]|[A-Z][a-z]+[A-Z]")


@lru_cache(maxsize=10_000)
def normalized_name(name: str) -> str:
    """Return a name in lower case and without punctuation: `X-Api-Key` becomes `xapikey`."""
    return re.sub("[^a-z0-9]", "", name.lower())


@lru_cache(maxsize=10_000)
def is_secret_name(name: str) -> bool:
    """Return True if the values of a name are secret.

    Args:
        name: The name as it is written, such as `api_key`, `X-Api-Key` or `apiKey`.
    """
    found = normalized_name(name).rstrip("0123456789")
    if found in _HARMLESS:
        return False
    return found in _WHOLE or found.endswith(_ENDINGS) or any(part in found for part in _WITHIN)


def is_secret_parameter(name: str) -> bool:
    """Return True if the values of a name in the query of a URL are secret."""
    found = normalized_name(unquote(name))
    return found in _QUERY or found.endswith(_QUERY_ENDINGS) or is_secret_name(found)


def is_mixed(value: str) -> bool:
    """Return True if a value has digits, or letters of mixed case, unlike usual words."""
    return _DIGIT.search(value) is not None or _MIXED.search(value) is not None


def has_digit(value: str) -> bool:
    """Return True if a value has a digit."""
    return _DIGIT.search(value) is not None
