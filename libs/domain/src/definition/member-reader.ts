import { EXPRESSION_UNAVAILABLE, hasExpression, isRecord } from './constant.js';
import { below, quoted, type Findings } from './finding.js';
import { nearestName } from './known-name.js';

type Bounds = { readonly min: number; readonly max: number; readonly whole?: boolean };

/** Reads the members of one object of a definition. What is absent or wrong reads as `undefined`; what is wrong is a finding. */
export class MemberReader {
  private constructor(
    readonly findings: Findings,
    readonly pointer: string,
    private readonly members: Readonly<Record<string, unknown>>,
  ) {}

  static of(value: unknown, pointer: string, findings: Findings): MemberReader | undefined {
    if (isRecord(value)) return new MemberReader(findings, pointer, value);
    findings.error(pointer, `This must be an object, not ${kindOf(value)}`);
    return undefined;
  }

  has(key: string): boolean {
    return Object.hasOwn(this.members, key) && this.members[key] !== undefined;
  }

  raw(key: string): unknown {
    return Object.hasOwn(this.members, key) ? this.members[key] : undefined;
  }

  entries(): readonly (readonly [string, unknown])[] {
    return Object.entries(this.members);
  }

  at(key: string): string {
    return below(this.pointer, key);
  }

  /** A finding at a member. */
  refuse(key: string, detail: string, suggestion: string | null = null): undefined {
    this.findings.error(this.at(key), detail, suggestion);
    return undefined;
  }

  object(key: string): MemberReader | undefined {
    return this.has(key) ? MemberReader.of(this.raw(key), this.at(key), this.findings) : undefined;
  }

  list(key: string): readonly unknown[] | undefined {
    const value = this.raw(key);
    if (value === undefined || Array.isArray(value)) return value;
    return this.refuse(key, `"${key}" must be an array, not ${kindOf(value)}`);
  }

  /** A text that the service acts on: one with an expression in it would be taken by its letters. */
  string(key: string, maxChars: number): string | undefined {
    const text = this.prose(key, maxChars);
    return text !== undefined && hasExpression(text) ? this.refuse(key, EXPRESSION_UNAVAILABLE) : text;
  }

  /** A text for people. */
  prose(key: string, maxChars: number): string | undefined {
    const value = this.raw(key);
    if (value === undefined) return undefined;
    if (typeof value !== 'string') return this.refuse(key, `"${key}" must be a string, not ${kindOf(value)}`);
    if (value.length > maxChars)
      return this.refuse(key, `"${key}" has ${value.length} characters, at most ${maxChars} are allowed`);
    return value;
  }

  oneOf<Value extends string>(key: string, values: readonly Value[]): Value | undefined {
    const value = this.raw(key);
    if (value === undefined) return undefined;
    const known = values.find((candidate) => candidate === value);
    if (known !== undefined) return known;
    const suggestion = typeof value === 'string' ? this.guess(value, values) : null;
    const given = typeof value === 'string' ? quoted(value) : kindOf(value);
    return this.refuse(key, `"${key}" must be one of ${values.join(', ')}, not ${given}`, suggestion);
  }

  boolean(key: string): boolean | undefined {
    const value = this.raw(key);
    if (value === undefined || typeof value === 'boolean') return value;
    return this.refuse(key, `"${key}" must be true or false, not ${kindOf(value)}`);
  }

  number(key: string, bounds: Bounds): number | undefined {
    const value = this.raw(key);
    if (value === undefined) return undefined;
    return isWithin(value, bounds) ? value : this.refuse(key, `"${key}" must be ${said(bounds)}, not ${kindOf(value)}`);
  }

  numberOrNull(key: string, bounds: Bounds): number | null | undefined {
    return this.raw(key) === null ? null : this.number(key, bounds);
  }

  /** The known name that was probably meant. */
  guess(text: string, known: readonly string[]): string | null {
    return this.findings.isFull() ? null : nearestName(text, known);
  }

  /** Finds every member that is not known, and those that only later versions know. */
  refuseOthers(known: readonly string[], later: readonly string[] = []): void {
    for (const key of Object.keys(this.members)) {
      if (known.includes(key)) continue;
      if (later.includes(key)) this.refuse(key, `"${key}" is not available in this version`);
      else
        this.refuse(
          key,
          `There is no member ${quoted(key)} here; known are ${known.join(', ')}`,
          this.guess(key, known),
        );
    }
  }
}

export const isWithin = (value: unknown, { min, max, whole = true }: Bounds): value is number =>
  typeof value === 'number' && value >= min && value <= max && (!whole || Number.isInteger(value));

const said = ({ min, max, whole = true }: Bounds): string =>
  `${whole ? 'a whole number' : 'a number'} from ${min} to ${max}`;

/** What a value is, in words, with the value itself where that helps. */
export const kindOf = (value: unknown): string => {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object') return 'an object';
  if (typeof value === 'string') return `the string ${quoted(value)}`;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : typeof value;
};
