// The three parts of a score as sliders: the board is ranked anew by what the reader finds important.

import { element, write } from "./dom.js";

const PARTS = [
  ["reach", "Reach", "how many people"],
  ["network", "Network", "their own standing"],
  ["amplification", "Amplification", "engagement per post"],
];
const MOST = 3;
const SETTLED_MS = 250; // while a slider moves, the server isn't asked

/** Returns what the API takes as `weights`, null for those that scores have. */
export function asParameter(weights) {
  const text = PARTS.map(([part]) => `${part}=${weights[part]}`).join(",");
  return PARTS.every(([part]) => weights[part] === 1) ? null : text;
}

/** Returns weights from what an address has; what isn't valid counts 1. */
export function fromParameter(text) {
  const given = Object.fromEntries((text ?? "").split(",").map((part) => part.split("=")));
  const valid = (value) => value !== undefined && value !== "" && Number(value) >= 0 && Number(value) <= MOST;
  return Object.fromEntries(PARTS.map(([part]) => [part, valid(given[part]) ? Number(given[part]) : 1]));
}

/** Sliders; `onChange(weights)` is called when they have settled. */
export class Weights {
  #weights;
  #sliders = {};
  #values = {};
  #onChange;
  #timer = 0;

  constructor(weights, isEnabled, onChange) {
    this.#weights = { ...weights };
    this.#onChange = onChange;
    const lines = PARTS.map(([part, label, what]) => this.#line(part, label, what));
    const reset = element("button", { type: "button", onclick: () => this.#reset() }, "Reset");
    const isOpen = asParameter(weights) !== null;
    this.node = element(
      "details", { class: "weights", open: isOpen },
      element("summary", {}, "Weights"),
      element("fieldset", { disabled: !isEnabled }, element("legend", { class: "hidden" }, "What counts how much"), ...lines, reset),
      isEnabled ? null : element("p", { class: "quiet" }, "A trending score has no parts to weigh."),
    );
  }

  #line(part, label, what) {
    const id = `weight-${part}`;
    const slider = element("input", { id, type: "range", min: 0, max: MOST, step: 0.1, oninput: () => this.#moved(part) });
    slider.value = this.#weights[part];
    this.#sliders[part] = slider;
    this.#values[part] = element("output", { for: id }, this.#weights[part].toFixed(1));
    return element("div", { class: "slider" }, element("label", { for: id, title: what }, label), slider, this.#values[part]);
  }

  #moved(part) {
    this.#weights[part] = Number(this.#sliders[part].value);
    if (!this.#weights.reach && !this.#weights.network) {
      // Without people there is no score: the last of the two stays above nothing.
      this.#weights[part] = 0.1;
      this.#sliders[part].value = 0.1;
    }
    write(this.#values[part], this.#weights[part].toFixed(1));
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#onChange({ ...this.#weights }), SETTLED_MS);
  }

  #reset() {
    for (const [part] of PARTS) {
      this.#sliders[part].value = 1;
      this.#weights[part] = 1;
      write(this.#values[part], "1.0");
    }
    clearTimeout(this.#timer);
    this.#onChange({ ...this.#weights });
  }
}
