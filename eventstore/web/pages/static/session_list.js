// The list of sessions, kept up to date while calls go on.

import { start } from "./filters.js";
import { whileSeen } from "./common.js";

start();

const DOING = { user_speaking: "user speaks", answering: "answering", waiting: "waiting" };
const list = document.getElementById("list");
const PAUSE = 1000;
let reloading = false;
let again = false;

async function reload() {
  if (list.dataset.firstPage !== "true") return;
  again = reloading;
  if (reloading) return;
  reloading = true;
  try {
    const answer = await fetch(location.href);
    const found = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("list");
    // The element that has the focus must keep it.
    const focused = document.activeElement?.closest("tr")?.dataset.id;
    if (found) list.replaceChildren(...found.childNodes);
    if (focused) list.querySelector(`tr[data-id="${CSS.escape(focused)}"] a`)?.focus();
  } catch { /* the server is away; what it tells next is another reason */ } finally {
    setTimeout(() => {
      reloading = false;
      if (again) reload();
    }, PAUSE);
  }
}

const known = new Set();
function told(event) {
  const session = JSON.parse(event.data);
  const row = list.querySelector(`tr[data-id="${CSS.escape(session.id)}"]`);
  if (!row && !known.has(session.id)) reload();
  known.add(session.id);
  const doing = row?.querySelector("[data-doing]");
  if (doing) doing.textContent = DOING[session.eventstore.doing] ?? "live";
}

whileSeen(() => {
  if (known.size) reload(); // what ended in the meantime
  const live = new EventSource("/v1/realtime/live");
  live.addEventListener("session", told);
  live.addEventListener("ended", reload);
  return live;
});
