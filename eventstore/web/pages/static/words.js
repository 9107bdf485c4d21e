// Words of the transcript, each with the moment at which it begins, told by the server or estimated.

import { element } from "./common.js";

/** Makes the words of an item's turn clickable; they carry their moment. */
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

/** The last of a sorted list that begins by a moment; -1 for none. */
export function lastBy(moments, moment) {
  let [low, high] = [0, moments.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (moments[middle] <= moment) low = middle + 1; else high = middle;
  }
  return low - 1;
}
