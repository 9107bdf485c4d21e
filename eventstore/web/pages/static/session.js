// The page of a session: its sound, transcript, raw events and state follow one cursor.

import { api, clock, typing, whileSeen } from "./common.js";
import { start as startEvents } from "./events.js";
import { offerReplay, offerReseed } from "./going_on.js";
import { start as startState } from "./state.js";
import { renewing } from "./turns.js";
import { draw } from "./wave.js";
import { lastBy, markWords } from "./words.js";

const page = document.getElementById("session");
const { id, nonce } = page.dataset;
const zero = Number(page.dataset.zero); // where the timeline of a GPT-Live session begins
const base = `/v1/realtime/sessions/${encodeURIComponent(id)}`;
const [play, output, follow, zoom] = ["play", "clock", "follow", "zoom"].map((name) => document.getElementById(name));
const opened = page.querySelector(".facts time")?.dateTime;
const openedAt = opened ? Date.parse(opened) : null;
const seconds = (at) => (at && openedAt !== null ? (Date.parse(at) - openedAt) / 1000 : null);

const showEvent = startEvents(base, Number(page.dataset.head), seconds);
const showState = startState(base);

// A reloaded page begins at the cursor that it had before.
const PLACE = `place ${id}`;
const again = performance.getEntriesByType("navigation")[0]?.type === "reload" ? sessionStorage.getItem(PLACE) : null;
addEventListener("pagehide", () => sessionStorage.setItem(PLACE, String(cursor)));

let drawn = null;
let wave = null;
let audio = null;
// How many seconds of sound the server sends at most in one file.
const LONGEST = 7200;
let cursor = 0;
let spoken = []; // {moment, turn, word}, by moment
let moments = [];
let current = null; // of these, where the cursor is

const renew = renewing(document.getElementById("turns"));

const turnOf = (target) =>
  document.querySelector(target.item_id ? `.turn[data-item="${CSS.escape(target.item_id)}"]` : `.turn[data-response="${CSS.escape(target.response_id ?? "")}"]`);

// A pause before the sound begins rejects the promise, which is no failure. A failure of the sound
// has an event of its own.
const start = () => audio.play().catch(() => {});

/** Moves the cursor to a moment of the call, in seconds, and plays from there if there is sound. */
function listen(moment, playing = true) {
  cursor = Math.max(drawn?.start ?? 0, moment);
  if (audio) {
    wave.setTime(cursor - drawn.start);
    if (playing) start();
  }
  moved(cursor);
}

/** Shows the cursor on the clock, in the list of turns, and on the word. */
function moved(moment, scrolling = true) {
  cursor = moment;
  output.textContent = `${clock(moment)}${drawn ? ` / ${clock(drawn.end)}` : ""}`;
  const before = current;
  current = spoken[lastBy(moments, moment + 0.02)] ?? null;
  if (current?.word !== before?.word) before?.word?.classList.remove("now");
  current?.word?.classList.add("now");
  if (current?.turn !== before?.turn) {
    before?.turn.removeAttribute("aria-current");
    current?.turn.setAttribute("aria-current", "true");
    if (scrolling && current && follow.checked) current.turn.scrollIntoView({ block: "nearest" });
  }
  if (!audio || audio.paused) state();
}

function state() {
  if (drawn?.timed && openedAt !== null) showState(`+${Math.max(0, cursor - zero).toFixed(3)}`);
  else {
    const seq = current?.turn.dataset.seq;
    if (seq) showState(seq);
  }
}

function place() {
  spoken = [];
  for (const turn of drawn?.turns ?? []) {
    const entry = turnOf(turn);
    if (!entry) continue;
    const button = entry.querySelector("[data-listen]");
    if (!entry.dataset.placed) {
      entry.dataset.placed = "true";
      entry.dataset.at = turn.start;
      button.hidden = false;
      button.textContent = page.dataset.protocol === "live" ? clock(turn.start) : clock(turn.start).slice(0, -2);
    }
    const said = entry.querySelector(".words");
    const words = said ? markWords(said, turn.words) : [];
    if (words.length) {
      said.dataset.wordsFrom = turn.words_from;
      said.title = turn.words_from === "server" ? "The server told when each word was said" : "When each word was said is an estimate";
    }
    spoken.push({ moment: turn.start, turn: entry, word: null });
    for (const word of words) spoken.push({ moment: Number(word.dataset.moment), turn: entry, word });
  }
  for (const entry of document.querySelectorAll(".turn[data-at]:not([data-placed])"))
    spoken.push({ moment: Number(entry.dataset.at), turn: entry, word: null });
  spoken.sort((a, b) => a.moment - b.moment);
  moments = spoken.map((one) => one.moment);
}

async function load() {
  const box = document.getElementById("wave");
  try {
    drawn = await api(`${base}/waveform`);
  } catch (error) {
    document.getElementById("drawing").textContent = error.message;
    return;
  }
  document.getElementById("wave-notes").textContent = drawn.notes.join("; ");
  const sound = drawn.user.length > 0;
  if (!sound && !drawn.turns.length && !drawn.marks.length) {
    document.getElementById("player").hidden = true;
    place();
    return;
  }
  box.replaceChildren();
  if (sound) {
    audio = new Audio();
    audio.preload = "none";
    audio.src = `${base}/audio`;
    document.querySelector("[data-audio]").hidden = false;
    play.disabled = false;
  }
  wave = draw(box, drawn, audio, nonce, clicked);
  wave.on("interaction", (at) => moved(at + drawn.start));
  wave.on("timeupdate", (at) => { if (audio) moved(at + drawn.start); });
  if (audio) {
    audio.addEventListener("play", () => { play.textContent = "Pause"; });
    audio.addEventListener("pause", () => { play.textContent = "Play"; state(); });
    const failed = drawn.end - drawn.start > LONGEST
      ? "The call is too long to be played here: write its sound with eventstore audio."
      : "The sound cannot be played.";
    audio.addEventListener("error", () => { document.getElementById("wave-notes").textContent = failed; });
  }
  place();
  listen(again === null ? drawn.start : Math.min(Number(again), drawn.end), false);
  page.dataset.ready = "true";
}

function clicked({ turn, mark }, event) {
  event.stopPropagation();
  if (mark) {
    listen(mark.at, false);
    showEvent(mark.seq);
    return;
  }
  // Playing begins at the place in the turn that was clicked.
  const box = event.currentTarget?.getBoundingClientRect?.() ?? event.target.getBoundingClientRect();
  const share = box.width ? Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)) : 0;
  listen(turn.start + share * (turn.end - turn.start), Boolean(audio));
  turnOf(turn)?.scrollIntoView({ block: "nearest" });
}

document.getElementById("turns").addEventListener("click", (event) => {
  const word = event.target.closest(".word");
  if (word) listen(Number(word.dataset.moment));
  const button = event.target.closest("[data-listen]");
  if (button) listen(Number(button.closest(".turn").dataset.at));
});
play.addEventListener("click", () => (audio.paused ? start() : audio.pause()));
document.getElementById("speed").addEventListener("change", (event) => { if (wave) wave.setPlaybackRate(Number(event.target.value), true); });
zoom.addEventListener("input", () => {
  if (!wave) return;
  const fitting = document.getElementById("wave").clientWidth / Math.max(1, drawn.end - drawn.start);
  wave.zoom(zoom.value === "0" ? 0 : fitting * 1.06 ** Number(zoom.value));
});
document.addEventListener("keydown", (event) => {
  if (typing(event) || !drawn) return;
  if (event.key === " " && audio && !event.target.closest("a, summary, button:not([data-listen])")) {
    event.preventDefault();
    play.click();
  } else if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
    event.preventDefault();
    listen(cursor + (event.key === "ArrowLeft" ? -5 : 5), false);
  } else if (event.key === "j" || event.key === "k") {
    const starts = [...new Map(spoken.filter((one) => !one.word).map((one) => [one.turn, one.moment])).values()];
    const at = lastBy(starts, cursor + 0.02) + (event.key === "j" ? 1 : -1);
    if (starts[at] !== undefined) listen(starts[at], false);
  }
});

offerReseed(base, () => (drawn?.timed && cursor > 0 ? cursor : null));
offerReplay(id);

// A link to a response or to an item scrolls to it.
function showLinked() {
  let linked = location.hash.slice(1);
  try { linked = decodeURIComponent(linked); } catch { /* it is meant as it is written */ }
  if (!linked) return;
  const wanted = CSS.escape(linked);
  const entry = document.querySelector(`.turn[data-response="${wanted}"], .turn[data-item="${wanted}"], .turn[data-seq="${wanted}"]`);
  if (!entry) return;
  document.querySelector(".turn[data-linked]")?.removeAttribute("data-linked");
  entry.dataset.linked = "true";
  if (entry.dataset.at) listen(Number(entry.dataset.at), false);
  entry.scrollIntoView({ block: "center" });
}

// A live call's new turns are added to the page as they are said.
async function reload() {
  const answer = await fetch(location.href);
  const found = new DOMParser().parseFromString(await answer.text(), "text/html");
  const turns = found.getElementById("turns");
  if (!turns) return;
  document.querySelector(".facts").replaceWith(found.querySelector(".facts"));
  renew([...turns.children]);
  place();
  moved(cursor, false);
}

function followCall() {
  let after = page.dataset.head;
  let waiting = null;
  const later = () => {
    waiting ??= setTimeout(() => reload().catch(() => {}).finally(() => { waiting = null; }), 500);
  };
  whileSeen(() => {
    const told = new EventSource(`${base}/events?stream=true&after=${after}`);
    told.onmessage = (event) => {
      after = event.lastEventId || after;
      const { type } = JSON.parse(event.data);
      if (/(done|completed|created|truncated|error|metadata|scored|transcript\.delta|appended|muted|decision\.event|response\.event)$/.test(type)) later();
    };
    told.addEventListener("end", () => {
      told.close();
      if (audio && !audio.paused) audio.addEventListener("pause", () => location.reload(), { once: true });
      else location.reload();
    });
    return told;
  });
}

if (again === null) showLinked(); // before the call is drawn, which can take its time
await load();
if (again === null) showLinked();
addEventListener("hashchange", showLinked);
if (page.dataset.live === "true") followCall();
