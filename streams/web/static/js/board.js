// The view of a leaderboard: which one, its rows, and beside it what moves now.

import { Alerts } from "./alerts.js";
import { ask } from "./api.js";
import { Changes } from "./changes.js";
import { element, fill, write } from "./dom.js";
import { count } from "./format.js";
import { encodeId, parsed, printable } from "./names.js";
import { Rows } from "./rows.js";
import { Weights, asParameter, fromParameter } from "./weights.js";

const PLACES = 50;
const MOST_PLACES = 500;
const SCOPES = [["all", "All accounts"], ["topics", "Topics"], ["campaigns", "Campaigns"], ["topic", "Inside a topic"]];

/** Returns what an address asks for. */
export function boardAsked(query) {
  return {
    scope: query.get("scope") ?? "all",
    board: query.get("board") === "trending" ? "trending" : "standing",
    n: Math.max(1, Math.min(MOST_PLACES, Number(query.get("n")) || PLACES)),
    weights: fromParameter(query.get("weights")),
  };
}

/** Returns the scope of the board that an entity stands on. */
function boardOf({ type, scope }) {
  return scope ?? { topic: "topics", campaign: "campaigns" }[type] ?? "all";
}

/** A leaderboard; `go(query, isStep)` leads to another address. */
export class BoardView {
  title = "Leaderboard";
  #asked;
  #go;
  #rows = new Rows();
  #note = element("p", { class: "quiet note", role: "status" }, "…");
  #more = element("button", { type: "button", class: "more", hidden: true, onclick: () => this.#showMore() }, "More places");
  #changes = new Changes();
  #alerts = new Alerts();
  #tagForm; // with the name of a topic
  #tags = element("datalist", { id: "tags" });

  constructor(query, go) {
    this.#asked = boardAsked(query);
    this.#go = go;
    const side = element("aside", { class: "side" }, this.#changes.node, this.#alerts.node);
    const board = element("section", { class: "board" }, this.#controls(), this.#note, this.#rows.node, this.#more);
    this.node = element("div", { class: "columns" }, element("h1", { class: "hidden" }, "Leaderboard"), board, side);
  }

  /** What the live stream is asked for. */
  get asked() {
    const { scope, board, n, weights } = this.#asked;
    return { scope, board, n, weights: board === "standing" ? asParameter(weights) : null };
  }

  board(data) {
    this.#rows.show(data.places);
    this.#more.hidden = data.size <= data.places.length || this.#asked.n >= MOST_PLACES;
    const what = { topics: "topics", campaigns: "campaigns" }[data.scope] ?? "accounts";
    const few = data.exact ? "" : " Ranked among the first thousands of the usual board: somebody further down may be missing.";
    write(this.#note, data.size ? `${count(data.size)} ${what}.${few}` : "Nobody is on this board yet.");
  }

  changes({ changes }) {
    // What moves on this board: the same account may move on others at the same time.
    this.#changes.add({ changes: changes.filter((change) => boardOf(parsed(change.entity)) === this.#asked.scope) });
  }

  alerts(data) {
    this.#alerts.add(data.alerts);
  }

  opened() {
    this.#alerts.load();
  }

  #controls() {
    const { scope, board, weights } = this.#asked;
    const isTopic = scope.startsWith("topic:");
    const isKnown = isTopic || SCOPES.some(([value]) => value === scope);
    const options = isKnown ? SCOPES : [...SCOPES, [scope, `Inside ${printable(scope)}`]];
    const chosen = isTopic ? "topic" : scope;
    const select = element(
      "select", { id: "scope", onchange: () => this.#chooseScope(select.value) },
      ...options.map(([value, text]) => element("option", { value, selected: value === chosen }, text)),
    );
    const tag = element("input", {
      id: "tag", list: "tags", placeholder: "topic", "aria-label": "Topic", autocomplete: "off", maxlength: 256,
      value: isTopic ? parsed(scope).id : null, onfocus: () => this.#loadTags(),
    });
    this.#tagForm = element(
      "form", { class: "tag", hidden: !isTopic, onsubmit: (event) => this.#chooseTopic(event, tag.value) },
      tag, this.#tags, element("button", {}, "Show"),
    );
    const boards = ["standing", "trending"].map((name) => this.#boardButton(name, name === board));
    return element(
      "div", { class: "controls" },
      element("label", { class: "hidden", for: "scope" }, "Scope"), select, this.#tagForm,
      element("div", { class: "switch", role: "group", "aria-label": "Board" }, ...boards),
      new Weights(weights, board === "standing", (changed) => this.#to({ weights: changed }, true)).node,
    );
  }

  #boardButton(board, isChosen) {
    const label = board[0].toUpperCase() + board.slice(1);
    return element("button", { type: "button", "aria-pressed": String(isChosen), onclick: () => this.#to({ board }) }, label);
  }

  #chooseScope(value) {
    this.#tagForm.hidden = value !== "topic";
    if (value === "topic") this.#tagForm.querySelector("input").focus();
    else this.#to({ scope: value });
  }

  #chooseTopic(event, tag) {
    event.preventDefault();
    if (tag) this.#to({ scope: `topic:${encodeId(tag)}` });
  }

  async #loadTags() {
    if (this.#tags.children.length) return;
    const { places } = await ask("top", { scope: "topics", n: 100 });
    fill(this.#tags, ...places.map((place) => element("option", { value: place.id })));
  }

  #showMore() {
    this.#to({ n: Math.min(MOST_PLACES, 2 * this.#asked.n) }, true);
  }

  /** Goes to this board with something changed; in place when `stays`: the rows move instead of being made anew. */
  #to(changed, stays = false) {
    this.#asked = { ...this.#asked, ...changed };
    const { scope, board, n, weights } = this.#asked;
    const query = new URLSearchParams();
    if (scope !== "all") query.set("scope", scope);
    if (board !== "standing") query.set("board", board);
    if (n !== PLACES) query.set("n", n);
    if (asParameter(weights)) query.set("weights", asParameter(weights));
    this.#go(query, stays);
  }
}
