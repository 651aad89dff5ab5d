import type { Problem } from './problems.js';

export const KEY_LENGTH_MAX = 255;

/** One structured-field string, or the same value bare, without a comma: lines that were sent twice are joined by one, with a blank or without. */
const QUOTED = /^"(?:[\x21\x23-\x5b\x5d-\x7e]|\\["\\])*"$/;
const BARE = /^[\x21\x23-\x2b\x2d-\x7e][\x21-\x2b\x2d-\x7e]*$/;

/** The caller's key out of its header, quoted and bare forms alike, or what is wrong with it. */
export const parseIdempotencyKey = (
  header: string | undefined,
): { readonly key: string } | { readonly problem: Problem } => {
  if (header === undefined) {
    return {
      problem: { code: 'idempotency-key-missing', detail: 'There is no Idempotency-Key header. Nothing was started.' },
    };
  }
  let key: string;
  if (QUOTED.test(header))
    key = header.includes('\\') ? header.slice(1, -1).replace(/\\(.)/g, '$1') : header.slice(1, -1);
  else if (BARE.test(header)) key = header;
  else
    return invalid(
      'It is sent twice, or holds a blank, a comma outside of quotes, an unbalanced quote, or a character that is not visible ASCII.',
    );
  if (key.length === 0) return invalid('It is empty.');
  if (key.length > KEY_LENGTH_MAX) return invalid(`It has ${key.length} characters; the limit is ${KEY_LENGTH_MAX}.`);
  return { key };
};

const invalid = (reason: string): { readonly problem: Problem } => ({
  problem: {
    code: 'idempotency-key-invalid',
    detail: `The Idempotency-Key is malformed. ${reason} Nothing was started.`,
    errors: [
      {
        pointer: 'Idempotency-Key',
        detail: 'Give one line of 1 to 255 visible ASCII characters, bare or in double quotes.',
      },
    ],
  },
});
