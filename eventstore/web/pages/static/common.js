// Functions that all pages share: make elements, read JSON from the API, show a dialog, check keys.

/** Returns an element with attributes and children. Texts are never read as HTML. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** Returns the API's answer, or throws an error with its message. */
export async function api(path) {
  const answer = await fetch(path, { headers: { Accept: "application/json" } });
  const body = await answer.json().catch(() => null);
  if (answer.status === 401) location.assign(`/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`);
  if (!answer.ok) throw new Error(body?.error?.message ?? `the server answered ${answer.status}`);
  return body;
}

/** Shows the pages' dialog with a title and content. */
export function show(title, ...content) {
  const dialog = document.getElementById("dialog");
  document.getElementById("dialog-title").textContent = title;
  document.getElementById("dialog-body").replaceChildren(...content);
  if (!dialog.open) dialog.showModal();
}

/** Copies a text, and shows on the button for a moment that it was copied. */
export async function copy(text, button) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    show("Copy this", element("pre", {}, text));
    return;
  }
  setTimeout(() => { button.textContent = before; }, 1200);
}

/** Returns a button that copies a text. */
export function copying(label, text) {
  const button = element("button", { type: "button" }, label);
  button.addEventListener("click", () => copy(text, button));
  return button;
}

const LONG = 240;

/** Returns JSON in several lines, with sound and other long texts cut. */
export function pretty(value) {
  const shorter = (_, found) =>
    typeof found === "string" && found.length > LONG && !/\s/.test(found.slice(0, LONG))
      ? `${found.slice(0, 60)}… (${found.length.toLocaleString("en")} characters)`
      : found;
  return JSON.stringify(value, shorter, 2);
}

/** Returns seconds as 1:02.3. */
export function clock(seconds) {
  const tenths = Math.max(0, Math.round(seconds * 10));
  const [minutes, rest] = [Math.floor(tenths / 600), tenths % 600];
  return `${minutes}:${String(Math.floor(rest / 10)).padStart(2, "0")}.${rest % 10}`;
}

/** Returns true if a key was typed into a field, so that it is no command of the page. */
export function typing(event) {
  return event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, dialog");
}

/** Keeps an event stream open while the page is visible: browsers allow few streams to a server. */
export function whileSeen(open) {
  let stream = null;
  const look = () => {
    if (document.hidden) stream?.close();
    else if (!stream || stream.readyState === EventSource.CLOSED) stream = open();
  };
  document.addEventListener("visibilitychange", look);
  look();
}

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-close]")) document.getElementById("dialog").close();
});
for (const time of document.querySelectorAll("time[datetime]")) {
  time.title = `${new Date(time.dateTime).toLocaleString()} here; shown in UTC`;
}
