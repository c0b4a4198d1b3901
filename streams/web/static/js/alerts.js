// Alerts: those that there are, and those that come.

import { ask } from "./api.js";
import { causes } from "./changes.js";
import { element, linkWithin } from "./dom.js";
import { Feed } from "./feed.js";
import { moment, time } from "./format.js";
import { printable } from "./names.js";
import { behind, happened } from "./telling.js";

const SHOWN = 100;

/** The list of alerts, newest first. */
export class Alerts {
  #list = new Feed(element("ol", { class: "feed", tabindex: "0", "aria-label": "Alerts" }));
  #held = new Map(); // id -> alert

  constructor() {
    this.node = element("section", { class: "panel" }, element("h2", {}, "Alerts"), this.#list.node);
    this.#list.show(() => [element("li", { class: "quiet" }, "…")]);
  }

  /** Reads those that there are. */
  async load() {
    try {
      this.add((await ask("alerts", { n: SHOWN })).alerts.reverse());
    } catch (error) {
      if (!this.#held.size) this.#list.show(() => [element("li", { class: "problem" }, error.message)]);
    }
  }

  /** Adds alerts, oldest first; one that is there already stays where it is. */
  add(alerts) {
    for (const alert of alerts) {
      const id = alert.id ?? JSON.stringify(alert);
      if (!this.#held.has(id)) this.#held.set(id, alert);
    }
    const newest = [...this.#held.values()].sort((a, b) => (b.at ?? 0) - (a.at ?? 0)).slice(0, SHOWN);
    const none = element("li", { class: "quiet" }, "No alerts. Rules that are added while workers run show here when they fire.");
    this.#list.show(() => (newest.length ? newest.map(line) : [none]));
  }
}

/** The view that has nothing but alerts. */
export class AlertsView {
  title = "Alerts";
  asked = {};
  #alerts = new Alerts();

  constructor() {
    this.#alerts.node.classList.add("whole");
    this.node = element("div", {}, element("h1", { class: "hidden" }, "Alerts"), this.#alerts.node);
  }

  alerts(data) {
    this.#alerts.add(data.alerts);
  }

  opened() {
    this.#alerts.load();
  }
}

function line(alert) {
  const at = typeof alert.at === "number" ? element("time", { class: "quiet", title: moment(alert.at) }, time(alert.at)) : null;
  const who = behind(alert);
  return element(
    "li", {},
    element("span", { class: "head" }, alert.entity ? linkWithin(String(alert.entity)) : null, at),
    element("p", {}, printable(happened(alert))),
    element("span", { class: "foot" }, causes(Array.isArray(alert.causes) ? alert.causes : null)),
    who ? element("p", { class: "quiet" }, printable(who)) : null,
  );
}
