// Two buttons of the session page: client events that rebuild a session, and the URL to replay it.

import { api, clock, copying, element, show } from "./common.js";

const PORT = 8765;

/** Sets up the button for client events. `cursor` returns the cursor in seconds, or null. */
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

/** Sets up the button that shows the URL at which a client gets the session replayed. */
export function offerReplay(id) {
  document.querySelector("[data-replay]").addEventListener("click", (event) => {
    const { url, protocol } = event.target.dataset;
    const link = new URL(url || `ws://127.0.0.1:${PORT}/v1/realtime`);
    // If the replay server listens on all addresses, the host of this page leads to it.
    if (["0.0.0.0", "[::]"].includes(link.hostname)) link.hostname = location.hostname;
    const live = protocol === "live";
    if (live) link.pathname = link.pathname.replace(/\/v1\/realtime$/, "/v1/live/sessions");
    link.searchParams.set("session", id);
    const command = `eventstore replay ${quoted(id)} --serve ${PORT}`;
    show("Replay it to a client", ...(url ? [] : [
      element("p", {}, "No replay server runs beside these pages. Start one for this session:"),
      element("p", { class: "tools" }, element("code", {}, command), copying("Copy", command)),
    ]), element("p", {}, `Connect a ${live ? "GPT-Live" : "Realtime"} client to:`),
    element("p", { class: "tools" }, element("code", {}, link.href), copying("Copy", link.href)));
  });
}
