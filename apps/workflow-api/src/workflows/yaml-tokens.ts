import type { JsonFaultCode } from '#runtime';
import { Composer, Lexer, Parser, type CST, type Document } from 'yaml';
import { DEFINITION_LIMITS } from './definition-fault.js';

/** The first thing that is wrong with a YAML text, by its place in it. Never leaves `parseYaml`. */
export class YamlFault extends Error {
  constructor(
    readonly code: JsonFaultCode | 'malformed-yaml',
    detail: string,
    readonly at: number,
  ) {
    super(detail);
  }
}

/**
 * Of the lexer, spaces and line ends among them. Ten thousand steps with names have some 300,000; to read this many of the worst
 * takes a third of a second. Without it, 512 KiB of brackets or short keys would hold the process for 5.
 */
const TOKENS_MAX = 320_000;

/** Reads the one document of a text. Throws at the first thing that is wrong: the library would collect 500,000. */
export const composeYaml = (text: string): Document => {
  // YAML allows none; the library's own tokens are marked by some.
  const control = /[^\P{Cc}\t\n\r]/u.exec(text);
  if (control !== null)
    throw new YamlFault('invalid-string', 'A control character is not allowed in YAML', control.index);
  const composer = new Composer({
    schema: 'core',
    version: '1.2',
    merge: false,
    stringKeys: true,
    // Compares each key with each other; `parseYaml` looks them up.
    uniqueKeys: false,
    resolveKnownTags: false,
  });
  stopAtFirst(composer);
  const [document] = [...composer.compose(tokens(text))];
  if (document === undefined || document.contents === null) {
    throw new YamlFault('malformed-yaml', 'The text is empty: a YAML document is needed', 0);
  }
  return document;
};

/** Makes the composer throw where it would note an error and go on. */
const stopAtFirst = (composer: Composer): void => {
  let first: YamlFault | null = null;
  type Source = number | readonly number[] | { readonly offset: number };
  const onError = (source: Source, code: string, message: string): never => {
    // The composer catches what is thrown inside a collection and reports it once more, a level further out.
    first ??= new YamlFault(code === 'RESOURCE_EXHAUSTION' ? 'too-deep' : 'malformed-yaml', message, placeOf(source));
    throw first;
  };
  // The member is not in the types. Were it to go, errors would be in `document.errors`: a test holds that they are not.
  Reflect.set(composer, 'onError', onError);
};

const placeOf = (source: number | readonly number[] | { readonly offset: number }): number => {
  if (typeof source === 'number') return source;
  return 'offset' in source ? source.offset : (source[0] ?? 0);
};

/** The tokens of the syntax tree. Directives are refused, since they change what the rest means; so are more documents. */
function* tokens(text: string): Generator<CST.Token> {
  const parser = new Parser();
  let documents = 0;
  const checked = (token: CST.Token): CST.Token => {
    if (token.type === 'error') throw new YamlFault('malformed-yaml', token.message, token.offset);
    if (token.type === 'directive') throw new YamlFault('malformed-yaml', 'Directives are not allowed', token.offset);
    if (token.type === 'document' && ++documents > 1) {
      throw new YamlFault('malformed-yaml', 'A definition is one document, and here a second one begins', token.offset);
    }
    return token;
  };
  for (const lexeme of lexemes(text)) for (const token of parser.next(lexeme)) yield checked(token);
  for (const token of parser.end()) yield checked(token);
}

/** Stands before the text of a plain or block scalar, which may look like anything. */
const SCALAR_FOLLOWS = '\u001f';

/** The text in pieces, not too many of them, nor too many brackets inside each other: composing those is recursive. */
function* lexemes(text: string): Generator<string> {
  let count = 0;
  let at = 0;
  let depth = 0;
  let isText = false;
  for (const lexeme of new Lexer().lex(text)) {
    if (++count > TOKENS_MAX) throw new YamlFault('too-many-keys', `The text has more than ${TOKENS_MAX} tokens`, at);
    if (!isText && (lexeme === '[' || lexeme === '{')) depth += 1;
    if (!isText && (lexeme === ']' || lexeme === '}')) depth -= 1;
    if (depth > DEFINITION_LIMITS.maxDepth) throw tooDeep(at);
    const isMark: boolean = !isText && MARK.test(lexeme);
    isText = isMark && lexeme === SCALAR_FOLLOWS;
    if (!isMark) at += lexeme.length;
    yield lexeme;
  }
}

/** A lexeme that is not in the text, where there are no control characters. */
const MARK = /^[^\P{Cc}\t\n\r]$/u;

export const tooDeep = (at: number): YamlFault =>
  new YamlFault('too-deep', `Nested more than ${DEFINITION_LIMITS.maxDepth} levels deep`, at);
