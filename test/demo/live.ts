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
    const said = sentence(event);
    if (said === null) return;
    const atMs = Date.parse(event.recordedAt);
    this.#sinceMs ??= atMs;
    if (!this.#names.includes(name)) this.#names.push(name);
    const ink = INKS[this.#names.indexOf(name) % INKS.length]!;
    const seconds = `${((atMs - this.#sinceMs) / 1000).toFixed(3)} s`.padStart(8);
    line(`${dim(seconds)}  ${padded(styled(ink, name), NAME_WIDTH)}${said}`);
  }
}

const sentence = (event: EventShape): string | null => {
  const { type, data, recordedAt } = event;
  const step = padded(stepName(text(data['step'])), STEP_WIDTH);
  switch (type) {
    case 'RunStarted':
      return bold('run started');
    case 'AttemptStarted':
      return `${step}${cyan('→')} attempt ${text(data['attempt'])}`;
    case 'AttemptSucceeded':
      return `${step}${green('✔')} ${text(data['status'])}`;
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

const text = (value: unknown): string => (typeof value === 'string' || typeof value === 'number' ? String(value) : '');

/** The last part of a step key: its own name. */
const stepName = (key: string): string => key.slice(key.lastIndexOf('.') + 1);

const failure = (data: EventShape['data']): string => {
  const error = data['error'];
  const name =
    typeof error === 'object' && error !== null && 'name' in error ? String(error.name) : text(data['class']);
  return data['status'] === null ? name : `${text(data['status'])} ${name}`;
};

const retry = (data: EventShape['data'], recordedAt: string): string =>
  typeof data['retryAt'] === 'string'
    ? yellow(`, again in ${duration(Date.parse(data['retryAt']) - Date.parse(recordedAt))}`)
    : '';
