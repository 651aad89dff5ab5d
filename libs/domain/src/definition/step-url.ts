import { isName } from '../name.js';
import { quoted } from './finding.js';
import { areGood } from './code.js';
import { EXPRESSION_PATTERN, hasExpression } from './expression.js';
import { CONTROL, refuse, text, type Kind } from './member-kind.js';

export type ReadUrl =
  { readonly status: 'read'; readonly url: string } | { readonly status: 'refused'; readonly detail: string };

const URL_CHARS_MAX = 4_096;
/** No spaces, control characters, backslashes, fragments. */
const CHAR = `[^\\s\\\\#${CONTROL}]`;
/** A scheme, a host without credentials, a port. */
const ORIGIN = `[Hh][Tt][Tt][Pp][Ss]?://[^\\s\\\\#${CONTROL}/?@]+`;

const PLAIN_URL = `^(?:${ORIGIN}(?:[/?]${CHAR}*)?|(?!//|[A-Za-z][A-Za-z0-9+.-]*:)${CHAR}+)$`;
const plainUrl = text({ maxChars: URL_CHARS_MAX, pattern: PLAIN_URL });

/** The url of a step, as a text, perhaps with expressions; where it leads is for the functions below. */
export const stepUrl: Kind<string> = {
  schema: () => ({ type: 'string', maxLength: URL_CHARS_MAX, pattern: `${PLAIN_URL}|${EXPRESSION_PATTERN}` }),
  read: (value, place) => {
    if (typeof value !== 'string' || !hasExpression(value)) return plainUrl.read(value, place);
    if (value.length > URL_CHARS_MAX) return refuse(place, `${place.label} has at most ${URL_CHARS_MAX} characters`);
    return areGood(value, place) ? value : undefined;
  },
};

/** The target of a definition, as a text. */
export const targetUrl = text({ maxChars: URL_CHARS_MAX, pattern: `^${ORIGIN}(?:/[^\\s\\\\#?${CONTROL}]*)?$` });

const refused = (detail: string): ReadUrl => ({ status: 'refused', detail });

/** Reads an absolute http(s) url without credentials or fragment, and gives it as every client writes it. */
export const readAbsoluteUrl = (text: string): ReadUrl => {
  const flaw = textFlaw(text);
  if (flaw !== null) return refused(flaw);
  const scheme = schemeOf(text);
  if (scheme === null) return refused(`${quoted(text)} is not absolute: it must begin with http:// or https://`);
  if (scheme !== 'http' && scheme !== 'https')
    return refused(`The scheme ${quoted(scheme)} is not allowed: use http or https`);
  // `new URL` would read `http:/\host` and `http:host` as `http://host`: what looks unlike a url is not taken for one.
  if (!/^https?:\/\/[^/]/i.test(text))
    return refused(`${quoted(text)} is no url: "//" and a host must follow the scheme`);
  if (/^[^/]*\/\/[^/?]*@/.test(text)) return refused('A url may not hold credentials: they would be stored and shown');
  if (!URL.canParse(text)) return refused(`${quoted(text)} is no url`);
  return { status: 'read', url: new URL(text).href };
};

/** Reads the base of relative urls: no query, since paths are put behind it. */
export const readTarget = (text: string): ReadUrl => {
  if (text.includes('?')) return refused('A target may not have a query: the urls of steps are put behind it');
  if (isName(text))
    return refused('Short target names are not available in this version: give an origin, such as http://app:4000');
  return readAbsoluteUrl(text);
};

/** Whether the url needs a target; one of another scheme does not, and is refused for that. */
export const isRelativeUrl = (text: string): boolean => schemeOf(text) === null;

/** Puts a relative url behind the target, whether or not a slash stands between; a query alone is the target's own. */
export const readRelativeUrl = (text: string, target: string): ReadUrl => {
  const flaw = textFlaw(text);
  if (flaw !== null) return refused(flaw);
  if (text.startsWith('//'))
    return refused('A url that begins with "//" would leave the target: write the whole url instead');
  if (leavesTarget(text)) return refused(`${quoted(text)} leaves the target by "..": write the whole url instead`);
  const joined = behindTarget(text, target);
  return URL.canParse(joined) ? { status: 'read', url: new URL(joined).href } : refused(`${quoted(text)} is no url`);
};

/** A relative url as one text with its target. */
export const behindTarget = (text: string, target: string): string =>
  text.startsWith('?') ? target + text : `${target.replace(/\/+$/, '')}/${text.replace(/^\//, '')}`;

/** Whether the path goes up above where it begins; to `new URL`, `%2e` is a dot as well. */
const leavesTarget = (text: string): boolean => {
  const [path = ''] = text.replace(/^\//, '').split('?');
  let depth = 0;
  for (const segment of path.replaceAll(/%2e/gi, '.').split('/')) {
    if (segment === '..') depth -= 1;
    else if (segment !== '.') depth += 1;
    if (depth < 0) return true;
  }
  return false;
};

const schemeOf = (text: string): string | null => /^([a-z][a-z0-9+.-]*):/i.exec(text)?.[1]?.toLowerCase() ?? null;

/** `new URL` drops tabs and line ends and turns backslashes: what a person reads must be what is called. */
const textFlaw = (text: string): string | null => {
  if (text === '') return 'The url is empty';
  if (/[\p{Cc}\s\\]/u.test(text)) return 'A url may not hold spaces, control characters or backslashes';
  if (text.includes('#')) return 'A url may not have a fragment ("#…"): it is never sent';
  return null;
};
