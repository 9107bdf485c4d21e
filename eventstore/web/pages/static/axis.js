// The axis of time at the foot of the waveform. Its labels are the seconds that the clock shows.

import { clock, element } from "./common.js";

const HEIGHT = 18;
const STEPS = [1, 5, 10, 30, 60, 300, 600, 1800, 3600];
// How many pixels two ticks, and two labels, are apart at least.
const BETWEEN_TICKS = 25;
const BETWEEN_LABELS = 45;

/**
 * Draws the axis, and draws it again when the waveform is zoomed or scrolled.
 * Only the part that is visible is drawn.
 * @param wave the waveform
 * @param start the call's second at which the waveform begins; the call itself begins at 0
 * @param duration the length of the waveform in seconds
 * @param color the color of the ticks and labels
 */
export function drawAxis(wave, start, duration, color) {
  const axis = element("div", { part: "axis" });
  Object.assign(axis.style, {
    position: "absolute", bottom: "0", left: "0", right: "0", height: `${HEIGHT}px`, zIndex: "2",
    overflow: "hidden", pointerEvents: "none", whiteSpace: "nowrap", fontSize: `${HEIGHT / 2}px`, color,
  });
  wave.getWrapper().prepend(axis);
  const put = () => {
    const perSecond = wave.getWrapper().clientWidth / duration;
    const from = wave.getScroll() / perSecond;
    const until = Math.min(duration, from + wave.getWidth() / perSecond);
    const tick = step(BETWEEN_TICKS / perSecond);
    const labelled = step(BETWEEN_LABELS / perSecond);
    const first = Math.ceil((start + Math.max(0, from - labelled)) / tick);
    const last = Math.floor((start + until) / tick);
    const notches = [];
    for (let number = first; number <= last; number += 1) {
      const moment = number * tick;
      notches.push(notch((moment - start) * perSecond, moment % labelled === 0 ? clock(moment).slice(0, -2) : ""));
    }
    axis.replaceChildren(...notches);
  };
  wave.on("redraw", put);
  wave.on("scroll", put);
}

function step(least) {
  return STEPS.find((seconds) => seconds >= least) ?? STEPS.at(-1) * Math.ceil(least / STEPS.at(-1));
}

function notch(left, text) {
  const made = element("div", { part: "notch" }, text);
  Object.assign(made.style, {
    position: "absolute", top: "0", left: `${left}px`, width: "0", height: text ? "100%" : "50%",
    borderLeft: "1px solid currentColor", textIndent: "3px",
  });
  return made;
}
