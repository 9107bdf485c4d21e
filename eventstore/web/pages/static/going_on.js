// Ways to go on from a session: the events that rebuild it, and where a client can replay it.

import { api, clock, copying, element, show } from "./common.js";

const PORT = 8765;

/** The button that shows client events for a new session; `cursor` answers with its seconds, or null. */
export function offerReseed(base, cursor) {
  const told = async (at) => {
    try {
      const made = await api(at === null ? `${base}/reseed` : `${base}/reseed?at=${encodeURIComponent(`+${at.toFixed(3)}`)}`);
      const lines = made.data.map((event) => JSON.stringify(event)).join("\n");
      const now = cursor();
      show(at === null ? "Go on from this session" : `Go on from ${clock(at)}`,
        element("p", {}, `${made.data.length} client events rebuild the conversation in a new session.`),
        ...made.skipped.map((one) => element("p", { class: "soft" }, `Left out: ${one.item_id ?? "the session"}, ${one.reason}`)),
        element("p", { class: "tools" }, copying("Copy", lines),
          at === null && now !== null ? element("button", { type: "button", onclick: () => told(now) }, `As of ${clock(now)}`) : null),
        element("pre", { dir: "auto" }, lines));
    } catch (error) {
      show("Reseed", element("p", { class: "bad" }, error.message));
    }
  };
  document.querySelector("[data-reseed]").addEventListener("click", () => told(null));
}

const quoted = (text) => (/^[\w.-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

/** The button that says where a Realtime client can have the session replayed. */
export function offerReplay(id) {
  document.querySelector("[data-replay]").addEventListener("click", (event) => {
    const { url } = event.target.dataset;
    const link = new URL(url || `ws://127.0.0.1:${PORT}/v1/realtime`);
    // A server that listens everywhere is reached where its pages are.
    if (["0.0.0.0", "[::]"].includes(link.hostname)) link.hostname = location.hostname;
    link.searchParams.set("session", id);
    const command = `eventstore replay ${quoted(id)} --serve ${PORT}`;
    show("Replay it to a client", ...(url ? [] : [
      element("p", {}, "No replay server runs beside these pages. Start one for this session:"),
      element("p", { class: "tools" }, element("code", {}, command), copying("Copy", command)),
    ]), element("p", {}, "Connect a Realtime client to:"),
    element("p", { class: "tools" }, element("code", {}, link.href), copying("Copy", link.href)));
  });
}
