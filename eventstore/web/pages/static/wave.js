// The waveform: both sides, turns, tool calls and interruptions on one axis of time.

import WaveSurfer from "./vendor/wavesurfer.esm.js";
import Regions from "./vendor/regions.esm.js";
import { drawAxis } from "./axis.js";
import { element } from "./common.js";

const LANE = 46;
const LOUDEST = 100;
const CHARACTER = 6.5; // pixels of a label's
const MARKED = { tool_call: "tool", delegation: "tool", error: "bad", response_ended: "bad" };

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const pale = (name, percent) => `color-mix(in srgb, ${color(name)} ${percent}%, transparent)`;

/**
 * Draws a call.
 * @param drawn the answer of the route /waveform
 * @param audio the media element that the waveform follows; null if there is no sound
 * @param chosen is called with a turn or a mark that was clicked
 */
export function draw(container, drawn, audio, nonce, chosen) {
  const duration = Math.max(drawn.end - drawn.start, 0.001);
  const sides = ["user", "assistant"];
  const peaks = sides.map((side) => filled(drawn[side], duration, drawn));
  // The third lane is for tools and errors, and has the axis at its foot.
  const lanes = () => [
    ...sides.map((side) => ({ waveColor: color(side), progressColor: color(side) })),
    { waveColor: "transparent", progressColor: "transparent" },
  ];
  const regions = Regions.create();
  const wave = WaveSurfer.create({
    container, peaks: [...peaks, [0, 0]], duration, cspNonce: nonce, media: audio ?? undefined,
    height: LANE, splitChannels: lanes(), maxPeak: peaks.flat().reduce((a, b) => Math.max(a, b), 0.05),
    cursorColor: color("text"), cursorWidth: 2, dragToSeek: true, autoScroll: true, autoCenter: false,
    plugins: [regions],
  });
  drawAxis(wave, drawn.start, duration, "var(--soft)");
  let labels = [];
  const thin = () => thinOut(labels, duration, wave.getWrapper().clientWidth);
  const put = () => {
    regions.clearRegions();
    for (const turn of drawn.turns) putTurn(regions, turn, drawn, chosen);
    labels = drawn.marks.map((mark) => putMark(regions, mark, drawn, chosen)).sort((a, b) => a.start - b.start);
    thin();
  };
  wave.on("ready", put);
  wave.on("redrawcomplete", thin);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    wave.setOptions({ splitChannels: lanes(), cursorColor: color("text") });
    put();
  });
  return wave;
}

// The sound may end before the call. Silence after it gives both the same axis.
function filled(values, duration, drawn) {
  const wanted = Math.max(2, Math.round(duration * drawn.per_second));
  const found = values.map((value) => value / LOUDEST);
  while (found.length < Math.min(wanted, 200_000)) found.push(0);
  return found;
}

// The page's styles do not apply inside the waveform's shadow tree.
function label(text, inside) {
  const made = element("div", { dir: "auto" }, text);
  const style = { font: "11px system-ui, sans-serif", whiteSpace: "nowrap", padding: "1px 3px", pointerEvents: "none" };
  Object.assign(made.style, style, inside ? { overflow: "hidden", textOverflow: "ellipsis" } : { position: "absolute", left: "3px" });
  // The element around the label has no box, so that the library does not move the label.
  const around = element("div", {}, made);
  around.style.display = "contents";
  return around;
}

const fixed = { drag: false, resize: false };

function putTurn(regions, turn, drawn, chosen) {
  const [start, end] = [turn.start - drawn.start, turn.end - drawn.start];
  const channelIdx = turn.side === "user" ? 0 : 1;
  const words = label(turn.words.slice(0, 40).map(([, word]) => word).join(" "), true);
  const region = regions.addRegion({ ...fixed, start, end, channelIdx, color: pale(turn.side, 16), content: words });
  region.on("click", (event) => chosen({ turn }, event));
  if (!turn.cut) return;
  const cut = regions.addRegion({ ...fixed, start: end, channelIdx: 1, color: color("bad"), content: label("✂", false) });
  cut.on("click", (event) => chosen({ turn }, event));
}

function putMark(regions, mark, drawn, chosen) {
  const name = MARKED[mark.kind];
  // A mark at the very end is drawn just before it, because it would not be visible after it.
  const start = Math.min(mark.at - drawn.start, 0.999 * (drawn.end - drawn.start));
  const end = mark.until === null ? start : Math.max(start, mark.until - drawn.start);
  const text = { tool_call: mark.text.split("(")[0], delegation: `delegates ${mark.text}` }[mark.kind] ?? mark.text;
  // Tools are called within the time of a delegation, so that it is paler.
  const tone = end > start ? pale(name, mark.kind === "delegation" ? 18 : 40) : color(name);
  const content = label(text, false);
  const region = regions.addRegion({ ...fixed, start, end, channelIdx: 2, color: tone, content });
  region.element?.setAttribute("title", text);
  region.on("click", (event) => chosen({ mark }, event));
  return { start, content, yields: mark.kind === "delegation" };
}

// Hides each label that would cover the label before it; zooming in makes room for it. A label that
// would be cut off at the end of the call is placed to the left of its mark. A label that yields is
// hidden if it would cover the label after it.
function thinOut(labels, duration, width) {
  let free = 0;
  for (const [number, { start, content, yields }] of labels.entries()) {
    const long = 6 + CHARACTER * content.textContent.length;
    const at = (start / duration) * width;
    const left = at + long > width;
    const from = left ? at - long : at;
    const next = yields ? labels[number + 1] : undefined;
    const hidden = from < free || (next !== undefined && (next.start / duration) * width < from + long);
    Object.assign(content.firstChild.style, {
      visibility: hidden ? "hidden" : "", left: left ? "auto" : "3px", right: left ? "3px" : "auto",
    });
    if (!hidden) free = from + long;
  }
}
