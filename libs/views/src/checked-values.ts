import type { ErrorInfo } from '#domain';

// The log is ours, but a value that a database refuses would stop all streams with the batch, not only its own.

/** The value, which must be a text. */
export const checkedText = (name: string, value: unknown): string => {
  if (typeof value !== 'string') throw new Error(`${name} is not a text`);
  return value;
};

/** The value, which must be a text or `null`. */
export const checkedTextOrNull = (name: string, value: unknown): string | null =>
  value === null ? null : checkedText(name, value);

/** The two texts of an error, and nothing else of it. */
export const checkedError = (value: ErrorInfo): ErrorInfo => ({
  name: checkedText('error.name', value.name),
  cause: checkedTextOrNull('error.cause', value.cause),
});
