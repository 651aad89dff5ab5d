import type { ErrorInfo } from '#domain';
import type { Wait } from '#engine';

/** What the steps of a run wait for, as JSON. */
export const waitingText = (waits: readonly Wait[]): string => {
  let text = '[';
  for (const wait of waits) text += (text === '[' ? '' : ',') + waitText(wait);
  return text + ']';
};

const waitText = ({ step, for: reason, on, since, until, lastError }: Wait): string =>
  '{"step":' +
  JSON.stringify(step) +
  ',"for":"' +
  reason +
  '","on":' +
  JSON.stringify(on) +
  ',"since":"' +
  since +
  '","until":' +
  instantText(until) +
  ',"lastError":' +
  errorText(lastError) +
  '}';

/** Most of what may be missing is: `null` is not worth the call. */
export const textOrNull = (text: string | null): string => (text === null ? 'null' : JSON.stringify(text));

export const errorText = (error: ErrorInfo | null): string =>
  error === null ? 'null' : '{"name":' + JSON.stringify(error.name) + ',"cause":' + JSON.stringify(error.cause) + '}';

export const instantText = (instant: string | null): string => (instant === null ? 'null' : '"' + instant + '"');
