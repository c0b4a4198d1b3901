// Other people's ids as text that can't move, hide or reorder anything. The same rules as in the terminal (`streams/cli/output.py`).

const ESCAPED = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/u;
const SPACE = /\p{Zs}/u;
const MARK = /[\p{Mn}\p{Me}]/u;
const SYMBOL = /[\p{So}\p{Sk}\p{Mn}]/u; // pictures, skin tones, the variation selector
const JOINER = "\u200d"; // makes one emoji of several; anywhere else it is invisible
const MARKS_IN_A_ROW = 2; // no script needs more on one letter; stacks of them paint over the lines above and below
const SHOWN_CHARACTERS = 100;

/** Returns text with everything escaped that could reorder a line or hide. */
export function printable(text) {
  const chars = [...text];
  let marks = 0;
  return chars
    .map((char, i) => {
      marks = MARK.test(char) ? marks + 1 : 0;
      const odd = ESCAPED.test(char) || marks > MARKS_IN_A_ROW || (char !== " " && SPACE.test(char));
      const joins = char === JOINER && SYMBOL.test(chars[i - 1] ?? "") && SYMBOL.test(chars[i + 1] ?? "");
      return odd && !joins ? escaped(char) : char;
    })
    .join("");
}

/** Returns printable text, cut: an id of 256 marks, each escaped, would fill a screen. */
export function clipped(text, characters = SHOWN_CHARACTERS) {
  const shown = [...printable(text)];
  return shown.length <= characters ? shown.join("") : shown.slice(0, characters - 1).join("") + "…";
}

/** Returns the id as it stands inside the name of an entity. */
export function encodeId(id) {
  return id.replace(/[%@{}]/g, encodeURIComponent);
}

/** Returns what the name of an entity is made of: type, id, and the scope it is in or null. */
export function parsed(entity) {
  const at = entity.indexOf("@");
  const head = at < 0 ? entity : entity.slice(0, at);
  const colon = head.indexOf(":");
  return { type: head.slice(0, colon), id: decodeId(head.slice(colon + 1)), scope: at < 0 ? null : entity.slice(at + 1) };
}

/** Returns the id as it came, from what stands inside the name of an entity. */
export function decodeId(encoded) {
  return encoded.replace(/%(25|40|7B|7D)/g, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
}

function escaped(char) {
  const code = char.codePointAt(0);
  const hex = code.toString(16);
  return code < 256 ? `\\x${hex.padStart(2, "0")}` : code < 65536 ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
}
