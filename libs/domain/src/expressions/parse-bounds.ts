/** Deeper ones would end the stack, of the compiler or of who evaluates. */
const DEPTH_MAX = 500;

const NODES_MAX = 2 ** 19;

/**
 * Why an expression is not even parsed; `null`: it may be. The parser copies what stands left of `??` and `?:`, so that each of them
 * around others doubles the tree: thirty of them in 200 characters would take hours.
 */
export const flawBeforeParse = (source: string): string | null =>
  2 ** doublings(source) * source.length > NODES_MAX
    ? 'too many of ?? and ?: stand within each other: bind the inner ones to names'
    : null;

/** At most how many `??` and `?:` stand one within the left side of the other. */
const doublings = (source: string): number => {
  // What a comment or a regular expression hides is not told from the rest: then all count.
  if (source.includes('/')) return source.match(/\?[?:]/g)?.length ?? 0;
  const outside = { left: 0, all: 0 };
  const open = [outside];
  for (const [token] of source.matchAll(TOKEN)) {
    const group = open.at(-1) ?? outside;
    if ('([{'.includes(token)) open.push({ left: 0, all: 0 });
    else if (',;'.includes(token)) group.left = 0;
    else if (token === '??' || token === '?:') group.all = Math.max(group.all, group.left + 1);
    else if (')]}'.includes(token) && open.length > 1) {
      open.pop();
      const around = open.at(-1) ?? outside;
      around.left = Math.max(around.left, group.all);
      around.all = Math.max(around.all, group.all);
    }
  }
  // What is not closed is no expression.
  return Math.max(...open.map(({ all }) => all));
};

const TOKEN = /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`|\?[?:]|[()[\]{},;]/gs;

/** Whether a syntax tree is so deep that it is not gone through. */
export const isTooDeep = (syntax: object): boolean => {
  let level = new Set<object>([syntax]);
  for (let depth = 0; level.size > 0; depth++) {
    if (depth > DEPTH_MAX) return true;
    const next = new Set<object>();
    for (const node of level)
      for (const inner of Object.values(node)) if (typeof inner === 'object' && inner !== null) next.add(inner);
    level = next;
  }
  return false;
};
