import { EXPRESSION_UNAVAILABLE, hasExpression } from './constant.js';
import { quoted } from './finding.js';
import { kindOf, type MemberReader } from './member-reader.js';

const HEADERS_MAX = 64;
const HEADER_CHARS_MAX = 8_192;

/** Stepwell or the protocol sets these; a definition that set them could smuggle a request or forge an identity. */
const FORBIDDEN: ReadonlySet<string> = new Set([
  'host',
  'connection',
  'content-length',
  'transfer-encoding',
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

/** Whether the value of a header (its name in lower case) is most likely a secret, to be shown to nobody. */
export const isCredentialHeader = (name: string): boolean =>
  /^(?:authorization|proxy-authorization|cookie|x-api-key)$|-(?:token|secret|key)$/.test(name);

/** Reads the headers of a step: lower-case names, none twice, none that are not a definition's to set. */
export const readHeaders = (reader: MemberReader): Readonly<Record<string, string>> => {
  const headers: [string, string][] = [];
  const seen = new Map<string, string>();
  const entries = reader.entries();
  if (entries.length > HEADERS_MAX) {
    reader.findings.error(reader.pointer, `There are ${entries.length} headers, at most ${HEADERS_MAX} are allowed`);
  }
  for (const [given, value] of entries) {
    const name = given.toLowerCase();
    const earlier = seen.get(name);
    if (earlier !== undefined)
      reader.refuse(given, `The header ${quoted(given)} is set twice: ${quoted(earlier)} is the same name`);
    seen.set(name, given);
    if (!isNameAllowed(reader, given, name) || !isValueAllowed(reader, given, value)) continue;
    headers.push([name, value]);
    if (isCredentialHeader(name)) reader.findings.warning(reader.at(given), CREDENTIAL_KEPT);
  }
  return Object.fromEntries(headers);
};

const isNameAllowed = (reader: MemberReader, given: string, name: string): boolean => {
  if (!/^[!#$%&'*+.^_`|~0-9a-z-]{1,256}$/.test(name) || name === '__proto__') {
    reader.refuse(given, `${quoted(given)} is no name of a header`);
    return false;
  }
  if (name === 'content-type') {
    reader.refuse(given, 'The content type is set by the member "contentType" of the step', 'contentType');
    return false;
  }
  if (FORBIDDEN.has(name) || FORBIDDEN_PREFIXES.some((prefix) => name.startsWith(prefix))) {
    reader.refuse(given, `The header ${quoted(given)} may not be set by a definition`);
    return false;
  }
  return true;
};

const isValueAllowed = (reader: MemberReader, given: string, value: unknown): value is string => {
  if (typeof value !== 'string') {
    reader.refuse(given, `The value of a header must be a string, not ${kindOf(value)}`);
  } else if (hasExpression(value)) {
    reader.refuse(given, EXPRESSION_UNAVAILABLE);
  } else if (/[\r\n]/.test(value)) {
    reader.refuse(given, 'The value of a header may not hold a line end');
  } else if (!/^[\t\u0020-\u007e]*$/.test(value) || value !== value.trim()) {
    reader.refuse(given, 'The value of a header must be visible ASCII, without space around it');
  } else if (value.length > HEADER_CHARS_MAX) {
    reader.refuse(given, `The value of a header has at most ${HEADER_CHARS_MAX} characters`);
  } else {
    return true;
  }
  return false;
};

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,127}";
const CONTENT_TYPE = new RegExp(
  `^${TOKEN}/${TOKEN}(?: ?; ?${TOKEN}=(?:${TOKEN}|"[^"\\\\\\u0000-\\u001f\\u007f-\\uffff]{0,127}")){0,8}$`,
);

/** Why a text is no content type that a step can send; `null`: it is one. */
export const contentTypeFlaw = (text: string): string | null => {
  if (!CONTENT_TYPE.test(text)) return `${quoted(text)} is no content type, such as application/json`;
  const charset = /; ?charset="?([^";]*)/i.exec(text)?.[1];
  if (charset !== undefined && charset.toLowerCase() !== 'utf-8')
    return 'Bodies are sent as UTF-8: another charset would be a lie';
  return null;
};
