/** What the compiler has to say about one place of a definition. */
export type Finding = {
  /** A definition with an error has no plan; a warning stands in nobody's way. */
  readonly severity: 'error' | 'warning';
  /** JSON pointer into the definition. */
  readonly pointer: string;
  readonly detail: string;
  /** What was probably meant, ready to put in its place; `null`: no guess. */
  readonly suggestion: string | null;
};

/** More than a person reads; the rest of a hopeless document is left out, and said to be. */
const FINDINGS_MAX = 200;

/** Collects the findings of one compilation, in the order in which they are made. */
export class Findings {
  private readonly found: Finding[] = [];
  private leftOut = 0;
  private errors = 0;

  error(pointer: string, detail: string, suggestion: string | null = null): void {
    this.errors += 1;
    this.add({ severity: 'error', pointer, detail, suggestion });
  }

  warning(pointer: string, detail: string, suggestion: string | null = null): void {
    this.add({ severity: 'warning', pointer, detail, suggestion });
  }

  /** Nothing more is kept: what is costly to say need not be worked out. */
  isFull(): boolean {
    return this.found.length >= FINDINGS_MAX;
  }

  hasErrors(): boolean {
    return this.errors > 0;
  }

  all(): readonly Finding[] {
    if (this.leftOut === 0) return this.found;
    const detail = `${this.leftOut} further findings are left out`;
    return [...this.found, { severity: 'warning', pointer: '', detail, suggestion: null }];
  }

  private add(finding: Finding): void {
    if (!this.isFull()) return void this.found.push(finding);
    this.leftOut += 1;
    // Why a document is refused is said, however many warnings came before: an error takes the place of the last of them.
    const warning = finding.severity === 'error' ? this.found.findLastIndex((each) => each.severity === 'warning') : -1;
    if (warning !== -1) this.found.splice(warning, 1, finding);
  }
}

/** The pointer of a member or an element (RFC 6901). */
export const below = (pointer: string, token: string | number): string =>
  `${pointer}/${String(token).replaceAll('~', '~0').replaceAll('/', '~1')}`;

const SHOWN_CHARS = 60;

/** A foreign text in a sentence: quoted, and cut where it grows too long to read. */
export const quoted = (text: string): string =>
  JSON.stringify(text.length <= SHOWN_CHARS ? text : `${text.slice(0, SHOWN_CHARS)}…`);
