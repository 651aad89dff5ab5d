import { isAlias, isMap, isScalar, isSeq, type Document, type Node, type Pair, type Scalar, type YAMLMap } from 'yaml';
import { NumberAsWritten, numberFault, placeInText } from '#runtime';
import { DEFINITION_LIMITS, type DefinitionFault } from './definition-fault.js';
import { composeYaml, tooDeep, YamlFault } from './yaml-tokens.js';

export type TextRange = { readonly from: number; readonly until: number };

export type ParsedYaml =
  | {
      readonly status: 'parsed';
      readonly document: unknown;
      /** The same with numbers as they were written. */
      readonly written: unknown;
      /** Where in the text a member or an element begins, or the nearest thing around it. */
      readonly find: (pointer: string) => number;
      /** Where a value begins and ends; `null` when there is none, or it stands behind an alias. */
      readonly rangeOf: (path: readonly string[]) => TextRange | null;
    }
  | { readonly status: 'refused'; readonly fault: DefinitionFault };

/**
 * Parses YAML 1.2 by its core schema to what JSON can hold, as strictly as JSON is parsed: one document, no directives,
 * tags of its own or merge keys, no member twice, no infinity. Aliases are copies, and count as what they stand for.
 */
export const parseYaml = (text: string): ParsedYaml => {
  try {
    const composed = composeYaml(text);
    const written = new Converter().convert(composed);
    return {
      status: 'parsed',
      document: withDoubles(written),
      written,
      find: (pointer) => findNode(composed, pointer),
      rangeOf: (path) => rangeOf(composed.getIn(path, true)),
    };
  } catch (cause) {
    if (!(cause instanceof YamlFault)) throw cause;
    const { code, message, at } = cause;
    return { status: 'refused', fault: { code, detail: message, pointer: '', at, ...placeInText(text, at) } };
  }
};

/** Nodes of the result, and characters of its strings: what aliases can blow up. */
const NODES_MAX = 200_000;
const CHARS_MAX = 2 * 1024 * 1024;

class Converter {
  private readonly anchors = new Map<string, Node>();
  /** Being converted: an alias to one of them would have no end. */
  private readonly open = new Set<Node>();
  private nodes = 0;
  private keys = 0;
  private chars = 0;

  convert({ contents }: Document): unknown {
    return this.value(contents, 0);
  }

  private value(node: unknown, depth: number): unknown {
    if (isAlias(node)) {
      const meant = this.anchors.get(node.source);
      if (meant === undefined) throw fault(node, `There is no anchor ${JSON.stringify(node.source)} before this alias`);
      if (this.open.has(meant)) throw fault(node, 'An alias may not stand inside what it names');
      return this.value(meant, depth);
    }
    this.nodes += 1;
    if (isScalar(node)) {
      this.keepAnchor(node);
      return this.scalar(node);
    }
    if (!isMap(node) && !isSeq(node)) return null;
    if (this.nodes > NODES_MAX)
      throw fault(node, `The aliases of the document make more than ${NODES_MAX} values of it`);
    if (depth >= DEFINITION_LIMITS.maxDepth) throw tooDeep(placeOf(node));
    this.keepAnchor(node);
    this.open.add(node);
    const value = isMap(node) ? this.map(node, depth + 1) : node.items.map((item) => this.value(item, depth + 1));
    this.open.delete(node);
    return value;
  }

  private map(node: YAMLMap, depth: number): unknown {
    const members: [string, unknown][] = [];
    const seen = new Set<string>();
    for (const { key, value } of node.items) {
      if (!isScalar(key)) throw fault(isAlias(key) ? key : node, 'The name of a member must be plain text');
      this.keepAnchor(key);
      // `stringKeys` reads all names as text.
      const name = String(key.value);
      this.checkText(key, name);
      if (name === '__proto__')
        throw new YamlFault('forbidden-key', `The member name "${name}" is not allowed`, placeOf(key));
      if (seen.has(name))
        throw new YamlFault(
          'duplicate-key',
          `The member ${JSON.stringify(name)} stands twice in one object`,
          placeOf(key),
        );
      seen.add(name);
      this.keys += 1;
      if (this.keys > DEFINITION_LIMITS.maxKeys) {
        throw new YamlFault(
          'too-many-keys',
          `More than ${DEFINITION_LIMITS.maxKeys} members in one text`,
          placeOf(key),
        );
      }
      members.push([name, this.member(name, value, key, depth)]);
    }
    return Object.fromEntries(members);
  }

  private member(name: string, value: unknown, key: Scalar, depth: number): unknown {
    const read = this.value(value, depth);
    if (name === 'constructor' && typeof read === 'object' && read !== null && Object.hasOwn(read, 'prototype')) {
      throw new YamlFault('forbidden-key', 'The member name "prototype" is not allowed here', placeOf(key));
    }
    return read;
  }

  private scalar(node: Scalar): unknown {
    const { value } = node;
    if (typeof value === 'string') this.checkText(node, value);
    // Made by the core schema: text, number, boolean or null.
    if (typeof value !== 'number') return value;
    const source = jsonNumber(node.source ?? '');
    const fault = source === null ? `${node.source} is no number in JSON: send it as a string` : numberFault(source);
    if (source === null || fault !== null) throw new YamlFault('number-out-of-range', fault!, placeOf(node));
    return String(value) === source ? value : new NumberAsWritten(source);
  }

  private checkText(node: Scalar, text: string): void {
    this.chars += text.length;
    if (this.chars > CHARS_MAX)
      throw fault(node, `The aliases of the document make more than ${CHARS_MAX} characters of it`);
    if (text.includes('\0') || !text.isWellFormed()) {
      throw new YamlFault(
        'invalid-string',
        'A string may not hold the character NUL or half a surrogate pair',
        placeOf(node),
      );
    }
  }

  private keepAnchor(node: Node & { anchor?: string | undefined }): void {
    if (node.anchor !== undefined) this.anchors.set(node.anchor, node);
  }
}

/** A number of YAML as JSON writes it, digit by digit; `null` for infinity and what is no number. */
const jsonNumber = (source: string): string | null => {
  if (/^0[ox]/.test(source)) return String(BigInt(source));
  const [, sign, whole = '', fraction = '', exponent = ''] = YAML_NUMBER.exec(source) ?? [];
  if (sign === undefined) return null;
  const digits = whole.replace(/^0+(?=[0-9])/, '') || '0';
  return `${sign === '-' ? sign : ''}${digits}${fraction === '.' ? '' : fraction}${exponent}`;
};
const YAML_NUMBER = /^([-+]?)([0-9]*)(\.[0-9]*)?([eE][-+]?[0-9]+)?$/;

const withDoubles = (written: unknown): unknown => {
  if (typeof written !== 'object' || written === null) return written;
  if (written instanceof NumberAsWritten) return Number(written.source);
  if (Array.isArray(written)) return written.map(withDoubles);
  return Object.fromEntries(Object.entries(written).map(([name, value]) => [name, withDoubles(value)]));
};

const fault = (node: Node, detail: string): YamlFault => new YamlFault('malformed-yaml', detail, placeOf(node));

const placeOf = (node: unknown): number =>
  typeof node === 'object' && node !== null && 'range' in node && Array.isArray(node.range) ? Number(node.range[0]) : 0;

/** Goes down the pointer as far as there are nodes; inside an alias the place is the alias itself. */
const findNode = ({ contents }: Document, pointer: string): number => {
  let node: unknown = contents;
  let at = placeOf(contents);
  for (const token of pointer.split('/').slice(1)) {
    const key = token.replaceAll('~1', '/').replaceAll('~0', '~');
    if (isMap(node)) {
      const pair: Pair | undefined = node.items.find((item) => isScalar(item.key) && String(item.key.value) === key);
      if (pair === undefined) return at;
      at = placeOf(pair.key);
      node = pair.value;
    } else if (isSeq(node)) {
      node = node.items[Number(key)];
      if (node === undefined) return at;
      at = placeOf(node);
    } else {
      return at;
    }
  }
  return at;
};

const rangeOf = (node: unknown): TextRange | null => {
  if (!isScalar(node) || !node.range) return null;
  const [from, until] = node.range;
  return { from, until };
};
