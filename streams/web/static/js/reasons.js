// Why a score moved: each reason in words, with its points.

import { element, name } from "./dom.js";
import { count, hundredths } from "./format.js";

const DAMPED = {
  trust: "new account",
  budget: "engages with very many",
  repeat: "repeated within a day",
  reciprocity: "returns a favour",
  late: "came late",
};
const PLURAL = { like: "likes", share: "shares", reply: "replies" };
const REST = {
  others: ["engagement by others", "engagements by others"],
  posts: ["post of its own", "posts of its own"],
  undone: ["engagement taken back", "engagements taken back"],
  sampling: ["error of the estimated reach"],
  decay: ["decay"],
  formula: ["another formula"],
  unknown: ["not known any more"],
};

/** Returns the reasons of a change as a list, those that have points. */
export function reasons(list) {
  const told = list.filter((reason) => typeof reason?.points === "number");
  return element("ul", { class: "reasons" }, ...told.map(line));
}

function line(reason) {
  return element("li", {}, element("span", { class: "number" }, hundredths(reason.points)), element("span", {}, ...said(reason)));
}

function said(reason) {
  const kind = String(reason.kind);
  const times = reason.count;
  if (typeof reason.actor !== "string") {
    const [one, many] = REST[kind] ?? [kind];
    return [many && typeof times === "number" ? `${count(times)} ${times === 1 ? one : many}` : one];
  }
  const did = times > 1 ? `${count(times)} ${PLURAL[kind] ?? kind}` : kind;
  return [name(reason.actor), ` ${did}`, damped(reason)];
}

function damped({ counted, damped_by: by }) {
  if (typeof counted !== "number") return null;
  const percent = counted >= 0.01 ? `${Math.round(100 * counted)} %` : "less than 1 %";
  return element("span", { class: "quiet" }, `, counted at ${percent}: ${DAMPED[by] ?? String(by)}`);
}
