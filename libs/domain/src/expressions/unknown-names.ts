import type { Syntax } from './parse.js';

/** All that the language of definitions gives to expressions, somewhere; which of them there are depends on the place. */
export const NAMES: readonly string[] =
  'input output outputs error item index round variables defaults steps run'.split(' ');

/** Names in an expression that nothing stands for, as somebody writes who mistypes: each gives nothing, and no error. */
export const unknownNames = (syntax: Syntax): readonly string[] => {
  const used = new Set<string>();
  // `$` and `$$`.
  const known = new Set(['', '$', ...NAMES]);
  const nodes: unknown[] = [syntax];
  for (const node of nodes) {
    if (typeof node !== 'object' || node === null) continue;
    const { type, value, lhs } = asRecord(node);
    if (type === 'variable') used.add(String(value));
    // `??` calls `$exists`, which the parser puts there.
    if (type === 'function') known.add('exists');
    if (type === 'bind' && typeof lhs === 'object' && lhs !== null) known.add(String(asRecord(lhs)['value']));
    for (const inner of Object.values(node)) nodes.push(inner);
  }
  return Array.from(used).filter((name) => !known.has(name));
};

const asRecord = (node: object): Readonly<Record<string, unknown>> => ({ ...node });
