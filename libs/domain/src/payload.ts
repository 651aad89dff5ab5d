import { missing } from './unreachable.js';

/**
 * A payload as the JSON text that came in, checked, without space between its tokens. The domain passes it on and never looks
 * inside, so that a payload is parsed once, where it enters, no number of it changes, and the bytes sent are the same after a restart.
 */
export type JsonText = string & { readonly __brand: 'JsonText' };

const isPayload = (_text: string): _text is JsonText => true;

/** For text that is known to be one. */
export const payloadOf = (text: string): JsonText => (isPayload(text) ? text : missing('the payload'));

export const NULL_TEXT: JsonText = payloadOf('null');

/** The array of the given payloads: compact, as its parts are. */
export const arrayText = (texts: readonly JsonText[]): JsonText => payloadOf(`[${texts.join(',')}]`);

/** How many bytes of UTF-8 the array of the given payloads takes, without making it. */
export const arrayBytes = (texts: readonly JsonText[]): number =>
  texts.reduce((sum, text) => sum + byteLength(text), 2 + Math.max(0, texts.length - 1));

/** Whether a payload takes more than `maxBytes` as UTF-8. Counts only when the length alone does not tell. */
export const isLongerThan = (text: string, maxBytes: number): boolean => {
  if (text.length > maxBytes) return true;
  return text.length * 3 > maxBytes && byteLength(text) > maxBytes;
};

/** How many bytes of UTF-8 a payload takes. By code units: half a surrogate pair takes two of the pair's four bytes; a payload holds no lone one. */
export const byteLength = (text: string): number => {
  let bytes = text.length;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code >= 0x80) bytes += code < 0x800 || (code >= 0xd800 && code <= 0xdfff) ? 1 : 2;
  }
  return bytes;
};

/**
 * Where a payload is in its run's stream: the event, and a JSON pointer (RFC 6901) into its data as stored. The first token is a
 * member that is a payload, what follows leads into it. A member of references, `/outputRefs`, is the array of what they lead to,
 * and so `/outputRefs/17/name` the name in what the 18th leads to.
 */
export type PayloadRef = { readonly revision: number; readonly pointer: string };
