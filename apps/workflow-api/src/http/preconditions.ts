import type { Precondition, Seen } from '#domain';
import type { IncomingHttpHeaders } from 'node:http';
import { HttpProblem } from './problems.js';

/** A number, of a version or a revision, as entity tag. */
export const entityTag = (of: number): string => `"${of}"`;

const NUMBER_TAG = /^"(0|[1-9]\d{0,8})"$/;

/** Tags of a list, `*` alone, or `null` for what is neither. A comma may stand in a tag, and empty elements are none. */
const parseTags = (header: string): '*' | readonly string[] | null => {
  if (header.trim() === '*') return '*';
  const tags = (header.match(/(?:W\/)?"[^"]*"|[^,\s]+/g) ?? []) as readonly string[];
  return tags.length > 0 && tags.every((tag) => TAG.test(tag)) ? tags : null;
};
const TAG = /^(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"$/;

/**
 * What the caller says to have seen. Tags that nothing has can match nothing; weak ones are among them for If-Match, which is
 * compared strongly, and not for If-None-Match (RFC 9110, 13.1). `tag` has the number as its first group.
 */
export const parsePrecondition = (headers: IncomingHttpHeaders, tag = NUMBER_TAG): Precondition => ({
  ifMatch: parseSeen(headers, 'If-Match', (given) => tag.exec(given)),
  ifNoneMatch: parseSeen(headers, 'If-None-Match', (given) => tag.exec(opaque(given))),
});

const parseSeen = (
  headers: IncomingHttpHeaders,
  name: 'If-Match' | 'If-None-Match',
  read: (tag: string) => RegExpExecArray | null,
): Seen | null => {
  // Node gives each of these as one text, however many lines it came in.
  const header = headers[name === 'If-Match' ? 'if-match' : 'if-none-match'];
  if (header === undefined) return null;
  const tags = parseTags(header);
  if (tags === '*') return '*';
  if (tags !== null)
    return tags.flatMap((tag) => {
      const number = read(tag)?.[1];
      return number === undefined ? [] : [Number(number)];
    });
  const detail = 'Give * or entity tags in double quotes, such as "3".';
  throw new HttpProblem({
    code: 'validation-failed',
    detail: `${name}: ${detail}`,
    errors: [{ pointer: name, detail }],
  });
};

/** What becomes of a read of what bears the tag: it is answered, or not needed, or not what was wanted (RFC 9110, 13.2.2). */
export const readPrecondition = (headers: IncomingHttpHeaders, etag: string): 'answer' | 'not-modified' | 'failed' => {
  const ifMatch = tagsOf(headers['if-match']);
  // Compared strongly: a weak tag is no promise of the same bytes.
  if (ifMatch !== null && ifMatch !== '*' && (etag.startsWith('W/') || !ifMatch.includes(etag))) return 'failed';
  const ifNoneMatch = tagsOf(headers['if-none-match']);
  if (ifNoneMatch === null) return 'answer';
  return ifNoneMatch === '*' || ifNoneMatch.some((tag) => opaque(tag) === opaque(etag)) ? 'not-modified' : 'answer';
};

/** A malformed list matches nothing: a read does no harm. */
const tagsOf = (header: string | undefined): '*' | readonly string[] | null =>
  header === undefined ? null : (parseTags(header) ?? []);

const opaque = (tag: string): string => tag.replace(/^W\//, '');
