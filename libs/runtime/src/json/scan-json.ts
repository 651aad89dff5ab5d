import { isHeldByDouble, numberFault } from './json-number.js';
import { placeInText, pointerToken, type JsonFault, type JsonFaultCode, type JsonLimits } from './json-fault.js';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const LETTER_U = 0x75;

/** A number that JSON allows, read from the place where the expression is anchored. */
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const HEX4 = /^[0-9a-fA-F]{4}$/;
const SHORT_ESCAPES = '"\\/bfnrt';
const SHOWN_CHARS = 40;

/** Carries a fault out of the recursion; never leaves this file. */
class Stop extends Error {
  constructor(
    readonly code: JsonFaultCode,
    readonly detail: string,
    readonly at: number,
  ) {
    super(detail);
  }
}

export type ScannedJson =
  /** `compact`: the text without the space between its tokens. `held`: whether doubles hold all its numbers. */
  | { readonly status: 'clean'; readonly compact: string; readonly held: boolean }
  | { readonly status: 'refused'; readonly fault: JsonFault };

/**
 * Reads a text by the grammar of RFC 8259 and our limits, and gives the first fault in it, if any. It builds no
 * value and is slower than `JSON.parse`: for texts that the quick check of `parseStrictJson` cannot clear.
 */
export const scanJson = (text: string, limits: JsonLimits): ScannedJson => {
  const scanner = new Scanner(text, limits);
  try {
    scanner.scan();
    return { status: 'clean', compact: scanner.compact, held: scanner.held };
  } catch (cause) {
    if (!(cause instanceof Stop)) throw cause;
    const pointer = scanner.path.map(pointerToken).join('');
    const fault = { code: cause.code, detail: cause.detail, pointer, at: cause.at, ...placeInText(text, cause.at) };
    return { status: 'refused', fault };
  }
};

/** Recursive, but never deeper than `maxDepth`: the level beyond stops it. */
class Scanner {
  /** The member or element being read, from the root. */
  readonly path: (string | number)[] = [];
  /** Whether doubles hold all numbers so far. */
  held = true;
  private at = 0;
  /** What stands before `keptFrom`, without space. */
  private kept = '';
  private keptFrom = 0;
  private depth = 0;
  private keys = 0;

  constructor(
    private readonly text: string,
    private readonly limits: JsonLimits,
  ) {}

  /** The text without space between its tokens, once it was scanned. */
  get compact(): string {
    return this.keptFrom === 0 ? this.text : this.kept + this.text.slice(this.keptFrom);
  }

  scan(): void {
    this.skipSpace();
    if (this.at === this.text.length)
      throw new Stop('malformed-json', 'The text is empty: a JSON value is needed', this.at);
    this.value('');
    this.skipSpace();
    if (this.at < this.text.length) throw this.unexpected('the end, since the JSON value is complete');
  }

  /** `name`: of the member whose value this is; `''` elsewhere. */
  private value(name: string): void {
    const code = this.text.charCodeAt(this.at);
    if (code === QUOTE) this.string();
    else if (code === OPEN_BRACE) this.object(name);
    else if (code === OPEN_BRACKET) this.array();
    else if (code === 0x2d || (code >= 0x30 && code <= 0x39)) this.number();
    else if (code === 0x74) this.word('true');
    else if (code === 0x66) this.word('false');
    else if (code === 0x6e) this.word('null');
    else throw this.unexpected('a value');
  }

  private object(name: string): void {
    const level = this.open();
    if (this.text.charCodeAt(this.at) === CLOSE_BRACE) return this.close(level);
    const seen = new Set<string>();
    for (;;) {
      if (this.text.charCodeAt(this.at) !== QUOTE) throw this.unexpected('a member name in double quotes');
      const keyAt = this.at;
      this.path[level] = '';
      const key = this.string();
      this.path[level] = key;
      this.checkKey(key, { keyAt, owner: name, seen });
      this.skipSpace();
      if (this.text.charCodeAt(this.at) !== COLON) throw this.unexpected('":" after the member name');
      this.at += 1;
      this.skipSpace();
      this.value(key);
      if (this.separator(CLOSE_BRACE, '"," or "}"')) return this.close(level);
    }
  }

  private array(): void {
    const level = this.open();
    if (this.text.charCodeAt(this.at) === CLOSE_BRACKET) return this.close(level);
    for (let index = 0; ; index++) {
      this.path[level] = index;
      this.value('');
      if (this.separator(CLOSE_BRACKET, '"," or "]"')) return this.close(level);
    }
  }

  /** Steps over the opening character; gives the place in `path` of what is inside. */
  private open(): number {
    if (this.depth >= this.limits.maxDepth) {
      throw new Stop('too-deep', `Nested more than ${this.limits.maxDepth} levels deep`, this.at);
    }
    this.at += 1;
    this.skipSpace();
    return this.depth++;
  }

  private close(level: number): void {
    this.at += 1;
    this.depth = level;
    this.path.length = level;
  }

  /** True at the closing character, which is left to `close`; false past a comma. */
  private separator(closing: number, wanted: string): boolean {
    this.skipSpace();
    const code = this.text.charCodeAt(this.at);
    if (code === closing) return true;
    if (code !== COMMA) throw this.unexpected(wanted);
    this.at += 1;
    this.skipSpace();
    return false;
  }

  private checkKey(key: string, { keyAt, owner, seen }: { keyAt: number; owner: string; seen: Set<string> }): void {
    if (key === '__proto__' || (key === 'prototype' && owner === 'constructor')) {
      throw new Stop('forbidden-key', `The member name ${shown(key)} is not allowed here`, keyAt);
    }
    if (seen.has(key)) throw new Stop('duplicate-key', `The member ${shown(key)} stands twice in one object`, keyAt);
    seen.add(key);
    this.keys += 1;
    if (this.keys > this.limits.maxKeys) {
      throw new Stop('too-many-keys', `More than ${this.limits.maxKeys} members in one text`, keyAt);
    }
  }

  private string(): string {
    const { text } = this;
    const start = this.at;
    let escaped = false;
    let highAt = -1;
    for (let at = start + 1; at < text.length; at++) {
      let unit = text.charCodeAt(at);
      if (unit === QUOTE) {
        if (highAt !== -1) throw loneSurrogate(highAt);
        this.at = at + 1;
        // Checked just now: a JSON string, so that what `JSON.parse` gives is one.
        return escaped ? String(JSON.parse(text.slice(start, at + 1))) : text.slice(start + 1, at);
      }
      const unitAt = at;
      if (unit < 0x20) throw controlCharacter(unit, at);
      if (unit === BACKSLASH) {
        escaped = true;
        at += 1;
        unit = this.escape(at);
        if (text.charCodeAt(at) === LETTER_U) at += 4;
      }
      if (highAt !== -1) {
        if ((unit & 0xfc00) !== 0xdc00) throw loneSurrogate(highAt);
        highAt = -1;
      } else if ((unit & 0xf800) === 0xd800) {
        if ((unit & 0xfc00) === 0xdc00) throw loneSurrogate(unitAt);
        highAt = unitAt;
      }
    }
    throw new Stop('malformed-json', 'The text ends inside a string', text.length);
  }

  /** The unit that an escape stands for; `at` is past the backslash. Of a short escape any plain one will do. */
  private escape(at: number): number {
    const letter = this.text[at];
    if (letter !== 'u') {
      if (letter !== undefined && SHORT_ESCAPES.includes(letter)) return 0x20;
      throw new Stop('malformed-json', `There is no escape \\${letter ?? ''} in JSON`, at - 1);
    }
    const digits = this.text.slice(at + 1, at + 5);
    if (!HEX4.test(digits)) throw new Stop('malformed-json', 'Four hexadecimal digits must follow \\u', at - 1);
    const unit = Number.parseInt(digits, 16);
    if (unit === 0) throw new Stop('invalid-string', 'A string may not hold the character NUL (\\u0000)', at - 1);
    return unit;
  }

  private number(): void {
    NUMBER.lastIndex = this.at;
    const source = NUMBER.exec(this.text)?.[0];
    if (source === undefined) throw this.unexpected('a digit', this.at + 1);
    const fault = numberFault(source);
    if (fault !== null) throw new Stop('number-out-of-range', fault, this.at);
    this.held &&= isHeldByDouble(source);
    this.at += source.length;
  }

  private word(word: string): void {
    if (!this.text.startsWith(word, this.at)) throw this.unexpected('a value');
    this.at += word.length;
  }

  private skipSpace(): void {
    const from = this.at;
    for (; ; this.at++) {
      const code = this.text.charCodeAt(this.at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) break;
    }
    if (this.at === from) return;
    this.kept += this.text.slice(this.keptFrom, from);
    this.keptFrom = this.at;
  }

  private unexpected(wanted: string, at = this.at): Stop {
    const point = this.text.codePointAt(at);
    if (point === undefined) return new Stop('malformed-json', `The text ends too early: ${wanted} was expected`, at);
    if (point === 0) return new Stop('invalid-string', 'The character NUL is not allowed', at);
    const char = point < 0x20 ? `U+${point.toString(16).padStart(4, '0')}` : String.fromCodePoint(point);
    return new Stop('malformed-json', `Unexpected ${shown(char)}: ${wanted} was expected`, at);
  }
}

const loneSurrogate = (at: number): Stop =>
  new Stop('invalid-string', 'A string holds half a surrogate pair, which is no character', at);

const controlCharacter = (unit: number, at: number): Stop =>
  unit === 0
    ? new Stop('invalid-string', 'A string may not hold the character NUL', at)
    : new Stop('malformed-json', `The control character U+${unit.toString(16).padStart(4, '0')} must be escaped`, at);

const shown = (text: string, quote = '"'): string =>
  text.length <= SHOWN_CHARS ? `${quote}${text}${quote}` : `${quote}${text.slice(0, SHOWN_CHARS)}…${quote}`;
