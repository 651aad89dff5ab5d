import type { RunLimits } from '../commands.js';
import type { RunEvent } from '../events.js';

/** Counts what the limits of a run are about, by its events alone. */
export class BoundsOfRun {
  private events = 0;
  private steps = 0;
  private payloadBytes = 0;

  constructor(private readonly limits: RunLimits) {}

  record(event: RunEvent): void {
    this.events += 1;
    for (const text of storedBy(event)) this.payloadBytes += Buffer.byteLength(text);
    if (event.type === 'StepEntered') this.steps += 1;
  }

  /** Whether no further attempt begins, or no further step. */
  isFull(what: 'an attempt' | 'a step' = 'an attempt'): boolean {
    const names = [
      'Stepwell.TooManyEvents',
      'Stepwell.RunTooLarge',
      ...(what === 'a step' ? ['Stepwell.TooManySteps'] : []),
    ];
    return names.some((name) => this.isReached(name));
  }

  /** Whether this error of a limit is true. */
  isReached(name: string): boolean {
    const { eventsMax, stepsMax, payloadsMaxBytes } = this.limits;
    if (name === 'Stepwell.TooManyEvents') return this.events >= eventsMax;
    if (name === 'Stepwell.TooManySteps') return this.steps >= stepsMax;
    return name === 'Stepwell.RunTooLarge' && this.payloadBytes > payloadsMaxBytes;
  }
}

const storedBy = (event: RunEvent): readonly string[] => {
  switch (event.type) {
    case 'RunStarted':
      return [event.variables, event.input];
    case 'StepEntered':
      return 'value' in event.input ? [event.input.value] : [];
    case 'AttemptSucceeded':
      return [event.output];
    case 'RunCompleted':
      return event.mapped === null ? [] : [event.mapped];
    case 'StepCompleted':
      return [
        ...('value' in event.output ? [event.output.value] : []),
        ...(event.mapped === null ? [] : [event.mapped]),
      ];
    default:
      return [];
  }
};
