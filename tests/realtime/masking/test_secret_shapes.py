"""Unit: the ways in which programs and people write a secret, and words that look like one."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from eventstore.realtime.masking.mask import mask_frame, mask_value, mask_words

S = "q7Zplant3dSecretABC"
HOOK = "https://hooks.slack.com/services/T0001/B0001"
VALUES: list[dict[str, Any]] = [
    {"env": [{"name": "OPENAI_API_KEY", "value": S}]},
    {"params": [{"value": S, "key": "api_key", "on": True}]},
    {"env": {"variable": "password", "value": [{"deep": S}]}},
    {"rawHeaders": ["Host", "a.test", "Authorization", S]},
    {"pairs": [["x-api-key", S], ["city", "Oslo"]]},
    {"args": ["tool", "--api-key", S]},
    {"headers": f"Accept: x\r\nX-Mine: {S}"},
    {"headers": [f"X-Mine: {S}"]},
    {"authKey": S, "consumer_key": S, "SSH-KEY": S, "secretValue": S, "csrf": S, "keyMaterial": S},
]
WORDS = [
    f"API key: {S}", f"the access key = {S}", f"my password is {S}.", f"the API key is “{S}”",
    f"tool --api-key {S} run", f"curl -u admin:{S} https://a.test", f"password = 'a, {S}'",
    f"<c:apiKey kind='x'>{S}</c:apiKey>", f"<input name='password' type='x' value='{S}'>",
    quote(f"https://a.test/?api_key={S}&b=1", safe=""), f"https://a.test/?api%5Fkey={S}",
    f"postgresql://u:p/{S}@a.test/db", f"{HOOK}/{S}", f"https://a.test/token/{S}/x",
    f"https://api.telegram.org/bot12345678:{S}/send", f"{{:api_key => '{S}'}}",
    f'{{"api_key"=>"{S}"}}', f'apiKey := "{S}"', f"api_key     =     {S}", f"api_key:\n  {S}",
    f"Bearer%20{S}", f'Authorization: Digest username="a", response="{S}"\r\nHost: a',
    f"Authorization: AWS4-HMAC-SHA256 Credential=a, Signature={S}", f"password＝{S}",
    f"Cookie: a=b; session={S}; c=d", f"realtime, openai-insecure-api-key.{S}, beta",
    f"openai-insecure-api-key.ek_{S}", f"v1.sk-{S}", f'password="a\\"{S}"', f"rk_test_{S}{S}",
    f"-----BEGIN PGP PRIVATE KEY BLOCK-----\n{S}\n-----END", f"hvs.{S}{S}", f"dapi{S}{S}",
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES + [{"output": words} for words in WORDS], ids=str)
def test_a_secret_is_known_however_it_is_written(value: dict[str, Any]) -> None:
    text = json.dumps({"type": "x", **value})
    within = json.dumps({"item": {"arguments": text, "output": f"It says: {text}"}})
    for frame in (text, within, json.dumps({"type": "x", **value}, ensure_ascii=False)):
        clean = mask_frame(frame).text
        assert S not in clean
        assert isinstance(clean, str) and mask_frame(clean).text == clean
        json.loads(clean)
    assert S not in str(mask_value({"item": [value]}))


@pytest.mark.parametrize(
    "value",
    [
        {"parameters": {"required": ["api_key", "address_line1", "x-api-key", "a1b2c3d4"]}},
        {"enum": ["--token", "abcdefg12"], "kinds": ["token", "credential", "cookies"]},
        {"headers": ["Name", "Email 2"], "name": "value", "value": "name"},
        {"name": "city", "value": "Oslo1234", "type": "function", "key": "customer"},
        {"text": "Authentication\n==============\nThe key: it opens. A key is on mat 12345678"},
        {"text": "password: '' user: 'anna', token=\"\" city=Oslo1234"},
        {"text": "eventstore serve --api-keys keys.toml; I typed --password, and -u anna"},
        {"text": "https://example.test/services/dinner/table/12 and https://a.test/@anna/photos"},
        {"text": "<b>token</b><p>password forgotten</p> <key>C4</key>"},
        {"text": "Your token is valid. The secret is out, the password is forgotten"},
    ],
    ids=str,
)  # fmt: skip
def test_words_and_names_stay(value: dict[str, Any]) -> None:
    text = json.dumps(value)
    assert mask_frame(text).text == text
    assert mask_value(value) == value


@pytest.mark.parametrize(
    "piece",
    [
        "authorization: digest ", "cookie: a=b;", 'name="token" ', "<a b", "--token ", "-u a:",
        "token is ", 'token="', "token='\\\"", "api key: ", "token%3D", "a.sk-", '["--token",',
        '{"name":"token","value":"', "://a/b/", "X: a\\n",
    ],
)  # fmt: skip
def test_what_repeats_is_masked_in_time(piece: str) -> None:
    # A pattern that goes back would not come to an end here.
    for start in ("", '{"a":"key ', '{"headers":"'):
        mask_frame(start + piece * 20_000)
    mask_words(piece * 20_000)
