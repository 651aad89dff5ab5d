import { describe, expect, it } from '@jest/globals';
import { ANY, DEFAULT_RUN_LIMITS, type Plan, type RunCommand, type StepKey } from '#domain';
import { decodeRunEvent, LOG_START } from '#event-store';
import { parallel, planOf, step } from '../../domain/src/testing/tree-plans.js';
import { startRun } from '../../domain/src/testing/run-facts.js';
import { decideBatch, type DecisionBatch } from './decision-batch.js';
import type { KnownRun } from './load-run.js';
import type { QueuedCommand } from './queued-command.js';
import { NOBODY } from './runs.js';
import { Recorder, runIdOf } from './testing/engine-world.js';

const runId = runIdOf('a');
const plan = planOf(parallel({ name: 'all' }, step('a'), step('b')));
const atMs = 1_000;

const queued = (command: RunCommand, its: Plan | null = null): QueuedCommand => ({
  command,
  plan: its,
  origin: NOBODY,
  answerByMs: Infinity,
  done: null,
});

/** A run whose two attempts are in flight, and how it goes on. */
const inFlight = (unsent: readonly StepKey[], eventsMax = 1_000, its = plan) => {
  const owner = new Recorder();
  for (const key of unsent) owner.unsent.add(key);
  const mailbox: KnownRun = {
    ...{ runId, plan: null, state: null, position: LOG_START, startedAt: LOG_START, traceparent: null, bytes: 0 },
    facts: null,
  };
  const limits = { ...DEFAULT_RUN_LIMITS, eventsMax };
  const context = {
    ...{ atMs, at: new Date(atMs).toISOString(), limits, owner },
    ...{ undo: null, evaluating: null },
  };
  const batch = decideBatch(mailbox, [queued(startRun(), its)], context);
  return { owner, mailbox, context, batch };
};
/** How the attempts of `all.a` and `all.b` came to be cancelled, as the events say. */
const classesIn = ({ events }: DecisionBatch) =>
  events
    .map(({ type, v, data }) => decodeRunEvent(type, v, data))
    .flatMap((event) => (event.type === 'StepCancelled' ? event.attempts : []))
    .map((attempt) => attempt.class);

describe('decideBatch', () => {
  it('closes as not executed what has not been sent, withholds all that it closes, and says what that is', () => {
    const run = inFlight(['all.a']);
    expect(run.batch.abandoned).toEqual([]);
    const batch = decideBatch(
      run.mailbox,
      [queued({ type: 'CancelRun', reason: null, precondition: ANY })],
      run.context,
    );
    expect(classesIn(batch)).toEqual(['not-executed', 'may-have-executed']);
    expect(batch.abandoned).toEqual([
      { step: 'all.a', attempt: 1 },
      { step: 'all.b', attempt: 1 },
    ]);
    expect(run.owner.withheld).toEqual(['all.a', 'all.b']);
  });

  it('cuts off what it closes in one container, and nothing beside it', () => {
    const two = planOf(
      parallel({ name: 'all', onError: 'continue' }, parallel({ name: 'p' }, step('a'), step('b')), step('c')),
    );
    const run = inFlight([], 1_000, two);
    const failed = { type: 'FailAttempt', step: 'all.p.a', attempt: 1, class: 'refused', retryable: false } as const;
    const error = { name: 'HTTP.404', cause: null };
    const command = { ...failed, status: 404, error, body: null, retryAfterMs: null, jitter: 0 };
    expect(decideBatch(run.mailbox, [queued(command)], run.context).abandoned).toEqual([
      { step: 'all.p.b', attempt: 1 },
    ]);
    expect(run.owner.withheld).toEqual(['all.p.b']);
  });

  it('closes as not executed what the very same batch has started', () => {
    const run = inFlight([], 5);
    expect(run.mailbox.state).toMatchObject({ status: 'failed', error: { name: 'Stepwell.TooManyEvents' } });
    expect(classesIn(run.batch)).toEqual(['not-executed']);
  });
});
