import type { RunLimits } from './commands.js';
import type { ErrorInfo } from './events.js';
import { byteLength, type JsonText } from './payload.js';
import type { Run } from './run.js';

/**
 * Why nothing more is begun in a run, or `null`. Asked before each attempt and each entry of a step: every way to ever more
 * events leads through one of them, and what ends is always recorded.
 */
export const boundReached = (run: Run, { eventsMax, payloadsMaxBytes }: RunLimits): ErrorInfo | null => {
  const events = run.revision + 1;
  if (events >= eventsMax) {
    const cause = `the run has ${events} events, the limit is ${eventsMax}`;
    return { name: 'Stepwell.TooManyEvents', cause };
  }
  return run.payloadBytes > payloadsMaxBytes ? tooLarge(run.payloadBytes, payloadsMaxBytes) : null;
};

/** Why no further step is entered, or `null`. */
export const entryRefused = (run: Run, limits: RunLimits): ErrorInfo | null => {
  if (run.enteredSteps < limits.stepsMax) return boundReached(run, limits);
  const cause = `the run has entered ${run.enteredSteps} steps, the limit is ${limits.stepsMax}`;
  return { name: 'Stepwell.TooManySteps', cause };
};

/** Why an answer is not taken into the run, or `null`: a thousand that are in flight would pass the limit by far. */
export const answerRefused = (run: Run, output: JsonText, { payloadsMaxBytes }: RunLimits): ErrorInfo | null => {
  // Three bytes a code unit are the most: nothing is counted while that fits.
  if (run.payloadBytes + output.length * 3 <= payloadsMaxBytes) return null;
  const bytes = run.payloadBytes + byteLength(output);
  return bytes > payloadsMaxBytes ? tooLarge(bytes, payloadsMaxBytes) : null;
};

const tooLarge = (bytes: number, maxBytes: number): ErrorInfo => ({
  name: 'Stepwell.RunTooLarge',
  cause: `the payloads of the run take ${bytes} bytes together, the limit is ${maxBytes}`,
});
