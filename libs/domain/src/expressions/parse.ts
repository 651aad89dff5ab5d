import jsonata from 'jsonata';
import { missing } from '../unreachable.js';
import { flawBeforeParse, isTooDeep } from './parse-bounds.js';

/** A node of a parsed expression, as the parser of JSONata has it. */
export type Syntax = { readonly type: string; readonly [member: string]: unknown };

export type Parsed =
  | { readonly syntax: Syntax }
  /** `at`: how many characters into the source, from 0; `null` where the parser does not say. */
  | { readonly flaw: string; readonly at: number | null };

/** Parses an expression of JSONata; nothing is evaluated. */
export const parse = (source: string): Parsed => {
  const flaw = flawBeforeParse(source);
  if (flaw !== null) return { flaw, at: null };
  try {
    const syntax: unknown = jsonata(source).ast();
    if (!isSyntax(syntax)) return missing('the syntax tree of an expression');
    return isTooDeep(syntax) ? TOO_DEEP : { syntax };
  } catch (error) {
    if (error instanceof RangeError) return TOO_DEEP;
    const flaw = memberOf(error, 'message');
    const position = memberOf(error, 'position');
    return {
      flaw: typeof flaw === 'string' ? flaw : 'it is none',
      at: typeof position === 'number' ? Math.max(0, position - 1) : null,
    };
  }
};

const TOO_DEEP: Parsed = { flaw: 'it is nested too deep', at: null };

/** A node that stands in another. */
export const nodeAt = (node: Syntax, member: string): Syntax => {
  const inner = node[member];
  return isSyntax(inner) ? inner : missing(`${member} of a ${node.type}`);
};

/** A list of nodes that stands in another; none where it is not there. */
export const nodesAt = (node: Syntax, member: string): readonly Syntax[] => {
  const inner = node[member];
  return Array.isArray(inner) ? inner.filter(isSyntax) : [];
};

/** Names and values of an object that is constructed. */
export const pairsAt = (node: Syntax, member: string): readonly (readonly [name: Syntax, value: Syntax])[] => {
  const inner = node[member];
  if (!Array.isArray(inner)) return [];
  return inner.map((pair: unknown) => {
    const [name, value]: readonly unknown[] = Array.isArray(pair) ? pair : [];
    return isSyntax(name) && isSyntax(value) ? [name, value] : missing(`a member of a ${node.type}`);
  });
};

const isSyntax = (value: unknown): value is Syntax => typeof memberOf(value, 'type') === 'string';

const memberOf = (value: unknown, member: string): unknown =>
  typeof value === 'object' && value !== null ? new Map(Object.entries(value)).get(member) : undefined;
