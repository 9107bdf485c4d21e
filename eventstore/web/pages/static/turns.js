// Updates the turns of a live call. Unchanged turns keep their marked words, focus and selection.

/** Returns a function that replaces the turns of a list by new ones. */
export function renewing(list) {
  let kept = new Map([...list.children].map((turn) => [turn.outerHTML, turn]));

  return (turns) => {
    const wanted = new Map();
    for (const turn of turns) wanted.set(turn.outerHTML, kept.get(turn.outerHTML) ?? turn);
    kept = wanted;
    const staying = new Set(wanted.values());
    for (const turn of [...list.children]) if (!staying.has(turn)) turn.remove();
    let next = list.firstElementChild;
    for (const turn of staying) {
      if (turn === next) next = next.nextElementSibling;
      else list.insertBefore(turn, next);
    }
  };
}
