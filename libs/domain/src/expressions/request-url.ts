import { isRelativeUrl, readAbsoluteUrl, readRelativeUrl } from '../definition/step-url.js';
import type { ErrorInfo } from '../events.js';
import { JsonCutter } from '../json-cut.js';
import { NULL_TEXT, payloadOf, type JsonText } from '../payload.js';
import { isComputed, type Expression, type Given, type StepNode } from '../plan.js';
import { expressionsOf, partsOf, printed, textOf } from './computed.js';

type Template = Pick<StepNode, 'url' | 'target' | 'query'>;
export type ComputedUrl = { readonly url: string } | { readonly error: ErrorInfo };

const URL_CHARS_MAX = 8_192;

/** What is computed for the url of a step, in the order in which `computedUrl` takes the values; `null`: nothing is. */
export const urlExpressions = (template: Template): readonly Expression[] | null => {
  const found = known.get(template);
  if (found !== undefined) return found;
  const { url, query } = template;
  const given: readonly Given[] = [{ template: payloadOf(JSON.stringify(url)) }, ...Object.values(query ?? {})];
  const expressions = given.flatMap((value) => (isComputed(value) ? expressionsOf(value) : NONE));
  const made = expressions.length === 0 && query === null ? null : expressions;
  known.set(template, made);
  return made;
};

const NONE: readonly Expression[] = [];
/** As long as the plan is in memory: of each node the same expressions, which are made ready once. */
const known = new WeakMap<Template, readonly Expression[] | null>();

/**
 * The url. What stands in a text is escaped, as one segment of the path or one value of the query, so that no input changes
 * the host or the depth of the path; a url that is one expression is the whole url.
 */
export const computedUrl = (template: Template, values: readonly (JsonText | null)[]): ComputedUrl => {
  const parts = partsOf(template.url);
  const count = (parts.length - 1) / 2;
  const own = values.slice(0, count);
  if (own.some((value) => value === null || value === NULL_TEXT)) return invalid('there is nothing in the url');
  const read = isLone(parts) ? wholeUrl(own[0] ?? NULL_TEXT, template.target) : urlOfText(parts, own);
  if ('error' in read) return read;
  const url = withQuery(read.url, template.query ?? {}, values.slice(count));
  return url.length > URL_CHARS_MAX ? invalid(`the url has more than ${URL_CHARS_MAX} characters`) : { url };
};

/** Whether a text with expressions is one expression and no more. */
export const isLone = (parts: readonly string[]): boolean =>
  parts.length === 3 && `${parts[0]}${parts[2]}`.trim() === '';

/** The same text with something plain where each expression is. */
export const withPlaceholders = (parts: readonly string[]): string =>
  parts.map((part, index) => (index % 2 === 0 ? part : 'x')).join('');

const invalid = (cause: string): ComputedUrl => ({ error: { name: 'Stepwell.InvalidRequest', cause } });

const wholeUrl = (value: JsonText, target: string | null): ComputedUrl => {
  if (!value.startsWith('"')) return invalid(`the url is ${value.slice(0, 100)}, and no text`);
  const text = textOf(value);
  if (isRelativeUrl(text) && target === null)
    return invalid(`the url ${shown(text)} is relative, and there is no target`);
  const read = isRelativeUrl(text) ? readRelativeUrl(text, target ?? '') : readAbsoluteUrl(text);
  return read.status === 'read' ? { url: read.url } : invalid(read.detail);
};

const urlOfText = (parts: readonly string[], values: readonly (JsonText | null)[]): ComputedUrl => {
  const made = parts.map((part, index) => (index % 2 === 0 ? part : escaped(textOf(values[(index - 1) / 2] ?? null))));
  const read = readAbsoluteUrl(made.join(''));
  if (read.status !== 'read') return invalid(read.detail);
  // A value that is `..` would take a segment away, one that is empty a name.
  return depthOf(read.url) === depthOf(withPlaceholders(parts))
    ? { url: read.url }
    : invalid(`the url would become ${shown(read.url)}, whose path is another`);
};

const depthOf = (url: string): number => new URL(url).pathname.split('/').filter((segment) => segment !== '').length;

const withQuery = (
  url: string,
  query: Readonly<Record<string, Given>>,
  values: readonly (JsonText | null)[],
): string => {
  let made = url;
  let next = 0;
  for (const [name, given] of Object.entries(query)) {
    const count = isComputed(given) ? expressionsOf(given).length : 0;
    const value = isComputed(given) ? printed(given, values.slice(next, next + count)) : given;
    next += count;
    for (const text of textsOf(value)) made += `${made.includes('?') ? '&' : '?'}${escaped(name)}=${escaped(text)}`;
  }
  return made;
};

/** A list repeats the member, nothing leaves it out, an object is its JSON. */
const textsOf = (value: JsonText): readonly string[] => {
  if (value === NULL_TEXT) return [];
  if (!value.startsWith('[')) return [textOf(value)];
  const items = new JsonCutter(value);
  return Array.from({ length: items.count() }, (_, at) => textOf(payloadOf(items.cut(`/${at}`) ?? NULL_TEXT)));
};

const escaped = (text: string): string => encodeURIComponent(text.toWellFormed());
const shown = (text: string): string => JSON.stringify(text.slice(0, 200));
