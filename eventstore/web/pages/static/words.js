// The transcript's words, each with the time at which it begins: the server's or an estimate.

import { element } from "./common.js";

/** Makes the words of an item's turn clickable, and stores its time in each word. */
export function markWords(said, words) {
  const before = [...said.querySelectorAll(".word")];
  if (before.length) return before;
  const text = said.textContent;
  const made = [];
  let at = 0;
  for (const [moment, word] of words) {
    const place = text.indexOf(word, at);
    if (place < 0) return [];
    if (place > at) made.push(text.slice(at, place));
    made.push(element("span", { class: "word", "data-moment": moment }, word));
    at = place + word.length;
  }
  made.push(text.slice(at));
  said.replaceChildren(...made);
  return [...said.querySelectorAll(".word")];
}

/** Returns the index of a sorted list's last entry that begins by a moment; -1 if there is none. */
export function lastBy(moments, moment) {
  let [low, high] = [0, moments.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (moments[middle] <= moment) low = middle + 1; else high = middle;
  }
  return low - 1;
}
