import { endOfString, endOfValue, pastSpace } from './json-text.js';

/** What stands for a number, by its text. */
type NumberOf = (source: string) => unknown;

/**
 * `JSON.parse`, but for a fault of V8 up to 14.6 at least (nodejs/node#63785): once some object had the member `\`, an escaped name in an
 * object of the same members before it is read as `\` too: `{"q":0,"\\":1}`, then `{"q":0,"\u00e9":0}`. Texts with an escape in
 * a name are read here instead, name by name; there are few, and all others cost one search. Throws as `JSON.parse` does.
 */
export const parseJson = (text: string, numberOf: NumberOf | null = null): unknown => {
  if (!hasEscapedName(text)) return numberOf === null ? JSON.parse(text) : JSON.parse(text, reviver(numberOf));
  // For its errors: what is read below must be JSON.
  JSON.parse(text);
  return new Reader(text, numberOf ?? Number).value();
};

const reviver =
  (numberOf: NumberOf) =>
  (_name: string, value: unknown, { source }: { readonly source?: string }): unknown =>
    typeof value === 'number' && source !== undefined ? numberOf(source) : value;

/** Whether a string that a colon follows holds a backslash. */
const hasEscapedName = (text: string): boolean => {
  for (let escape = text.indexOf('\\'); escape !== -1;) {
    // The string around it ends at the first quote that no backslash stands before.
    let end = escape;
    while (end < text.length && text.charCodeAt(end) !== QUOTE) end += text.charCodeAt(end) === BACKSLASH ? 2 : 1;
    const after = pastSpace(text, end + 1);
    if (text.charCodeAt(after) === COLON) return true;
    escape = text.indexOf('\\', end + 1);
  }
  return false;
};

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

/** Of a text that is JSON. */
class Reader {
  private at = 0;

  constructor(
    private readonly text: string,
    private readonly numberOf: NumberOf,
  ) {}

  value(): unknown {
    this.skipSpace();
    const code = this.text.charCodeAt(this.at);
    if (code === OPEN_BRACE) return this.object();
    if (code === OPEN_BRACKET) return this.array();
    return code === QUOTE ? this.string() : this.word();
  }

  private object(): unknown {
    const object: Record<string, unknown> = {};
    this.each(CLOSE_BRACE, () => {
      const name = this.string();
      this.skipSpace();
      // Past the colon.
      this.at += 1;
      // A member of its own, whatever its name; the last of equal ones.
      Object.defineProperty(object, name, {
        value: this.value(),
        enumerable: true,
        configurable: true,
        writable: true,
      });
    });
    return object;
  }

  private array(): unknown {
    const array: unknown[] = [];
    this.each(CLOSE_BRACKET, () => array.push(this.value()));
    return array;
  }

  /** Reads what stands between an opening character and the closing one, with commas between. */
  private each(closing: number, read: () => void): void {
    this.at += 1;
    this.skipSpace();
    let isEnd = this.text.charCodeAt(this.at) === closing;
    if (isEnd) this.at += 1;
    while (!isEnd) {
      read();
      this.skipSpace();
      isEnd = this.text.charCodeAt(this.at) === closing;
      this.at += 1;
      this.skipSpace();
    }
  }

  private string(): string {
    const end = endOfString(this.text, this.at);
    // No object is made of it: it is read well.
    const string = String(JSON.parse(this.text.slice(this.at, end)));
    this.at = end;
    return string;
  }

  private word(): unknown {
    const end = endOfValue(this.text, this.at);
    const word = this.text.slice(this.at, end);
    this.at = end;
    return word === 'true' ? true : word === 'false' ? false : word === 'null' ? null : this.numberOf(word);
  }

  private skipSpace(): void {
    this.at = pastSpace(this.text, this.at);
  }
}
