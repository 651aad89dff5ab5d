/** Names longer than this are not compared: the table of distances grows with both lengths. */
const LENGTH_MAX = 128;

/** The number of characters to insert, delete, replace or swap with their neighbour to turn one text into the other. */
const distance = (from: string, to: string): number => {
  let beforeLast: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    for (let column = 1; column <= to.length; column++) {
      const same = from[row - 1] === to[column - 1];
      let best = Math.min(last[column]! + 1, current[column - 1]! + 1, last[column - 1]! + (same ? 0 : 1));
      const swapped = row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      if (swapped) best = Math.min(best, beforeLast[column - 2]! + 1);
      current.push(best);
    }
    beforeLast = last;
    last = current;
  }
  return last[to.length]!;
};

type Search = {
  readonly limit?: number;
  /** How much of the longer name may differ, from 0 to 1. */
  readonly differing?: number;
};

/**
 * The names that somebody may have meant, nearest first, at most `limit` (3). Case is ignored. Names that differ in more
 * than `differing` (.4) of their length are left out, so the answer may be empty.
 */
export const nearestNames = (text: string, names: Iterable<string>, search: Search = {}): readonly string[] => {
  const { limit = 3, differing = 0.4 } = search;
  const sought = text.slice(0, LENGTH_MAX).toLowerCase();
  const found: { readonly name: string; readonly distance: number }[] = [];
  for (const name of names) {
    const candidate = name.slice(0, LENGTH_MAX).toLowerCase();
    const longer = Math.max(sought.length, candidate.length);
    const farthest = Math.max(1, Math.floor(longer * differing));
    if (Math.abs(sought.length - candidate.length) > farthest) continue;
    const away = distance(sought, candidate);
    if (away <= farthest) found.push({ name, distance: away });
  }
  found.sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1));
  return found.slice(0, limit).map((each) => each.name);
};
