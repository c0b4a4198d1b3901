// The rows of a leaderboard: each entity keeps its row, which moves to its new place. Rows have one height, and each is put in its
// place by a transform, so nothing is measured but that, and nothing on the page is laid out anew.

import { element, hrefOf, name, write } from "./dom.js";
import { points, short } from "./format.js";

const MOVE_MS = 450;
const EASING = "cubic-bezier(0.2, 0.7, 0.2, 1)";
const COUNTS = ["reach", "posts", "likes", "shares", "replies"];
const HEADINGS = [
  ["rank", "#"], ["moved", ""], ["who", "name"], ["bar", ""], ["score", "score"], ["error", "±"],
  ...COUNTS.map((count) => [count, count]),
];
const still = matchMedia("(prefers-reduced-motion: reduce)");

/** Keeps the rows of a board. */
export class Rows {
  #rows = new Map(); // entity -> Row
  #body = element("div", { class: "rows", role: "rowgroup", onkeydown: (event) => this.#onKey(event) });
  #current = null; // the row that the keyboard is at

  constructor() {
    const headings = HEADINGS.map(([kind, text]) => element("span", { class: kind, role: "columnheader" }, text));
    const head = element("div", { role: "rowgroup" }, element("div", { class: "row head", role: "row" }, ...headings));
    this.node = element("div", { class: "table", role: "table", "aria-label": "Leaderboard" }, head, this.#body);
    this.#body.addEventListener("focusin", (event) => this.#setCurrent(event.target.closest(".row")));
  }

  /** Shows these places, best first. */
  show(places) {
    const before = new Map([...this.#body.children].map((node, i) => [node.dataset.entity, i]));
    const focused = document.activeElement;
    const rows = places.map((place) => this.#rowOf(place));
    const kept = new Set(places.map((place) => place.entity));
    for (const [entity, row] of this.#rows) {
      if (kept.has(entity)) continue;
      row.node.remove();
      this.#rows.delete(entity);
    }
    rows.forEach((row, i) => {
      if (this.#body.children[i] !== row.node) this.#body.insertBefore(row.node, this.#body.children[i] ?? null);
      row.node.style.transform = `translateY(calc(${i} * var(--row)))`;
    });
    this.#body.style.height = `calc(${rows.length} * var(--row))`;
    if (before.size && !still.matches) this.#move(rows, before);
    if (focused !== document.activeElement && this.#body.contains(focused)) focused.focus({ preventScroll: true });
    if (!this.#current?.isConnected) this.#setCurrent(this.#body.firstElementChild);
  }

  #rowOf(place) {
    let row = this.#rows.get(place.entity);
    if (row === undefined) {
      row = new Row(place);
      this.#rows.set(place.entity, row);
    }
    row.show(place);
    return row;
  }

  #move(rows, before) {
    const height = rows[0]?.node.offsetHeight ?? 0;
    rows.forEach((row, i) => {
      const from = before.get(row.node.dataset.entity);
      if (from === undefined) row.node.animate([{ opacity: 0 }, { opacity: 1 }], { duration: MOVE_MS });
      else if (from !== i) {
        // Added to what still moves: a row that is overtaken on its way doesn't jump.
        const frames = [{ transform: `translateY(${(from - i) * height}px)` }, { transform: "translateY(0)" }];
        row.node.animate(frames, { duration: MOVE_MS, easing: EASING, composite: "add" });
      }
    });
  }

  #setCurrent(node) {
    if (!node || node === this.#current) return;
    this.#current?.querySelector("a").setAttribute("tabindex", "-1");
    node.querySelector("a").setAttribute("tabindex", "0");
    this.#current = node;
  }

  #onKey(event) {
    const nodes = [...this.#body.children];
    const at = nodes.indexOf(event.target.closest(".row"));
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -nodes.length, End: nodes.length };
    if (at < 0 || !(event.key in steps) || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    nodes[Math.max(0, Math.min(nodes.length - 1, at + steps[event.key]))].querySelector("a").focus();
  }
}

/** One row: its cells are made once, and changed where they differ. */
class Row {
  #cells = {};
  #fill = element("span", { class: "fill" });
  #error = element("span", { class: "spread" });

  constructor(place) {
    const link = element("a", { href: hrefOf(place.entity), tabindex: "-1" }, name(place.id));
    const inside = { who: [link], bar: [element("span", { class: "track" }, this.#error, this.#fill)] };
    const cells = HEADINGS.map(([kind]) => {
      this.#cells[kind] = element("span", { class: kind, role: "cell" }, ...(inside[kind] ?? []));
      return this.#cells[kind];
    });
    this.node = element("div", { class: "row", role: "row", "data-entity": place.entity }, ...cells);
  }

  show(place) {
    const [sign, kind, said] = movement(place.moved);
    write(this.#cells.rank, String(place.rank));
    write(this.#cells.moved, sign);
    this.#cells.moved.className = `moved ${kind}`;
    this.#cells.moved.title = said;
    write(this.#cells.score, points(place.score) + (place.provisional ? "?" : ""));
    this.#cells.score.title = place.provisional ? "provisional: too few people to say more" : "";
    write(this.#cells.error, points(place.plus_minus));
    for (const count of COUNTS) write(this.#cells[count], short(place[count]));
    this.node.classList.toggle("provisional", place.provisional);
    this.#drawBar(place);
  }

  #drawBar({ score, plus_minus: error }) {
    const share = (points) => Math.max(0, Math.min(1, (points - 1) / 99));
    this.#fill.style.transform = `scaleX(${share(score)})`;
    const [low, high] = [share(score - error), share(score + error)];
    this.#error.style.transform = `translateX(${100 * low}%) scaleX(${high - low})`;
  }
}

function movement(moved) {
  if (moved === null) return ["new", "up", "new on this board"];
  if (!moved) return ["", "", ""];
  const places = `${Math.abs(moved)} place${Math.abs(moved) === 1 ? "" : "s"}`;
  return moved > 0 ? [`▲${moved}`, "up", `${places} won in ten seconds`] : [`▼${-moved}`, "down", `${places} lost in ten seconds`];
}
