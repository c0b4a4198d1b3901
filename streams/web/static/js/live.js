// The live stream: one at a time, opened anew whenever something else is to be followed or it broke.

import { ask } from "./api.js";

const KINDS = ["alive", "board", "score", "changes", "alerts", "stats"];
const SILENT_S = 25; // the server says something every ten seconds
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 8000;

/** Follows what is asked for; calls `on[kind](data)` for each event, and `on.state("open" | "broken")`. */
export class Live {
  #on;
  #source = null;
  #asked = {};
  #pauseMs = FIRST_PAUSE_MS;
  #timer = 0;
  #heardMs = 0;

  constructor(on) {
    this.#on = on;
    setInterval(() => this.#checkSilence(), 5000);
    addEventListener("online", () => this.#open());
    document.addEventListener("visibilitychange", () => {
      // What nobody looks at needs no stream; coming back opens one with everything new.
      if (document.hidden) this.#close();
      else this.#open();
    });
  }

  /** Follows what `/api/v1/live` is asked for by these parameters. */
  follow(asked) {
    this.#asked = Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== null));
    this.#open();
  }

  #open() {
    this.#close();
    this.#heardMs = Date.now();
    const source = new EventSource(`/api/v1/live?${new URLSearchParams(this.#asked)}`);
    this.#source = source;
    source.onopen = () => {
      this.#pauseMs = FIRST_PAUSE_MS;
      this.#heardMs = Date.now();
      this.#on.state("open");
    };
    source.onerror = () => {
      this.#on.state("broken");
      // Connecting again is the browser's, with the id of the last event, unless the answer was an error: that ends it.
      if (source.readyState === EventSource.CLOSED) this.#later();
    };
    for (const kind of KINDS) {
      source.addEventListener(kind, (event) => {
        this.#heardMs = Date.now();
        this.#on[kind]?.(JSON.parse(event.data));
      });
    }
  }

  #close() {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
  }

  #later() {
    clearTimeout(this.#timer);
    ask("stats").catch(() => {}); // an event stream doesn't say why it was refused: without the cookie this leads to the form
    this.#timer = setTimeout(() => this.#open(), this.#pauseMs * (0.5 + Math.random() / 2));
    this.#pauseMs = Math.min(LONGEST_PAUSE_MS, 2 * this.#pauseMs);
  }

  #checkSilence() {
    // A connection that died without a word: the counts alone come every second.
    if (this.#source?.readyState === EventSource.OPEN && Date.now() - this.#heardMs > SILENT_S * 1000) {
      this.#on.state("broken");
      this.#open();
    }
  }
}
