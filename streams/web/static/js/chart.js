// The chart of a score over time, and the bar that shows what a score is made of.

import { element, shape } from "./dom.js";
import { date, moment, points, signed, time } from "./format.js";

const STEP = 5; // points: twice the influence, and so the grid
const WIDTH = 1000;
const HEIGHT = 200;

/** Returns the chart of points, newest first, up to `score` at `now`; the drawing stretches, its labels don't. */
export function history(list, score, now) {
  const all = [...list].reverse().filter((point) => point.at <= now);
  all.push({ at: now, score });
  if (all.length < 2) return element("p", { class: "quiet" }, "No change of this score is kept yet.");
  const scores = all.map((point) => point.score);
  const low = Math.max(0, Math.floor((Math.min(...scores) - 1) / STEP) * STEP);
  const high = Math.max(low + STEP, Math.ceil((Math.max(...scores) + 1) / STEP) * STEP);
  const [from, to] = [all[0].at, Math.max(now, all[0].at + 1)];
  const x = (at) => ((at - from) / (to - from)) * WIDTH;
  const y = (value) => HEIGHT - ((value - low) / (high - low)) * HEIGHT;
  const step = STEP * Math.ceil((high - low) / STEP / 6);
  const lines = [];
  for (let value = low; value <= high; value += step) lines.push(value);
  const path = all.map((point, i) => `${i ? "L" : "M"}${x(point.at).toFixed(1)} ${y(point.score).toFixed(1)}`).join("");
  const [least, most] = [points(Math.min(...scores)), points(Math.max(...scores))];
  const label = `Score from ${points(scores[0])} on ${moment(from)} to ${points(score)} now; lowest ${least}, highest ${most}`;
  const drawing = shape(
    "svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": label },
    ...lines.map((value) => shape("line", { class: "grid", x1: 0, x2: WIDTH, y1: y(value), y2: y(value) })),
    shape("path", { class: "area", d: `${path}L${WIDTH} ${HEIGHT}L0 ${HEIGHT}Z` }),
    shape("path", { class: "line", d: path }),
  );
  const numbers = lines.map((value) => {
    const node = element("span", { "aria-hidden": "true" }, String(value));
    node.style.bottom = `${(100 * (value - low)) / (high - low)}%`;
    return node;
  });
  const isLong = to - from > 86400;
  const begins = isLong ? date(from) : time(from);
  return element(
    "figure", { class: "chart" },
    element("div", { class: "plot" }, element("div", { class: "axis" }, ...numbers), drawing),
    element("figcaption", { class: "quiet" }, element("span", {}, begins), element("span", {}, "now")),
  );
}

/** Returns the parts of a score as a bar, and as numbers that add up. */
export function parts(score) {
  const list = [
    ["reach", "Reach", score.reach_pts, `${score.reach.toFixed(1)} people engaged, fading`],
    ["network", "Network", score.network_pts, `${score.network.toFixed(1)} by their own standing`],
    ["amplification", "Amplification", score.amplification_pts, "engagement per post against the usual"],
  ];
  const whole = list.reduce((sum, [, , value]) => sum + Math.max(0, value), 0) || 1;
  const segments = list.map(([kind, label, value]) => {
    const node = element("span", { class: `part ${kind}${value < 0 ? " less" : ""}`, title: `${label} ${signed(value)}` });
    node.style.width = `${(100 * Math.abs(value)) / whole}%`;
    // What is taken away lies on the end of what was there.
    if (value < 0) node.style.marginInlineStart = `-${(100 * Math.min(-value, whole)) / whole}%`;
    return node;
  });
  const rows = list.map(([kind, label, value, what]) =>
    element(
      "tr", {},
      element("th", { scope: "row" }, element("span", { class: `key part ${kind}` }), label),
      element("td", { class: "number" }, signed(value)), element("td", { class: "quiet" }, what),
    ),
  );
  const ground = ["tr", {}, element("th", { scope: "row" }, "Everybody has"), element("td", { class: "number" }, "+1.0"), element("td")];
  const total = [
    "tr", { class: "total" }, element("th", { scope: "row" }, "Score"), element("td", { class: "number" }, points(score.score)),
    element("td", { class: "quiet" }, score.score >= 100 ? "the most there is" : "five points are twice the influence"),
  ];
  return element(
    "div", { class: "parts" },
    element("div", { class: "stack", "aria-hidden": "true" }, ...segments),
    element("table", {}, element("tbody", {}, element(...ground), ...rows, element(...total))),
  );
}
