// Scores that moved just now, the largest moves of each moment, newest first.

import { element, linkWithin, name } from "./dom.js";
import { Feed } from "./feed.js";
import { points, signed, time } from "./format.js";

const SHOWN = 25;
const OF_A_MOMENT = 4; // what more there is, nobody could read
const CAUSES = 3;

/** The list of what moves. */
export class Changes {
  #list = new Feed(element("ol", { class: "feed", tabindex: "0", "aria-label": "What moves" }));
  #held = [];

  constructor() {
    this.node = element("section", { class: "panel" }, element("h2", {}, "What moves"), this.#list.node);
    this.#list.show(() => [element("li", { class: "quiet" }, "Nothing has moved since this page was opened.")]);
  }

  /** Adds what came at once. */
  add({ changes }) {
    const size = (change) => Math.abs(change.after - change.before);
    const largest = [...changes].sort((a, b) => size(b) - size(a)).slice(0, OF_A_MOMENT);
    if (!largest.length) return;
    this.#held = [...largest, ...this.#held].slice(0, SHOWN);
    this.#list.show(() => this.#held.map(line));
  }
}

/** Returns who caused a change, the largest first. */
export function causes(list) {
  if (!list?.length) return null;
  const parts = list.slice(0, CAUSES).flatMap((cause, i) => [i ? ", " : "by ", name(String(cause.actor)), ` (${cause.kind})`]);
  return element("span", { class: "quiet causes" }, ...parts);
}

/** Returns by how much a score moved. */
export function move(before, after) {
  const kind = after >= before ? "up" : "down";
  return element("span", { class: `move ${kind}` }, element("b", {}, signed(after - before)), ` to ${points(after)}`);
}

function line(change) {
  return element(
    "li", {},
    element("span", { class: "head" }, linkWithin(change.entity), move(change.before, change.after)),
    element("span", { class: "foot" }, causes(change.causes), element("time", { class: "quiet" }, time(change.published_at))),
  );
}
