import { STATUS_CODES } from 'node:http';
import type { ErrorInfo } from '#domain';
import { memberTexts, parseStrictJson } from '#runtime';
import { bodyStart, encodingOf, isJson } from './answer-body.js';
import type { Answer } from './classify.js';

const CAUSE_MAX = 4_096;
/** Printable characters alone; names of ours are not an application's to give. */
const NAME = /^(?!Stepwell\.|HTTP\.)[^\p{C}\p{Zl}\p{Zp}]{1,255}$/u;

/** The error of an answer that is not 2xx: as the application names it, else by its status, with what it says of why. */
export const statedError = (answer: Answer): ErrorInfo => {
  const { name, cause } = said(answer);
  const words = cause === null ? null : cut(cause);
  if (name !== null) return { name, cause: words };
  return { name: `HTTP.${answer.status}`, cause: words ?? inWords(answer.status) };
};

type Said = { readonly name: string | null; readonly cause: string | null };
const NOTHING: Said = { name: null, cause: null };

const said = (answer: Answer): Said => {
  if (answer.body.length === 0) return NOTHING;
  const encoding = encodingOf(answer);
  if (encoding !== null) return { name: null, cause: `${inWords(answer.status)}, encoded as ${encoding}` };
  if (!isJson(answer.contentType)) return { name: null, cause: lineOf(answer) };
  const parsed = parseStrictJson(answer.body);
  return parsed.status === 'parsed' ? saidInJson(parsed.value, parsed.text) : NOTHING;
};

const saidInJson = (value: unknown, text: string): Said => {
  if (typeof value === 'string') return { name: null, cause: textOf(value) };
  if (!isObject(value)) return NOTHING;
  if (isObject(value['error'])) return { name: null, cause: reasonIn(value['error']) ?? asSent(text, 'error') };
  const error = textOf(value['error']);
  const cause = causeOf(value, text);
  if (error === null) return { name: null, cause };
  if (NAME.test(error)) return { name: error, cause };
  // What is no name may still be the reason.
  return { name: null, cause: cause === null ? error : `${error}: ${cause}` };
};

/** A text as it is, and the JSON of everything else; without one the reason that the answer gives in another way. */
const causeOf = (value: Members, text: string): string | null => {
  const { cause } = value;
  if (cause === undefined || cause === null || cause === '') return reasonIn(value);
  return typeof cause === 'string' ? cause : asSent(text, 'cause');
};

/** A member of an object by its text, since a value does not hold every number. */
const asSent = (object: string, member: string): string | null => memberTexts(object).get(member) ?? null;

/** Of a problem (RFC 9457) its title and detail, else the message. */
const reasonIn = ({ title, detail, message }: Members): string | null => {
  const problem = [textOf(title), textOf(detail)].filter((text) => text !== null).join(': ');
  return problem === '' ? textOf(message) : problem;
};

/** Of a page its title, of a text its first line that is not blank. */
const lineOf = (answer: Answer): string | null => {
  const { contentType } = answer;
  if (contentType !== '' && !/^text\/(?!xml)/i.test(contentType)) return null;
  const text = bodyStart(answer) ?? '';
  if (/^\s*<(?:!doctype|html|head|title)\b/i.test(text) || /^text\/html\b/i.test(contentType))
    return textOf(/<title[^>]*>([^<]*)<\/title>/i.exec(text)?.[1]?.replaceAll(/\s+/g, ' '));
  return textOf(/\S.*/.exec(text)?.[0]);
};

type Members = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is Members =>
  value !== null && typeof value === 'object' && !Array.isArray(value);

/** A text that says something. */
const textOf = (value: unknown): string | null => {
  const text = typeof value === 'string' ? value.trim() : '';
  return text === '' ? null : text;
};

/** The cut may leave half a character, which databases refuse. */
const cut = (text: string): string => text.slice(0, CAUSE_MAX).toWellFormed();

/** What a bare status says to a person, who may not know its number. */
const inWords = (status: number): string => {
  const phrase = STATUS_CODES[status] === undefined ? '' : ` ${STATUS_CODES[status]}`;
  return `the application answered ${status}${phrase}${status < 400 ? '; redirects are never followed' : ''}`;
};
