// The form of a list's filters: suggestions from stored values, and a new row when one is filled.

import { api, typing } from "./common.js";

const options = (list, values) => {
  list.replaceChildren(...values.map((value) => {
    const made = document.createElement("option");
    made.value = value;
    return made;
  }));
};

async function suggest(input) {
  const row = input.closest(".condition");
  const key = row.querySelector("[name=key]").value;
  const [list, path] = input.name === "key"
    ? ["keys", `/v1/realtime/metadata?prefix=${encodeURIComponent(input.value)}`]
    : ["values", `/v1/realtime/metadata/values?key=${encodeURIComponent(key)}&prefix=${encodeURIComponent(input.value)}`];
  if (input.name === "value" && !key) return;
  try {
    const found = await api(path);
    if (document.activeElement === input) options(document.getElementById(list), found.data.map((entry) => entry.id));
  } catch { /* suggestions are a help, and no more */ }
}

export function start() {
  for (const box of document.querySelectorAll("[data-conditions]")) {
    let waiting;
    const asked = (event) => {
      if (!["key", "value"].includes(event.target.name)) return;
      clearTimeout(waiting);
      waiting = setTimeout(() => suggest(event.target), event.type === "input" ? 120 : 0);
    };
    box.addEventListener("focusin", asked);
    box.addEventListener("input", asked);
    box.addEventListener("input", () => {
      const rows = [...box.querySelectorAll(".condition")];
      const last = rows[rows.length - 1];
      if (!last.querySelector("[name=key]").value) return;
      const next = last.cloneNode(true);
      for (const input of next.querySelectorAll("input")) input.value = "";
      next.querySelector("select").selectedIndex = 0;
      box.append(next);
    });
  }
  const filters = document.querySelector("[data-filters]");
  if (filters && matchMedia("(min-width: 60rem)").matches) filters.open = true;
  filters?.querySelector("form").addEventListener("submit", (event) => {
    // Empty fields are left out of the address, which people save as a link.
    for (const field of [...event.target.elements].filter((one) => one.name)) {
      const row = field.closest(".condition");
      const empty = row ? !row.querySelector("[name=key]").value : !field.value;
      if (empty) field.disabled = true;
    }
    setTimeout(() => { for (const field of event.target.elements) field.disabled = false; });
  });
  document.addEventListener("keydown", (event) => {
    if (typing(event)) return;
    if (event.key === "/" && filters) {
      event.preventDefault();
      filters.open = true;
      filters.querySelector("input").focus();
    } else if (event.key === "j" || event.key === "k") {
      const links = [...document.querySelectorAll(".list td:first-child a")];
      const at = links.indexOf(document.activeElement) + (event.key === "j" ? 1 : -1);
      links[Math.max(0, Math.min(at, links.length - 1))]?.focus();
    }
  });
}
