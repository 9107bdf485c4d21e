"use strict";
{
  const audio = document.getElementById("audio");
  const turns = [...document.querySelectorAll(".turn[data-at]")];
  if (audio) {
    const start = Number(audio.dataset.start);
    const gaps = JSON.parse(audio.dataset.gaps);
    // Long silence is left out of the sound: where a moment of the call is in it.
    const place = (at) => {
      let left = 0;
      for (const [begin, seconds] of gaps) left += Math.max(0, Math.min(seconds, at - begin));
      return at - start - left;
    };
    const places = new Map(turns.map((turn) => [turn, place(Number(turn.dataset.at))]));
    for (const turn of turns) {
      turn.querySelector("button").addEventListener("click", () => {
        audio.currentTime = Math.max(0, places.get(turn));
        audio.play();
      });
    }
    audio.addEventListener("timeupdate", () => {
      let now = null;
      for (const turn of turns) {
        turn.removeAttribute("aria-current");
        const at = Number(turn.dataset.at);
        if (places.get(turn) <= audio.currentTime + 0.05 && (!now || at >= Number(now.dataset.at))) now = turn;
      }
      if (now && !audio.paused) now.setAttribute("aria-current", "true");
    });
  }

  const PAGE = 200;
  const element = (name, text) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const number = (value) => value.toLocaleString("en");
  const log = document.getElementById("log");
  const filter = document.getElementById("filter");
  const sound = document.getElementById("sound");
  const rows = document.getElementById("rows");
  const more = document.getElementById("more");
  const count = document.getElementById("count");
  let events = null;
  let found = [];
  let shown = 0;

  const pretty = (frame) => {
    try {
      return JSON.stringify(JSON.parse(frame), null, 2);
    } catch {
      return frame;
    }
  };
  const frameRow = (frame) => {
    const cell = element("td");
    cell.colSpan = 5;
    const body = element("pre", pretty(frame));
    body.dir = "auto";
    cell.append(body);
    const made = element("tr");
    made.append(cell);
    return made;
  };
  const what = (type, frame) => {
    const cell = element("td");
    if (frame === null) {
      cell.append(element("code", type), " (audio)");
      return cell;
    }
    const button = element("button");
    button.type = "button";
    button.append(element("code", type));
    button.setAttribute("aria-expanded", "false");
    let unfolded = null;
    button.addEventListener("click", () => {
      if (unfolded) unfolded.remove();
      unfolded = unfolded ? null : frameRow(frame);
      if (unfolded) cell.parentElement.after(unfolded);
      button.setAttribute("aria-expanded", String(unfolded !== null));
    });
    cell.append(button);
    return cell;
  };
  const row = ([seq, ms, direction, type, size, frame]) => {
    const made = element("tr");
    const seconds = ms === null ? "" : (ms / 1000).toFixed(3);
    made.append(element("td", seq), element("td", seconds), element("td", direction));
    made.append(what(type, frame), element("td", number(size)));
    return made;
  };
  const showMore = () => {
    rows.append(...found.slice(shown, shown + PAGE).map(row));
    shown = Math.min(shown + PAGE, found.length);
    more.hidden = shown === found.length;
    count.textContent = `${number(found.length)} of ${number(events.length)} events`;
  };
  const search = () => {
    const wanted = filter.value.trim().toLowerCase();
    found = events.filter(([, , direction, type, , frame]) =>
      (sound.checked || frame !== null) &&
      `${direction} ${type} ${frame ?? ""}`.toLowerCase().includes(wanted));
    shown = 0;
    rows.replaceChildren();
    showMore();
  };
  const open = () => {
    if (events || !log.open) return;
    events = JSON.parse(document.getElementById("events").textContent);
    search();
  };
  log.addEventListener("toggle", open);
  filter.addEventListener("input", search);
  sound.addEventListener("change", search);
  more.addEventListener("click", showMore);
  open();
}
