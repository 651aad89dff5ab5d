/**
 * Postgres has no text with a zero character, JSON has: an error's cause may hold one, and one refused row would stop the
 * views for ever. So it is written as two characters, and the first of them, of private use, as two as well.
 */
const ESCAPE = '\uE000';
const NEEDS_ESCAPE = /[\0\uE000]/;

export const toStored = (text: string): string =>
  NEEDS_ESCAPE.test(text) ? text.replaceAll(ESCAPE, `${ESCAPE}e`).replaceAll('\0', `${ESCAPE}0`) : text;

/** Inverse of `toStored`. */
export const fromStored = (text: string): string =>
  text.includes(ESCAPE) ? text.replaceAll(`${ESCAPE}0`, '\0').replaceAll(`${ESCAPE}e`, ESCAPE) : text;

const CONTROLS = /[\\\t\n\r]/g;
const COPIED: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };

/** A value in the text form of COPY. */
export const copied = (value: unknown): string => {
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' ? toStored(value).replace(CONTROLS, (character) => COPIED[character]!) : '\\N';
};

/** An array literal; the driver's own goes element by element through every type that it knows. */
export const arrayOf = (values: readonly (string | number | null)[]): string => `{${values.map(element).join(',')}}`;

const element = (value: string | number | null): string => {
  if (value === null) return 'NULL';
  return typeof value === 'number' ? String(value) : `"${toStored(value).replace(/["\\]/g, '\\$&')}"`;
};
