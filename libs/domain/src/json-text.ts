const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;

/**
 * Where the string that begins at a place ends: past its closing quote. Long strings are searched for their end, which costs a
 * fraction of looking at each character. As all of this file for JSON that was checked: other text gives nonsense.
 */
export const endOfString = (text: string, start: number): number => {
  for (let quote = text.indexOf('"', start + 1); quote !== -1; quote = text.indexOf('"', quote + 1)) {
    let slashes = 0;
    while (text.charCodeAt(quote - 1 - slashes) === BACKSLASH) slashes += 1;
    if (slashes % 2 === 0) return quote + 1;
  }
  return text.length;
};

/** Where the value that begins at a place ends: past its last character. */
export const endOfValue = (text: string, start: number): number => {
  if (text.charCodeAt(start) === QUOTE) return endOfString(text, start);
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = endOfString(text, at) - 1;
    else if (opens(code)) depth += 1;
    else if (closes(code)) {
      // Of what is around it, which ends a number or a word.
      if (depth === 0) return at;
      depth -= 1;
      if (depth === 0) return at + 1;
    } else if (depth === 0 && (code === COMMA || isSpace(code))) return at;
  }
  return text.length;
};

/** The first place from here on that is no space between tokens. */
export const pastSpace = (text: string, start: number): number => {
  let at = start;
  while (isSpace(text.charCodeAt(at))) at += 1;
  return at;
};

export const opens = (code: number): boolean => code === 0x7b || code === 0x5b;
export const closes = (code: number): boolean => code === 0x7d || code === 0x5d;
export const isSpace = (code: number): boolean => code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
