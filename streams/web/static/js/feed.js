// A list whose lines are made anew when there is news; not under a pointer or the keyboard's focus: there they wait.

import { fill } from "./dom.js";

/** Draws lines into a node. */
export class Feed {
  #make = null; // returns the lines that wait
  #isDrawn = false;

  constructor(node) {
    this.node = node;
    node.addEventListener("pointerleave", () => this.#draw());
    node.addEventListener("focusout", () => setTimeout(() => this.#draw())); // when it is known where the focus went
  }

  /** Shows what `make` returns, now or as soon as nobody is at the list. */
  show(make) {
    this.#make = make;
    this.#draw();
  }

  #draw() {
    if (this.#make === null || (this.#isDrawn && this.node.matches(":hover, :focus-within"))) return;
    fill(this.node, ...this.#make());
    this.#make = null;
    this.#isDrawn = true;
  }
}
