const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * The members of an object, each by its name with the text of its value, cut out as it stands. For JSON that was checked and
 * has no space between its tokens: other text gives nonsense.
 */
export const memberTexts = (object: string): Map<string, string> => {
  const members = new Map<string, string>();
  // At a name, or at the end of an object without one.
  for (let at = 1; at < object.length - 1;) {
    const nameEnd = endOfString(object, at);
    const name = object.slice(at + 1, nameEnd - 1);
    const end = endOfValue(object, nameEnd + 1);
    // A reason for the cast: a JSON string is a string.
    members.set(name.includes('\\') ? (JSON.parse(`"${name}"`) as string) : name, object.slice(nameEnd + 1, end));
    at = end + 1;
  }
  return members;
};

/** Where the value that begins at a place ends: past its last character. */
export const endOfValue = (text: string, from: number): number => {
  const first = text.charCodeAt(from);
  if (first === QUOTE) return endOfString(text, from);
  let depth = 0;
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = endOfString(text, at) - 1;
    else if (code === 0x7b || code === 0x5b) depth += 1;
    else if (code === 0x7d || code === 0x5d) {
      // Of what is around it, which ends a number or a word.
      if (depth === 0) return at;
      depth -= 1;
      if (depth === 0) return at + 1;
    } else if (code === 0x2c && depth === 0) return at;
  }
  return text.length;
};

/** Long strings are searched for their end, which costs a fraction of looking at each character. */
export const endOfString = (text: string, from: number): number => {
  for (let quote = text.indexOf('"', from + 1); quote !== -1; quote = text.indexOf('"', quote + 1)) {
    let slashes = 0;
    while (text.charCodeAt(quote - 1 - slashes) === BACKSLASH) slashes += 1;
    if (slashes % 2 === 0) return quote + 1;
  }
  return text.length;
};
