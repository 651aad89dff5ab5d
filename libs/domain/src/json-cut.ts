import { closes, endOfString, endOfValue, isSpace, opens, pastSpace } from './json-text.js';

/** Where a container's values are: from and to of each, one after the other, and of an object which of them has which name. */
type Index = { readonly places: Map<string, number> | null; readonly bounds: readonly number[] };

/** A value of the text: from its first character to past its last. */
type Span = { readonly start: number; readonly end: number };

/** A shorter container is looked through again each time: its index would take more than it is. */
const INDEXED_CHARS_MIN = 1_024;

/**
 * Cuts values out of one JSON text by pointer (RFC 6901), as the texts that they are: nothing is parsed and printed, so that no
 * number, escape or space inside of them changes. A container is indexed when a pointer first leads into it, so that all items
 * of an array take one pass in all. For JSON that was checked: other text gives
 * nonsense. A cut keeps the whole text in memory.
 */
export class JsonCutter {
  /** By where the container begins. */
  private readonly indexes = new Map<number, Index>();

  constructor(private readonly text: string) {}

  /** The text of the value that a pointer leads to; `null` when it leads to nothing, or is none. As `JSON.parse` has it, the last of equal members counts. */
  cut(pointer: string): string | null {
    const tokens = tokensOf(pointer);
    if (tokens === null) return null;
    let span: Span | null = { start: pastSpace(this.text, 0), end: beforeSpace(this.text) };
    for (const token of tokens) {
      span = this.inner(span, token);
      if (span === null) return null;
    }
    return this.text.slice(span.start, span.end);
  }

  /** How many values stand directly in the text, if it is a container. */
  count(): number {
    const start = pastSpace(this.text, 0);
    return this.indexOf({ start, end: beforeSpace(this.text) }).bounds.length / 2;
  }

  private inner(container: Span, token: string): Span | null {
    const { places, bounds } = this.indexOf(container);
    const place = places === null ? itemPlace(token) : places.get(token);
    const start = place === undefined ? undefined : bounds[2 * place];
    const end = place === undefined ? undefined : bounds[2 * place + 1];
    return start === undefined || end === undefined ? null : { start, end };
  }

  private indexOf({ start, end }: Span): Index {
    const known = this.indexes.get(start);
    if (known !== undefined) return known;
    const index = indexContainer(this.text, start);
    if (end - start >= INDEXED_CHARS_MIN) this.indexes.set(start, index);
    return index;
  }
}

const tokensOf = (pointer: string): readonly string[] | null => {
  if (pointer === '') return [];
  if (!pointer.startsWith('/') || /~(?![01])/.test(pointer)) return null;
  const tokens = pointer.slice(1).split('/');
  return pointer.includes('~') ? tokens.map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~')) : tokens;
};

const itemPlace = (token: string): number | undefined => (/^(?:0|[1-9]\d*)$/.test(token) ? Number(token) : undefined);

const COMMA = 0x2c;
const OPEN_BRACE = 0x7b;

/** The values directly in a container; none in what is no container. */
const indexContainer = (text: string, start: number): Index => {
  const bounds: number[] = [];
  if (!opens(text.charCodeAt(start))) return { places: null, bounds };
  const places = text.charCodeAt(start) === OPEN_BRACE ? new Map<string, number>() : null;
  for (let at = pastSpace(text, start + 1); at < text.length && !closes(text.charCodeAt(at));) {
    if (places !== null) {
      const nameEnd = endOfString(text, at);
      places.set(nameIn(text.slice(at + 1, nameEnd - 1)), bounds.length / 2);
      // Past the colon.
      at = pastSpace(text, pastSpace(text, nameEnd) + 1);
    }
    const end = endOfValue(text, at);
    bounds.push(at, end);
    at = pastSpace(text, end);
    if (text.charCodeAt(at) === COMMA) at = pastSpace(text, at + 1);
  }
  return { places, bounds };
};

const nameIn = (raw: string): string => {
  if (!raw.includes('\\')) return raw;
  const name: unknown = JSON.parse(`"${raw}"`);
  return String(name);
};

const beforeSpace = (text: string): number => {
  let at = text.length;
  while (isSpace(text.charCodeAt(at - 1))) at -= 1;
  return at;
};
