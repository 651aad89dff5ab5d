import { EXPRESSION_PATTERN, EXPRESSION_UNAVAILABLE, hasExpression } from './expression.js';
import { below, quoted } from './finding.js';
import { kindOf, refuse, text, type Kind, type Place } from './member-kind.js';
import { isRecord } from './record.js';

const HEADERS_MAX = 64;
const HEADER_CHARS_MAX = 8_192;

/** Stepwell or the protocol sets these; a definition that set them could smuggle a request or forge an identity. */
const FORBIDDEN: ReadonlySet<string> = new Set([
  'host',
  'connection',
  'content-length',
  'transfer-encoding',
  'accept-encoding',
  'upgrade',
  'te',
  'trailer',
  'cookie',
  'expect',
  'keep-alive',
  'idempotency-key',
  'traceparent',
]);
const FORBIDDEN_PREFIXES = ['webhook-', 'stepwell-', 'proxy-'];

const CREDENTIAL_KEPT =
  'This looks like a credential: the log keeps it for as long as the definition and its runs, for everyone who can read the log';

const MASK_SENT =
  'This is what is shown in the place of a credential, whose value is shown to nobody: send the value itself';

/** Whether the value of a header (its name in lower case) is most likely a secret, to be shown to nobody. */
export const isCredentialHeader = (name: string): boolean =>
  /^(?:authorization|proxy-authorization|cookie|x-api-key)$|-(?:token|secret|key)$/.test(name);

/** What stands in the place of a credential. */
export const MASKED = '[masked]';

/** Headers as they are shown outside: no value that is most likely a secret. */
export const shownHeaders = (given: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(given).map(([name, value]) => [name, isCredentialHeader(name) ? MASKED : value]));

/** Members whose values are payloads, in which a name means nothing to us. */
const PAYLOADS: ReadonlySet<string> = new Set(['input', 'variables']);

/** Where a definition, be it right or wrong, has credentials in headers: the names and numbers that lead there. */
export const credentialPlaces = (document: unknown): readonly (readonly string[])[] => {
  if (Array.isArray(document)) return document.flatMap((item, index) => placesIn(String(index), item));
  if (!isRecord(document)) return [];
  return Object.entries(document).flatMap(([name, value]) => {
    if (PAYLOADS.has(name)) return [];
    if (name !== 'headers' || !isRecord(value)) return placesIn(name, value);
    return Object.keys(value)
      .filter((header) => isCredentialHeader(header.toLowerCase()))
      .map((header) => [name, header]);
  });
};

const placesIn = (name: string, value: unknown): readonly (readonly string[])[] =>
  credentialPlaces(value).map((rest) => [name, ...rest]);

const HEADER_NAME_PATTERN = "^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$";
const HEADER_VALUE_PATTERN = '^(?:[\\u0021-\\u007e](?:[\\t\\u0020-\\u007e]*[\\u0021-\\u007e])?)?$';
const HEADER_NAME = new RegExp(HEADER_NAME_PATTERN);
const HEADER_VALUE = new RegExp(HEADER_VALUE_PATTERN);

/** The headers of a step: lower-case names, none twice, none that are not a definition's to set. */
export const headers: Kind<Readonly<Record<string, string>>> = {
  schema: () => ({
    type: 'object',
    maxProperties: HEADERS_MAX,
    propertyNames: { pattern: HEADER_NAME_PATTERN },
    additionalProperties: {
      type: 'string',
      maxLength: HEADER_CHARS_MAX,
      pattern: HEADER_VALUE_PATTERN,
      not: { type: 'string', pattern: EXPRESSION_PATTERN },
    },
  }),
  read: (value, place) => {
    if (!isRecord(value)) return refuse(place, `This must be an object, not ${kindOf(value)}`);
    const entries = Object.entries(value);
    if (entries.length > HEADERS_MAX)
      refuse(place, `There are ${entries.length} headers, at most ${HEADERS_MAX} are allowed`);
    const read: [string, string][] = [];
    const seen = new Map<string, string>();
    for (const [given, header] of entries) {
      const at = { ...place, pointer: below(place.pointer, given) };
      const name = given.toLowerCase();
      const earlier = seen.get(name);
      if (earlier !== undefined)
        refuse(at, `The header ${quoted(given)} is set twice: ${quoted(earlier)} is the same name`);
      seen.set(name, given);
      if (!isNameAllowed(given, name, at) || !isValueAllowed(header, at)) continue;
      read.push([name, header]);
      if (isCredentialHeader(name) && header === MASKED) refuse(at, MASK_SENT);
      else if (isCredentialHeader(name)) at.findings.warning(at.pointer, CREDENTIAL_KEPT);
    }
    return Object.fromEntries(read);
  },
};

const isNameAllowed = (given: string, name: string, place: Place): boolean => {
  const refused = (detail: string, suggestion: string | null = null): boolean => {
    refuse(place, detail, suggestion);
    return false;
  };
  if (!HEADER_NAME.test(given) || name === '__proto__') return refused(`${quoted(given)} is no name of a header`);
  if (name === 'content-type')
    return refused('The content type is set by the member "contentType" of the step', 'contentType');
  return FORBIDDEN.has(name) || FORBIDDEN_PREFIXES.some((prefix) => name.startsWith(prefix))
    ? refused(`The header ${quoted(given)} may not be set by a definition`)
    : true;
};

const isValueAllowed = (value: unknown, place: Place): value is string => {
  if (typeof value !== 'string') {
    refuse(place, `The value of a header must be a string, not ${kindOf(value)}`);
  } else if (hasExpression(value)) {
    refuse(place, EXPRESSION_UNAVAILABLE);
  } else if (/[\r\n]/.test(value)) {
    refuse(place, 'The value of a header may not hold a line end');
  } else if (!HEADER_VALUE.test(value)) {
    refuse(place, 'The value of a header must be visible ASCII, without space around it');
  } else if (value.length > HEADER_CHARS_MAX) {
    refuse(place, `The value of a header has at most ${HEADER_CHARS_MAX} characters`);
  } else {
    return true;
  }
  return false;
};

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,127}";
const CONTENT_TYPE_PATTERN = `^${TOKEN}/${TOKEN}(?: ?; ?${TOKEN}=(?:${TOKEN}|"[ !#-\\[\\]-~]{0,127}")){0,8}$`;
const CONTENT_TYPE = new RegExp(CONTENT_TYPE_PATTERN);

/** Why a text is no content type that a step can send; `null`: it is one. */
const contentTypeFlaw = (given: string): string | null => {
  if (!CONTENT_TYPE.test(given)) return `${quoted(given)} is no content type, such as application/json`;
  const charset = /; ?charset="?([^";]*)/i.exec(given)?.[1];
  if (charset !== undefined && charset.toLowerCase() !== 'utf-8')
    return 'Bodies are sent as UTF-8: another charset would be a lie';
  return null;
};

/** What a step says its body is. */
export const contentType = text({ maxChars: 255, pattern: CONTENT_TYPE_PATTERN, flaw: contentTypeFlaw });
