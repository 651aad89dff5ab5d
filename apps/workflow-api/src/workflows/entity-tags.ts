import type { Precondition, Seen } from '#domain';
import type { IncomingHttpHeaders } from 'node:http';
import { HttpProblem } from '../http/problems.js';

/** A version as ETag: its number in quotes. */
export const entityTag = (version: number): string => `"${version}"`;

/** What the caller says to have seen. Tags that no version has, weak ones among them, can match nothing. */
export const parsePrecondition = (headers: IncomingHttpHeaders): Precondition => ({
  ifMatch: parseSeen('If-Match', headers['if-match']),
  ifNoneMatch: parseSeen('If-None-Match', headers['if-none-match']),
});

const TAG = /^(?:W\/)?"([\x21\x23-\x7e]*)"$/;

const parseSeen = (name: string, header: string | undefined): Seen | null => {
  if (header === undefined) return null;
  if (header.trim() === '*') return '*';
  const tags = header.split(',').map((tag) => tag.trim());
  if (!tags.every((tag) => TAG.test(tag))) {
    const detail = 'Give * or entity tags: versions in double quotes, such as "3".';
    throw new HttpProblem({
      code: 'validation-failed',
      detail: `${name}: ${detail}`,
      errors: [{ pointer: name, detail }],
    });
  }
  return tags.flatMap((tag) => (/^"[1-9]\d{0,8}"$/.test(tag) ? [Number(tag.slice(1, -1))] : []));
};
