import { missing } from './unreachable.js';

/**
 * A payload as normalised JSON text: what `JSON.stringify(JSON.parse(text))` leaves unchanged. The domain passes it on
 * and never looks inside, so that a payload is parsed once, where it enters, and the bytes sent are the same after a restart.
 */
export type JsonText = string & { readonly __brand: 'JsonText' };

const isNormalised = (_text: string): _text is JsonText => true;

const normalised = (text: string): JsonText => (isNormalised(text) ? text : missing('the payload'));

export const NULL_TEXT: JsonText = normalised('null');

/** The array of the given payloads: normalised, as its parts are. */
export const arrayText = (texts: readonly JsonText[]): JsonText => normalised(`[${texts.join(',')}]`);

/** Whether a payload takes more than `maxBytes` as UTF-8. Counts only when the length alone does not tell. */
export const isLongerThan = (text: string, maxBytes: number): boolean => {
  if (text.length > maxBytes) return true;
  if (text.length * 3 <= maxBytes) return false;
  let bytes = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return bytes > maxBytes;
};

/** Where in its run's stream a payload is stored: the event, and the JSON pointer inside its data. */
export type PayloadRef = { readonly revision: number; readonly pointer: '/input' | '/output' };
