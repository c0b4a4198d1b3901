// The page of an entity: its score with parts, its history, why it moved and who moved it, and who stands around it.

import { ask } from "./api.js";
import { causes, move } from "./changes.js";
import { history, parts } from "./chart.js";
import { element, fill, hrefOf, linkTo, name } from "./dom.js";
import { Feed } from "./feed.js";
import { count, points, signed, time, worth } from "./format.js";
import { encodeId, parsed, printable } from "./names.js";

const REASONS = 20;
const ENGAGED = 12;
const AROUND = 3;
const AGAIN_MS = 3000; // at most so often is the rest of the page read anew

/** The page of one entity. */
export class EntityView {
  #entity;
  #found;
  #score = element("div", { class: "summary" }, element("p", { class: "quiet" }, "…"));
  #parts = element("div");
  #history = element("div");
  #reasons = new Feed(element("ol", { class: "feed", tabindex: "0", "aria-label": "Why it moved" }));
  #engaged = new Feed(element("ol", { class: "feed engaged", tabindex: "0", "aria-label": "Who engages" }));
  #around = new Feed(element("ol", { class: "around" }));
  #moves = []; // statements and changes, newest first
  #version = null;
  #current = null; // score
  #kept = null; // points of its history, and what the server takes as now
  #timer = 0;
  #readMs = 0;

  constructor(entity) {
    this.#entity = entity;
    this.#found = parsed(entity);
    this.title = printable(this.#found.id);
    this.node = element(
      "article", { class: "entity" },
      element("header", {}, element("h1", {}, name(this.#found.id)), this.#kind()),
      this.#score,
    );
  }

  /** What the live stream is asked for. */
  get asked() {
    return { entity: this.#entity };
  }

  score({ entity, score }) {
    if (entity !== this.#entity) return;
    if (score === null) {
      fill(this.#score, element("p", { class: "quiet" }, "No score is kept: nothing has happened to it, or it expired."));
      return;
    }
    this.#current = score;
    this.#showScore(score);
    fill(this.#parts, parts(score));
    this.#draw();
    if (this.#version !== score.ver) this.#readSoon();
    this.#version = score.ver;
  }

  changes({ changes }) {
    this.#addMoves([...changes].reverse());
  }

  opened() {
    this.#readSoon();
  }

  close() {
    clearTimeout(this.#timer);
  }

  #kind() {
    const { type, id, scope } = this.#found;
    const inside = scope === null ? null : element("span", {}, " in ", linkTo(scope));
    const board = type === "account" ? null : element(
      "a", { href: `/?scope=${encodeURIComponent(`${type}:${encodeId(id)}`)}` }, type === "topic" ? "its accounts" : "who contributes",
    );
    const everywhere = scope === null ? null : element("a", { href: hrefOf(`account:${encodeId(id)}`) }, "everywhere");
    const links = [everywhere, board].filter((link) => link !== null).flatMap((link) => [" · ", link]);
    return element("p", { class: "quiet" }, type, inside, ...links);
  }

  #showScore(score) {
    const facts = [
      score.rank === null ? null : ["rank", `#${count(score.rank)} of ${count(score.size)}${score.ties ? `, with ${count(score.ties)} more` : ""}`],
      score.percentile === null ? null : ["above", `${score.percentile.toFixed(1)} %`],
      ["momentum", signed(score.momentum)],
      ["posts", count(score.posts)], ["likes", count(score.likes)], ["shares", count(score.shares)], ["replies", count(score.replies)],
    ];
    const told = facts.filter((fact) => fact !== null);
    fill(
      this.#score,
      element("p", {}, element("b", { class: "huge" }, points(score.score)), ` ± ${points(score.plus_minus)}`),
      element("dl", { class: "facts" }, ...told.map(([key, value]) => element("div", {}, element("dt", {}, key), element("dd", {}, value)))),
      score.provisional ? element("p", { class: "problem mild" }, "Provisional: too few people to say more.") : null,
    );
  }

  #readSoon() {
    if (this.#timer) return;
    const waitMs = Math.max(0, this.#readMs + AGAIN_MS - Date.now());
    this.#timer = setTimeout(() => this.#read(), waitMs);
  }

  async #read() {
    this.#timer = 0;
    this.#readMs = Date.now();
    const path = encodeURIComponent(this.#entity);
    try {
      const [{ points: kept }, { statements }, around] = await Promise.all([
        ask(`history/${path}`), ask(`why/${path}`, { n: REASONS }), ask(`around/${path}`, { n: AROUND }),
      ]);
      this.#kept = { points: kept, now: around.now };
      this.#addMoves(statements, true);
      this.#around.show(() => (around.places.length ? around.places.map((place) => this.#neighbour(place)) : [quiet("It is on no board.")]));
      this.#draw();
    } catch (error) {
      if (this.#kept === null) fill(this.#score, element("p", { class: "problem" }, error.message));
    }
  }

  /** Draws what needs both the score and what is read beside it; only then are the panels put in, so that they don't grow. */
  #draw() {
    if (this.#current === null || this.#kept === null) return;
    fill(this.#history, history(this.#kept.points, this.#current.score, this.#kept.now));
    if (this.#history.isConnected) return;
    this.node.append(
      panel("What it is made of", this.#parts), panel("Why it moved", this.#reasons.node), panel("Who engages", this.#engaged.node),
      panel("History", this.#history, "wide"), panel("Around it", this.#around.node),
    );
  }

  #neighbour(place) {
    const isIt = place.entity === this.#entity;
    const who = isIt ? element("b", {}, name(place.id)) : linkTo(place.entity);
    const number = (text) => element("span", { class: "number" }, text);
    return element("li", { class: isIt ? "it" : null }, number(String(place.rank)), who, number(points(place.score)));
  }

  #addMoves(moves, isStatement = false) {
    // A statement and a change may tell of the same move; the statement says more.
    const isSame = (a, b) => (a.ver !== undefined && b.ver !== undefined ? a.ver === b.ver : a.at === b.at);
    for (const one of moves) {
      const i = this.#moves.findIndex((held) => isSame(one, held));
      if (i < 0) this.#moves.push(one);
      else if (isStatement) this.#moves[i] = { ...this.#moves[i], ...one };
    }
    this.#moves = this.#moves.sort((a, b) => (b.at ?? 0) - (a.at ?? 0)).slice(0, REASONS);
    const none = quiet("No move of this score has been told yet; the next one shows here.");
    this.#reasons.show(() => (this.#moves.length ? this.#moves.map(reason) : [none]));
    const people = engaged(this.#moves);
    const nobody = quiet("Nobody yet, as far as the last moves tell.");
    this.#engaged.show(() => (people.length ? people.map(person(people[0].points)) : [nobody]));
  }
}

function panel(title, content, kind = "") {
  return element("section", { class: `panel ${kind}` }, element("h2", {}, title), content);
}

function quiet(text) {
  return element("li", { class: "quiet" }, text);
}

function causesOf(one) {
  const list = one.causes ?? one.reasons;
  return Array.isArray(list) ? list.filter((cause) => cause && typeof cause.actor === "string") : [];
}

/** Returns what else a statement says in numbers, such as what has faded since the one before. */
function others(one) {
  const known = /^(before|after|at|published_at|ver|plus_minus|score|version|.*_pts)$/;
  return Object.entries(one)
    .filter(([key, value]) => typeof value === "number" && !known.test(key))
    .map(([key, value]) => element("span", { class: "quiet" }, `${printable(key).replaceAll("_", " ")} ${signed(value)}`));
}

function reason(one) {
  const moved = typeof one.before === "number" && typeof one.after === "number" ? move(one.before, one.after) : null;
  return element(
    "li", {},
    element("span", { class: "head" }, moved, element("time", { class: "quiet" }, typeof one.at === "number" ? time(one.at) : "")),
    element("span", { class: "foot" }, causes(causesOf(one)), ...others(one)),
  );
}

/** Returns who moved the score most, of those that the moves name. */
function engaged(moves) {
  const people = new Map();
  for (const cause of moves.flatMap(causesOf)) {
    const person = people.get(cause.actor) ?? { actor: cause.actor, points: 0, kinds: new Map() };
    person.points += Number(cause.points) || 0;
    person.kinds.set(cause.kind, (person.kinds.get(cause.kind) ?? 0) + 1);
    people.set(cause.actor, person);
  }
  return [...people.values()].sort((a, b) => b.points - a.points).slice(0, ENGAGED);
}

function person(most) {
  return ({ actor, points: given, kinds }) => {
    const bar = element("span", { class: "fill" });
    bar.style.transform = `scaleX(${most > 0 ? Math.max(0, given / most) : 0})`;
    const what = [...kinds].map(([kind, times]) => (times > 1 ? `${times} × ${kind}` : kind)).join(", ");
    return element(
      "li", {},
      linkTo(`account:${encodeId(actor)}`), element("span", { class: "quiet" }, printable(what)),
      element("span", { class: "track" }, bar), element("span", { class: "number" }, worth(given)),
    );
  };
}
