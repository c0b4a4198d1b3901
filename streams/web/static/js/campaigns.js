// Campaigns: what each is about, what it has gathered, its share of voice, and how far it is to its goal.

import { ask } from "./api.js";
import { element, linkTo } from "./dom.js";
import { Feed } from "./feed.js";
import { count, points, time } from "./format.js";
import { clipped, encodeId } from "./names.js";

const EVERY_MS = 5000;
const KINDS = ["posts", "likes", "shares", "replies", "people"];
const MOST_ABOUT = 8; // tags and accounts

/** The view of all campaigns. */
export class CampaignsView {
  title = "Campaigns";
  asked = {};
  #list = new Feed(element("div", { class: "cards" }));
  #isRead = false;
  #timer = 0;

  constructor() {
    this.node = element("section", {}, element("h1", {}, "Campaigns"), this.#list.node);
    this.#list.show(() => [element("p", { class: "quiet" }, "…")]);
  }

  opened() {
    this.#load();
    clearInterval(this.#timer);
    this.#timer = setInterval(() => this.#load(), EVERY_MS);
  }

  close() {
    clearInterval(this.#timer);
  }

  async #load() {
    try {
      const { campaigns } = await ask("campaigns");
      const none = element("p", { class: "quiet" }, "No campaigns. One that is added while workers run shows here, and counts from then on.");
      this.#list.show(() => (campaigns.length ? campaigns.map(card) : [none]));
      this.#isRead = true;
    } catch (error) {
      if (!this.#isRead) this.#list.show(() => [element("p", { class: "problem" }, error.message)]);
    }
  }
}

function card({ id, definition, state, score, totals, share_of_voice: share, progress }) {
  const about = [...definition.tags.map((tag) => `#${tag}`), ...definition.accounts];
  const pace = totals.per_minute.likes + totals.per_minute.shares + totals.per_minute.replies;
  const facts = [
    ...KINDS.map((kind) => [kind, count(totals[kind])]),
    ["reach", points(totals.reach)],
    ["score", score ? `${points(score.score)} ± ${points(score.plus_minus)}` : "—"],
  ];
  return element(
    "article", { class: "card" },
    element("header", {}, element("h2", {}, linkTo(`campaign:${encodeId(id)}`)), element("span", { class: `state ${state}` }, state)),
    element("p", { class: "quiet about" }, ...about.slice(0, MOST_ABOUT).flatMap((text) => [element("bdi", {}, clipped(text, 40)), " "]),
      about.length > MOST_ABOUT ? `and ${count(about.length - MOST_ABOUT)} more` : null),
    element("p", { class: "lead" }, element("b", { class: "big" }, count(totals.engagements)), " engagements",
      element("span", { class: "quiet" }, ` · ${pace < 10 ? pace.toFixed(1) : count(pace)} a minute`)),
    progress && measure(progress.ratio, `${count(progress.value)} of ${count(progress.goal)} ${progress.of}`, reached(progress, state)),
    share === null ? null : measure(share, "share of voice", `${(100 * share).toFixed(1)} %`),
    element("dl", { class: "facts" }, ...facts.map(([key, value]) => element("div", {}, element("dt", {}, key), element("dd", {}, value)))),
    element("p", { class: "foot" }, element("a", { href: `/?scope=${encodeURIComponent(`campaign:${encodeId(id)}`)}` }, "Who contributes"),
      element("span", { class: "quiet" }, lasts(definition, state))),
  );
}

/** Returns a bar with what it says on its left and right. */
function measure(ratio, left, right) {
  const bar = element("span", { class: "fill" });
  bar.style.transform = `scaleX(${Math.max(0, Math.min(1, ratio))})`;
  return element(
    "div", { class: "measure" },
    element("p", {}, element("span", {}, left), element("span", { class: "quiet" }, right)),
    element("span", { class: "track", "aria-hidden": "true" }, bar),
  );
}

function reached({ ratio, at }, state) {
  if (ratio >= 1) return "reached";
  const percent = `${(100 * ratio).toFixed(0)} %`;
  return at === null || state === "over" ? percent : `${percent} · at this pace ${time(at)}`;
}

function lasts({ from_s: from, since_ms: since, to_s: to, ended_ms: ended }, state) {
  if (state === "over") return ended === null ? `until ${time(to)}` : `ended ${time(ended / 1000)}`;
  const starts = from ?? since / 1000;
  return to === null ? `${state === "runs" ? "since" : "from"} ${time(starts)}` : `until ${time(to)}`;
}
