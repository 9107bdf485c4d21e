// The session page's raw events: a panel with one event, and a list of the whole log.

import { api, element, pretty } from "./common.js";

const PAGE = 100;

const parsed = (frame) => {
  try { return pretty(JSON.parse(frame)); } catch { return frame; }
};

/** Sets up the panel and the log, and returns a function that shows one event. */
export function start(base, head, seconds) {
  const panel = document.getElementById("event-panel");
  const title = document.getElementById("event-title");
  const body = document.getElementById("event");
  let shown = 0;

  async function showEvent(seq) {
    if (seq < 1) return;
    panel.hidden = false;
    shown = seq;
    try {
      const [event] = (await api(`${base}/events?after=${seq - 1}&limit=1`)).data;
      if (!event || shown !== seq) return;
      const at = seconds(event.at);
      title.textContent = `#${event.seq} ${event.type} · ${event.direction}${at === null ? "" : ` · ${at.toFixed(3)} s`}`;
      body.textContent = parsed(event.frame);
    } catch (error) {
      title.textContent = `#${seq}`;
      body.textContent = error.message;
    }
    title.focus({ preventScroll: true });
  }

  document.getElementById("event-before").addEventListener("click", () => showEvent(shown - 1));
  document.getElementById("event-behind").addEventListener("click", () => showEvent(shown + 1));
  document.getElementById("event-close").addEventListener("click", () => { panel.hidden = true; });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-event]");
    if (button) showEvent(Number(button.dataset.event));
  });
  startLog(base, seconds);
  return showEvent;
}

function startLog(base, seconds) {
  const rows = document.getElementById("log-rows");
  const more = document.getElementById("log-more");
  const type = document.getElementById("log-type");
  const log = document.getElementById("log");
  let last = 0;

  async function load() {
    const wanted = type.value.trim();
    const found = await api(`${base}/events?after=${last}&limit=${PAGE}${wanted ? `&type=${encodeURIComponent(wanted)}` : ""}`);
    rows.append(...found.data.map((event) => {
      const at = seconds(event.at);
      return element("tr", {},
        element("td", { class: "number" }, element("button", { type: "button", class: "plain", "data-event": event.seq }, `#${event.seq}`)),
        element("td", { class: "number" }, at === null ? "" : at.toFixed(3)),
        element("td", {}, event.direction),
        element("td", {}, element("code", {}, event.type)));
    }));
    last = Number(found.last_id ?? last);
    more.hidden = !found.has_more;
  }

  const again = () => { rows.replaceChildren(); last = 0; load(); };
  log.addEventListener("toggle", () => { if (log.open && !rows.children.length) load(); });
  document.getElementById("log-filter").addEventListener("submit", (event) => { event.preventDefault(); again(); });
  more.addEventListener("click", load);
}
