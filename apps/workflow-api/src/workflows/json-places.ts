/**
 * Where in a JSON text each member and element begins, by its pointer. For texts that the strict parser has taken: it
 * reads only as much of the grammar as is needed to keep its place.
 */
export const jsonPlaces = (text: string): ReadonlyMap<string, number> => {
  const places = new Map<string, number>();
  readValue(text, skipSpace(text, 0), '', places);
  return places;
};

/** Gives the place past the value. Recursive as the value is deep, which the strict parser has bounded. */
const readValue = (text: string, at: number, pointer: string, places: Map<string, number>): number => {
  if (!places.has(pointer)) places.set(pointer, at);
  const opening = text[at];
  if (opening === '"') return endOfString(text, at);
  if (opening !== '{' && opening !== '[') return endOfWord(text, at);
  let next = skipSpace(text, at + 1);
  for (let index = 0; text[next] !== '}' && text[next] !== ']'; index++) {
    let token = String(index);
    if (opening === '{') {
      const end = endOfString(text, next);
      token = String(JSON.parse(text.slice(next, end)))
        .replaceAll('~', '~0')
        .replaceAll('/', '~1');
      places.set(`${pointer}/${token}`, next);
      next = skipSpace(text, skipSpace(text, end) + 1);
    }
    next = skipSpace(text, readValue(text, next, `${pointer}/${token}`, places));
    if (text[next] === ',') next = skipSpace(text, next + 1);
  }
  return next + 1;
};

const endOfString = (text: string, from: number): number => {
  let at = from + 1;
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
};

const endOfWord = (text: string, from: number): number => {
  let at = from;
  while (at < text.length && !',]} \n\r\t'.includes(text[at]!)) at += 1;
  return at;
};

const skipSpace = (text: string, from: number): number => {
  let at = from;
  while (at < text.length && ' \n\r\t'.includes(text[at]!)) at += 1;
  return at;
};
