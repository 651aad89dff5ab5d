const LENGTH_MAX = 64;

/** The known name that somebody may have meant: at most a third of it is different; `null` when none is that near. */
export const nearestName = (text: string, known: Iterable<string>): string | null => {
  if (text.length > LENGTH_MAX) return null;
  const sought = text.toLowerCase();
  let nearest: string | null = null;
  let least = Number.POSITIVE_INFINITY;
  for (const name of known) {
    const farthest = Math.max(1, Math.floor(Math.max(name.length, text.length) / 3));
    if (Math.abs(name.length - text.length) > farthest) continue;
    const edits = distance(sought, name.toLowerCase());
    if (edits <= farthest && edits < least) {
      nearest = name;
      least = edits;
    }
  }
  return nearest;
};

/** Insertions, deletions, replacements and swaps of neighbours from one text to the other (optimal string alignment). */
const distance = (from: string, to: string): number => {
  let beforePrevious: readonly number[] = [];
  let previous: readonly number[] = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    for (let column = 1; column <= to.length; column++) {
      const replaced = (previous[column - 1] ?? 0) + (from[row - 1] === to[column - 1] ? 0 : 1);
      const isSwap = row > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      const swapped = isSwap ? (beforePrevious[column - 2] ?? 0) + 1 : replaced;
      current.push(Math.min((previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1, replaced, swapped));
    }
    beforePrevious = previous;
    previous = current;
  }
  return previous[to.length] ?? 0;
};
