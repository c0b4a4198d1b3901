// Elements. Text only ever becomes a text node, so no id can be markup.

import { clipped, parsed, printable } from "./names.js";

const SVG = "http://www.w3.org/2000/svg";

/** Returns an element. Names in `attributes` that begin with "on" are listeners; null and false leave one out. */
export function element(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** Returns an element of a drawing. */
export function shape(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

/** Puts these children in the place of those that are there. */
export function fill(parent, ...children) {
  parent.replaceChildren(...children.filter((child) => child !== null));
}

/** Changes text only where it is another: what a person selected stays selected. */
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Returns somebody's id: isolated, so that its direction ends with it; all of it where a pointer rests. */
export function name(id) {
  return element("bdi", { class: "name", title: printable(id) }, clipped(id));
}

/** Returns a link to the page of an entity. */
export function linkTo(entity, attributes = {}) {
  return element("a", { href: hrefOf(entity), ...attributes }, name(parsed(entity).id));
}

/** Returns a link to the page of an entity that says where it is: `ann in launch`. */
export function linkWithin(entity) {
  const { id, scope } = parsed(entity);
  const inside = scope === null ? null : element("span", { class: "quiet within" }, "in ", name(parsed(scope).id));
  return element("a", { href: hrefOf(entity) }, name(id), inside);
}

/** Returns the address of the page of an entity. */
export function hrefOf(entity) {
  return `/?entity=${encodeURIComponent(entity)}`;
}

function filled(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}
