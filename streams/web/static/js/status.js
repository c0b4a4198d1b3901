// The line that says how things are: events a second, how late scores come, how old the data is, and when something is wrong.

import { write } from "./dom.js";
import { age, count } from "./format.js";

const OLD_S = 10; // workers publish their counts every second

/** Shows the state of the stream and the counts that came last. */
export class Status {
  #node = document.getElementById("status");
  #stats = null;
  #heardMs = 0;
  #state = "connecting …";

  constructor() {
    setInterval(() => this.#show(), 1000);
  }

  /** Takes in whether the stream is "open" or "broken". */
  stream(state) {
    this.#state = state === "open" ? "" : "reconnecting …";
    this.#show();
  }

  /** Takes in counts. */
  stats(stats) {
    this.#stats = stats.problem ? { ...this.#stats, problem: stats.problem } : stats;
    if (!stats.problem) this.#heardMs = Date.now();
    this.#show();
  }

  #show() {
    const [level, text] = this.#said();
    this.#node.dataset.level = level;
    write(this.#node.querySelector(".text"), text);
  }

  #said() {
    const stats = this.#stats;
    if (this.#state) return ["bad", this.#state];
    if (stats === null) return ["", "connecting …"];
    if (stats.problem) return ["bad", stats.problem];
    const ageS = stats.age_s === null ? null : stats.age_s + (Date.now() - this.#heardMs) / 1000;
    if (ageS === null) return ["bad", "no worker has published yet"];
    const rate = stats.events_per_second === null ? "…" : count(stats.events_per_second);
    const lagS = (stats.latency_p50_ms ?? 0) / 1000;
    const lag = lagS ? ` · lag ${lagS < 10 ? `${count(stats.latency_p50_ms)} ms` : age(lagS)}` : "";
    const isLate = Math.max(ageS, lagS) > OLD_S;
    const old = ageS > OLD_S ? ` · data ${age(ageS)} old` : isLate ? "" : " · live";
    const filling = stats.complete ? "" : " · Redis is being filled";
    return [isLate || !stats.complete ? "late" : "good", `${rate} events/s${lag}${old}${filling}`];
  }
}
