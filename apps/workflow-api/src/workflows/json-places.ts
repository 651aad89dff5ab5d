import { endOfString, endOfValue, pastSpace } from '#domain';

/**
 * Where in a JSON text each member and element begins, by its pointer. For texts that the strict parser has taken: it
 * reads only as much of the grammar as is needed to keep its place.
 */
export const jsonPlaces = (text: string): ReadonlyMap<string, number> => {
  const places = new Map<string, number>();
  readValue(text, pastSpace(text, 0), '', places);
  return places;
};

/** Gives the place past the value. Recursive as the value is deep, which the strict parser has bounded. */
const readValue = (text: string, at: number, pointer: string, places: Map<string, number>): number => {
  if (!places.has(pointer)) places.set(pointer, at);
  const opening = text[at];
  if (opening !== '{' && opening !== '[') return endOfValue(text, at);
  let next = pastSpace(text, at + 1);
  for (let index = 0; text[next] !== '}' && text[next] !== ']'; index++) {
    let token = String(index);
    if (opening === '{') {
      const end = endOfString(text, next);
      token = String(JSON.parse(text.slice(next, end)))
        .replaceAll('~', '~0')
        .replaceAll('/', '~1');
      places.set(`${pointer}/${token}`, next);
      next = pastSpace(text, pastSpace(text, end) + 1);
    }
    next = pastSpace(text, readValue(text, next, `${pointer}/${token}`, places));
    if (text[next] === ',') next = pastSpace(text, next + 1);
  }
  return next + 1;
};
