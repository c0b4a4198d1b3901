// An alert in words. The kinds are those of rules; a kind that this page doesn't know yet is told by its name.

import { count, points } from "./format.js";

const KINDS = {
  jump: (alert) => `jumped by ${points(alert.moved)} points to ${points(alert.score)}`,
  drop: (alert) => `dropped by ${points(-alert.moved)} points to ${points(alert.score)}`,
  crosses: (alert) => `went ${alert.up ? "over" : "under"} ${Number(alert.value)}, to ${points(alert.score)}`,
  goal: (alert) => `reached ${count(alert.reached)} ${alert.measure}, the goal was ${count(alert.value)}`,
  top: (alert) => (alert.entered ? `entered the first ${alert.n} at ${alert.rank}` : `left the first ${alert.n}`),
};
const MOST_PEOPLE = 32; // so many are counted

/** Returns what happened. */
export function happened(alert) {
  try {
    return KINDS[alert.kind](alert);
  } catch {
    return String(alert.kind ?? alert.rule ?? "alert");
  }
}

/** Returns who is behind it, as far as the alert says; empty where it doesn't. */
export function behind({ behind: who }) {
  if (!who) return "";
  const many = `${count(who.people)}${who.people >= MOST_PEOPLE ? " or more" : ""} people`;
  const low = who.low_trust_ratio >= 0.01 ? `, ${Math.round(100 * who.low_trust_ratio)} % from accounts that look new` : "";
  return `${many}: ${count(who.likes)} likes, ${count(who.shares)} shares, ${count(who.replies)} replies${low}`;
}
