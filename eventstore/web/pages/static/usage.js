// The charts of the usage page, each with its numbers in a table.

import { element } from "./common.js";
import { start } from "./filters.js";

start();

const MODELS = ["#1e76c8", "#d9822b", "#5c9a45", "#8f63c9", "#c4454d", "#3aa6a6", "#a08a2f", "#7a7a7a"];
const TOP = 15;
const data = JSON.parse(document.getElementById("data").textContent);
const money = (usd) => {
  if (usd === null) return "unknown";
  if (usd > 0 && usd < 0.00005) return "<$0.0001";
  return `$${usd.toLocaleString("en", { maximumFractionDigits: usd >= 1 ? 2 : 4 })}`;
};
// A plus sign means that a part of the usage has no known price.
const cost = (entry) => money(entry.cost_usd) + (entry.cost_usd !== null && entry.unpriced.models.length ? " +" : "");
const number = (value) => Math.round(value).toLocaleString("en");
const name = (value) => value ?? "none";
const color = (key) => getComputedStyle(document.documentElement).getPropertyValue(`--${key}`).trim();

const DAY = 86_400_000;
const MOST = 1000;

// The axis has all days, also those without calls.
function everyDay(found) {
  if (!found.length) return [];
  const [first, last] = [Date.parse(found[0]), Date.parse(found[found.length - 1])];
  if (last - first > MOST * DAY) return found;
  const whole = [];
  for (let at = first; at <= last; at += DAY) whole.push(new Date(at).toISOString().slice(0, 10));
  return whole;
}

const days = everyDay([...new Set(data.days.map((entry) => entry.key))]);
const quick = new Map(data.latency.map((entry) => [entry.key, entry]));
const models = [...new Set(data.days.map((entry) => entry.model))];
const of = new Map(data.days.map((entry) => [`${entry.key} ${entry.model}`, entry]));
const sum = (day, field) => models.reduce((all, model) => all + (of.get(`${day} ${model}`)?.[field] ?? 0), 0);

const short = (label) => (/^\d{4}-\d\d-\d\d$/.test(label) ? label.slice(5) : label);
const stacked = { x: { stacked: true, ticks: { callback(value) { return short(this.getLabelForValue(value)); } } }, y: { stacked: true, beginAtZero: true } };
const ticks = (shown) => ({ ticks: { callback: (value) => shown(value) } });
const told = (shown) => ({ callbacks: { label: (item) => `${item.dataset.label}: ${shown(item.raw)}` } });

const charts = {
  money: () => ({
    type: "bar",
    data: { labels: days, datasets: models.map((model, i) => ({
      label: name(model), backgroundColor: MODELS[i % MODELS.length],
      data: days.map((day) => of.get(`${day} ${model}`)?.cost_usd ?? null),
    })) },
    options: { scales: { x: stacked.x, y: { ...stacked.y, ...ticks(money) } }, plugins: { tooltip: told(money) } },
  }),
  tokens: () => ({
    type: "bar",
    data: { labels: days, datasets: [
      { label: "input", backgroundColor: color("user"), data: days.map((day) => sum(day, "input_tokens") - sum(day, "cached_tokens")) },
      { label: "cached input", backgroundColor: "#9dbfc8", data: days.map((day) => sum(day, "cached_tokens")) },
      { label: "output", backgroundColor: color("assistant"), data: days.map((day) => sum(day, "output_tokens")) },
    ] },
    options: { scales: { x: stacked.x, y: { ...stacked.y, ...ticks(number) } }, plugins: { tooltip: told(number) } },
  }),
  values: () => {
    const top = data.values.slice(0, TOP);
    return {
      type: "bar",
      data: { labels: top.map((entry) => name(entry.key)), datasets: [
        { label: "cost", backgroundColor: color("accent"), data: top.map((entry) => entry.cost_usd) },
      ] },
      options: { indexAxis: "y", scales: { x: { beginAtZero: true, ...ticks(money) } },
        plugins: { legend: { display: false }, tooltip: told(money) },
        onClick: (_, [hit]) => { if (hit && top[hit.index].key !== null) location.assign(responsesOf(top[hit.index].key)); } },
    };
  },
  latency: () => ({
    type: "line",
    data: { labels: days, datasets: [["p50_ms", "p50", "user"], ["p90_ms", "p90", "assistant"], ["p99_ms", "p99", "bad"]].map(([field, label, tone]) => ({
      label, borderColor: color(tone), backgroundColor: color(tone), pointRadius: days.length > 7 ? 2 : 4, tension: 0.2, spanGaps: true,
      data: days.map((day) => (quick.has(day) && quick.get(day)[field] !== null ? quick.get(day)[field] / 1000 : null)),
    })) },
    options: { scales: { x: { offset: true, ticks: stacked.x.ticks }, y: { beginAtZero: true, ...ticks((value) => `${value} s`) } }, plugins: { tooltip: told((value) => `${value.toFixed(2)} s`) } },
  }),
  context: () => ({
    type: "bar",
    data: { labels: data.context.map((entry) => entry.turn), datasets: [
      { label: "input", backgroundColor: color("user"), data: data.context.map((entry) => entry.input_tokens - entry.cached_tokens) },
      { label: "cached input", backgroundColor: "#9dbfc8", data: data.context.map((entry) => entry.cached_tokens) },
    ] },
    options: { scales: { x: { ...stacked.x, title: { display: true, text: "response of its call" } }, y: { ...stacked.y, ...ticks(number) } }, plugins: { tooltip: told(number) } },
  }),
};

const responsesOf = (value) =>
  `/responses?${new URLSearchParams([["key", data.key], ["op", "="], ["value", value]])}`;

const tables = {
  money: [["Day", "Model", "Responses", "Cost"], data.days.map((entry) => [entry.key, name(entry.model), number(entry.responses), cost(entry)])],
  tokens: [["Day", "Input", "Cached", "Output"], days.filter((day) => models.some((model) => of.has(`${day} ${model}`))).map((day) => [day, ...["input_tokens", "cached_tokens", "output_tokens"].map((field) => number(sum(day, field)))])],
  values: [[data.key ?? "", "Responses", "Tokens", "Cached", "Cost"], data.values.map((entry) => [
    entry.key === null ? "none" : element("a", { href: responsesOf(entry.key) }, entry.key),
    number(entry.responses), number(entry.total_tokens), number(entry.cached_tokens), cost(entry)])],
  latency: [["Day", "Answers", "p50", "p90", "p99"], data.latency.map((entry) => [entry.key, number(entry.answers), ...[entry.p50_ms, entry.p90_ms, entry.p99_ms].map((ms) => (ms === null ? "" : `${(ms / 1000).toFixed(2)} s`))])],
  context: [["Response", "Calls", "Input", "Cached"], data.context.map((entry) => [entry.turn, number(entry.responses), number(entry.input_tokens), number(entry.cached_tokens)])],
};

for (const [id, [heads, rows]] of Object.entries(tables)) {
  const cells = (kind, row) => row.map((value, i) => element(kind, i ? { class: "number" } : {}, value));
  document.getElementById(`chart-${id}-table`)?.append(
    element("thead", {}, element("tr", {}, ...cells("th", heads))),
    element("tbody", {}, ...rows.map((row) => element("tr", {}, ...cells("td", row)))));
}

let drawn = [];
function draw() {
  for (const chart of drawn) chart.destroy();
  Chart.defaults.color = color("soft");
  Chart.defaults.borderColor = color("line");
  Chart.defaults.maintainAspectRatio = false;
  Chart.defaults.animation = false;
  Chart.defaults.datasets.bar.maxBarThickness = 64;
  drawn = Object.entries(charts)
    .filter(([id]) => document.getElementById(`chart-${id}`))
    .map(([id, made]) => new Chart(document.getElementById(`chart-${id}`), made()));
  document.documentElement.dataset.drawn = drawn.length;
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
draw();
