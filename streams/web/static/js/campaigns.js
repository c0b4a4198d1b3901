// Campaigns: what each is about, what it has received, and how far it is to its goal.

import { ask } from "./api.js";
import { element, linkTo } from "./dom.js";
import { Feed } from "./feed.js";
import { count, moment, points } from "./format.js";
import { clipped, encodeId } from "./names.js";

const EVERY_MS = 5000;

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

function card({ id, definition, score }) {
  const about = [...(definition.tags ?? []).map((tag) => `#${tag}`), ...(definition.accounts ?? [])].map(String);
  const totals = score && ["posts", "likes", "shares", "replies"].map((kind) => `${count(score[kind])} ${kind}`).join(" · ");
  return element(
    "article", { class: "card" },
    element("h2", {}, linkTo(`campaign:${encodeId(id)}`)),
    element("p", { class: "quiet" }, ...about.slice(0, 8).flatMap((text) => [element("bdi", {}, clipped(text, 40)), " "])),
    score ? element("p", {}, element("b", { class: "big" }, points(score.score)), ` ± ${points(score.plus_minus)}`) : null,
    element("p", {}, totals ?? "Nothing has happened in it yet."),
    goal(definition.goal, score),
    typeof definition.to_s === "number" ? element("p", { class: "quiet" }, `until ${moment(definition.to_s)}`) : null,
    element("p", {}, element("a", { href: `/?scope=${encodeURIComponent(`campaign:${encodeId(id)}`)}` }, "Who contributes")),
  );
}

function goal(wanted, score) {
  const totals = score && { ...score, engagements: score.likes + score.shares + score.replies };
  const has = wanted && totals ? totals[wanted.of] : undefined;
  if (typeof has !== "number" || typeof wanted.value !== "number") return null;
  const share = Math.max(0, Math.min(1, has / wanted.value));
  return element(
    "p", { class: "goal" },
    element("meter", { min: 0, max: 1, value: share }),
    ` ${count(has)} of ${count(wanted.value)} ${wanted.of}`,
  );
}
