import type { EventShape } from '../support/shapes.js';
import { bold, cyan, dim, duration, green, line, padded, red, styled, yellow } from './terminal.js';

const INKS = ['cyan', 'magenta', 'blue'] as const;
const NAME_WIDTH = 9;
const STEP_WIDTH = 18;

/** Prints the events of several runs as they happen, each with the time since the first of all. */
export class LiveLog {
  #sinceMs: number | null = null;
  readonly #names: string[] = [];

  show(name: string, event: EventShape): void {
    const text = sentence(event);
    if (text === null) return;
    const atMs = Date.parse(event.recordedAt);
    this.#sinceMs ??= atMs;
    if (!this.#names.includes(name)) this.#names.push(name);
    const ink = INKS[this.#names.indexOf(name) % INKS.length]!;
    const seconds = `${((atMs - this.#sinceMs) / 1000).toFixed(3)} s`.padStart(8);
    line(`${dim(seconds)}  ${padded(styled(ink, name), NAME_WIDTH)}${text}`);
  }
}

const sentence = (event: EventShape): string | null => {
  const { type, data, recordedAt } = event;
  const step = padded(stepName(String(data['step'] ?? '')), STEP_WIDTH);
  switch (type) {
    case 'RunStarted':
      return bold('run started');
    case 'AttemptStarted':
      return `${step}${cyan('→')} attempt ${String(data['attempt'])}`;
    case 'AttemptSucceeded':
      return `${step}${green('✔')} ${String(data['status'])}`;
    case 'AttemptFailed':
      return `${step}${red('✘')} ${failure(data)}${retry(data, recordedAt)}`;
    case 'AttemptOutcomeUnknown':
      return `${step}${yellow('?')} outcome unknown`;
    case 'StepFailed':
      return `${step}${red('failed')}`;
    case 'RunCompleted':
      return green(bold('run completed'));
    case 'RunFailed':
    case 'RunCancelled':
    case 'RunTimedOut':
      return red(bold(`run ${type.slice(3).toLowerCase()}`));
    default:
      return null;
  }
};

/** The last part of a step key: its own name. */
const stepName = (key: string): string => key.slice(key.lastIndexOf('.') + 1);

const failure = (data: EventShape['data']): string => {
  const error = data['error'];
  const name =
    typeof error === 'object' && error !== null && 'name' in error ? String(error.name) : String(data['class']);
  return data['status'] === null ? name : `${String(data['status'])} ${name}`;
};

const retry = (data: EventShape['data'], recordedAt: string): string =>
  typeof data['retryAt'] === 'string'
    ? yellow(`, again in ${duration(Date.parse(data['retryAt']) - Date.parse(recordedAt))}`)
    : '';
