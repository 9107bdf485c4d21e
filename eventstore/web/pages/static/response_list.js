// The page of responses: shows a response as JSON, and copies the query as a link.

import { api, copy, copying, element, pretty, show } from "./common.js";
import { start } from "./filters.js";

start();

document.addEventListener("click", async (event) => {
  const link = event.target.closest("[data-copy-link]");
  if (link) copy(location.href, link);
  const command = event.target.closest("[data-copy]");
  if (command) copy(command.textContent, command);
  const button = event.target.closest("[data-json]");
  if (!button) return;
  const { id, session } = button.closest("tr").dataset;
  try {
    const path = `/v1/realtime/responses/${encodeURIComponent(id)}?session=${encodeURIComponent(session)}`;
    const resource = await api(path);
    show(id, element("p", { class: "tools" },
      copying("Copy", JSON.stringify(resource, null, 2)),
      element("a", { class: "button", href: path }, "Open"),
      element("a", { class: "button", href: `/sessions/${encodeURIComponent(session)}#${encodeURIComponent(id)}` }, "In its session"),
    ), element("pre", { dir: "auto" }, pretty(resource)));
  } catch (error) {
    show(id, element("p", { class: "bad" }, error.message));
  }
});
