import { pause, type Clock, type Log } from '#runtime';
import { deadLetters, type Refusal } from './dead-letter.js';
import type { BackOff } from './back-off.js';
import type { Publisher } from './publisher.js';
import type { StartRuns, TriggeredStartOutcome } from './start-runs.js';
import { parseTrigger, type TriggerForm, type TriggerMessage } from './trigger-message.js';

/** So many starts are under way together. */
export const STARTS_MAX = 64;

export type TriggeredStartsSettings = TriggerForm & { readonly deadLetterTopic: string };

export type TriggerCounts = { readonly started: number; readonly replayed: number; readonly deadLettered: number };

/**
 * Starts the runs that messages ask for; what can never start one goes to the dead-letter topic. Everything else is tried
 * until it has come to one of the two: no message is left out.
 */
export class TriggeredStarts {
  readonly #runs: StartRuns;
  readonly #publisher: Publisher;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #settings: TriggeredStartsSettings;
  readonly #onAttempt: (failure: unknown) => void;
  readonly #counts = { started: 0, replayed: 0, deadLettered: 0 };

  constructor(
    runs: StartRuns,
    publisher: Publisher,
    clock: Clock,
    log: Log,
    settings: TriggeredStartsSettings,
    onAttempt: (failure: unknown) => void,
  ) {
    this.#runs = runs;
    this.#publisher = publisher;
    this.#clock = clock;
    this.#log = log;
    this.#settings = settings;
    this.#onAttempt = onAttempt;
  }

  get counts(): TriggerCounts {
    return { ...this.#counts };
  }

  /**
   * Messages in groups to be handled one after the other: no more than may be under way together, and no key twice, so
   * that of two messages with one key and different payloads the first one wins, also when it has to be tried again.
   */
  groups(messages: readonly TriggerMessage[]): readonly (readonly TriggerMessage[])[] {
    const groups: TriggerMessage[][] = [];
    let keys = new Set<string>();
    for (const message of messages) {
      const parsed = parseTrigger(message, { ...this.#settings, workflow: null });
      const key = 'key' in parsed ? parsed.key : null;
      if (groups.length === 0 || groups.at(-1)!.length >= STARTS_MAX || (key !== null && keys.has(key))) {
        groups.push([]);
        keys = new Set();
      }
      groups.at(-1)!.push(message);
      if (key !== null) keys.add(key);
    }
    return groups;
  }

  /** True when each has started its run or is in the dead-letter topic; false when the signal has aborted before. */
  async handle(group: readonly TriggerMessage[], backOff: BackOff, signal: AbortSignal): Promise<boolean> {
    let pending = group;
    while (pending.length > 0) {
      const outcomes = await Promise.all(pending.map((message) => this.#start(message)));
      const again: TriggerMessage[] = [];
      let cause: unknown = null;
      for (const [index, outcome] of outcomes.entries()) {
        const message = pending[index]!;
        if (outcome.status === 'unavailable') {
          again.push(message);
          cause = outcome.cause;
        } else if (outcome.status === 'refused') {
          if (!(await this.#bury(message, outcome, backOff, signal))) return false;
        } else this.#counts[outcome.status]++;
      }
      pending = again;
      if (pending.length > 0 && !(await this.#tryAgain(cause, backOff, signal))) return false;
    }
    backOff.reset();
    this.#onAttempt(null);
    return true;
  }

  async #start(message: TriggerMessage): Promise<TriggeredStartOutcome> {
    const parsed = parseTrigger(message, this.#settings);
    if ('refusal' in parsed) return { status: 'refused', ...parsed.refusal };
    try {
      return await this.#runs.start(parsed);
    } catch (cause) {
      return { status: 'unavailable', cause };
    }
  }

  async #bury(message: TriggerMessage, refusal: Refusal, backOff: BackOff, signal: AbortSignal): Promise<boolean> {
    const letters = deadLetters(message, refusal);
    for (let index = 0; ;) {
      const outcome = await this.#publisher.publish(this.#settings.deadLetterTopic, [letters[index]!]);
      if (outcome.status === 'published') break;
      if (outcome.status === 'too-large' && index < letters.length - 1) index++;
      else if (!(await this.#tryAgain(outcome.cause, backOff, signal))) return false;
    }
    this.#counts.deadLettered++;
    const { topic, partition, offset: place } = message;
    this.#log.warn('a message started no run; it is in the dead-letter topic', {
      code: refusal.code,
      from: `${topic}-${partition}-${place}`,
      topic: this.#settings.deadLetterTopic,
    });
    return true;
  }

  async #tryAgain(cause: unknown, backOff: BackOff, signal: AbortSignal): Promise<boolean> {
    this.#onAttempt(cause);
    await pause(this.#clock, backOff.next(), signal);
    return !signal.aborted;
  }
}
