// The state of the session at the cursor, as the store projects it.

import { api, element, pretty, show } from "./common.js";

const PAUSE = 250;
const SHOWN = 12;

const words = (item) =>
  item.eventstore?.heard ?? (item.content ?? []).map((part) => part.transcript ?? part.text ?? "").join(" ");
const answered = (answer) => `${answer.name ?? "?"}: ${answer.choice ?? answer.score ?? answer.probability ?? answer.type}`;
const isBackend = (item) => item.eventstore?.kind === "backend" && item.type === "message";
const speaker = (item) =>
  isBackend(item) ? (item.role === "assistant" ? "backend" : "backend input")
    : item.eventstore?.context ?? item.role ?? item.type;
const note = (item) =>
  isBackend(item) ? (item.role === "assistant" ? "not said" : item.role)
    : item.eventstore?.kind === "history" ? "told before the start"
    : item.eventstore?.backchannel ? "backchannel" : null;
const told = (item) =>
  item.type === "delegation" ? `→ ${item.target ?? "?"}`
    : item.type === "decision" ? (item.answers ?? []).map(answered).join(" · ")
    : item.type === "function_call" ? `${item.name ?? "?"}(${item.arguments ?? ""})`
    : item.type === "function_call_output" ? `→ ${item.output ?? ""}` : words(item);
const doing = (response) => (response.eventstore?.kind === "delegated" ? "a backend works" : "answering");

/** Returns a function that reads the state at a moment. The state of the last call is shown. */
export function start(base) {
  const panel = document.getElementById("state");
  let waiting;
  let asked = null;

  async function load(at) {
    asked = at;
    try {
      const state = await api(`${base}/state?at=${encodeURIComponent(at)}`);
      if (asked === at) panel.replaceChildren(...drawn(at, state));
    } catch (error) {
      if (asked === at) panel.replaceChildren(element("p", { class: "bad" }, error.message));
    }
  }

  return (at) => {
    if (at === asked) return;
    clearTimeout(waiting);
    waiting = setTimeout(load, PAUSE, at);
  };
}

function drawn(at, state) {
  const items = state.conversations.flatMap((conversation) => conversation.items);
  const open = state.responses.filter((response) => response.status === "in_progress");
  const fact = (name, value) => element("span", {}, element("span", { class: "soft" }, `${name} `), String(value));
  const whole = element("button", { type: "button", class: "plain" }, "Whole, as JSON");
  whole.addEventListener("click", () => show(`State at ${at}`, element("pre", {}, pretty(state))));
  return [
    element("p", { class: "state-facts" },
      fact("at", at.startsWith("+") ? `${at.slice(1)} s` : `#${at}`), fact("events", state.session.eventstore.events),
      fact("items", items.length), fact("responses", state.responses.length),
      fact("tokens", (state.usage.total_tokens ?? 0).toLocaleString("en"))),
    ...open.map((response) => element("p", {}, element("span", { class: "live" }, doing(response)), ` ${response.id}`)),
    items.length > SHOWN ? element("p", { class: "soft" }, `${items.length - SHOWN} items before these`) : "",
    element("ol", { class: "state-items" }, ...items.slice(-SHOWN).map((item) => element("li", { dir: "auto" },
      element("span", { class: "soft" }, `${speaker(item)} `), told(item),
      note(item) ? element("span", { class: "soft" }, ` [${note(item)}]`) : ""))),
    whole,
  ];
}
