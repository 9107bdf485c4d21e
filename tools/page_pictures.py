"""Takes pictures of the web pages for the docs: `python -m tools.page_pictures docs/images`.

It needs Playwright (the dependency group `test`) and Debian's package `chromium`.
"""

from __future__ import annotations

import io
import json
import random
import shutil
import tempfile
from pathlib import Path
from typing import Any

import click

from eventstore.demo import call_lines
from eventstore.demo.__main__ import DEMO_SESSION
from eventstore.event_store import EventStore
from eventstore.times import DAY_US, parse_time, to_iso
from eventstore.web.in_thread import serving

CUSTOMERS = ("Anders Bakery", "Bike & Co", "Corner Books", "Delta Dental", "Elm Street Vet")
MODELS = ("gpt-realtime", "gpt-realtime-mini")
DAYS = 24
WIDTH, HEIGHT = 1280, 860
PHONE = 390, 844


def fill(store: EventStore) -> None:
    """Import the sample call into a store, and variants of it on each of the `DAYS` before."""
    chance = random.Random(3)
    lines = [json.loads(line) for line in call_lines()]
    number = 0
    for day in range(-DAYS, 0):
        for _ in range(chance.randint(2, 6)):
            number += 1
            _put(store, lines, day, number, chance)
    content = "\n".join(call_lines()).encode()
    store.import_file(io.BytesIO(content), metadata={"customer": "Bike & Co", "agent": "orders"})


def _put(
    store: EventStore, lines: list[dict[str, Any]], day: int, number: int, chance: random.Random
) -> None:
    model = chance.choices(MODELS, (3, 2))[0]
    begun = parse_time(lines[0]["at"]) or 0
    shift = day * DAY_US + round(chance.uniform(-5, 6) * 3_600_000_000)
    # The answers of the large model get slower from day to day, which the usage page shows.
    pace = chance.uniform(0.8, 1.2) * (1 + (day + DAYS) / 50 if model == MODELS[0] else 1)
    made = []
    for line in lines[: len(lines) // chance.choice((1, 1, 2))]:
        at = begun + shift + round(((parse_time(line["at"]) or begun) - begun) * pace)
        frame = line["frame"].replace("Demo", f"D{number:03}").replace(MODELS[0], model)
        made.append(json.dumps({**line, "frame": frame, "at": to_iso(at)}))
    pairs = {"customer": chance.choices(CUSTOMERS, (5, 4, 3, 2, 1))[0]}
    pairs["agent"] = chance.choice(("orders", "returns"))
    store.import_file(io.BytesIO("\n".join(made).encode()), metadata=pairs)


def take(url: str, folder: Path) -> None:
    """Write the pictures into a folder.

    Args:
        url: the address of the server.
        folder: an existing folder.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("chromium-headless-shell"),
            args=["--no-sandbox"],
        )
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        for name, path in (
            ("sessions", "/"),
            ("responses", "/responses?key=customer&op=%3D&value=Bike+%26+Co&q=saddle"),
            ("usage", "/usage?by=customer"),
        ):
            page.goto(url + path, wait_until="load")
            page.wait_for_timeout(500)
            if name == "usage":
                page.set_viewport_size({"width": WIDTH, "height": 1240})
                page.wait_for_timeout(300)
            page.screenshot(path=folder / f"{name}.png")
        for name, dark, width, height in (
            ("session", False, WIDTH, HEIGHT),
            ("session-phone", True, *PHONE),
        ):
            page = browser.new_page(
                viewport={"width": width, "height": height},
                color_scheme="dark" if dark else "light",
            )
            page.goto(f"{url}/sessions/{DEMO_SESSION}")
            page.locator("#session[data-ready]").wait_for(state="attached")
            page.locator(".turn [data-listen]").nth(5).click()
            page.wait_for_timeout(2500)
            page.locator("#play").click()
            page.wait_for_timeout(700)
            page.screenshot(path=folder / f"{name}.png")
        browser.close()


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def main(folder: Path) -> None:
    """Write the pictures of the pages into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as scratch,
        EventStore(f"sqlite:///{scratch}/calls.db") as store,
    ):
        fill(store)
        with serving(store) as url:
            take(url, folder)


if __name__ == "__main__":
    main()
