import { describe, expect, it } from '@jest/globals';
import type { RunCommand } from './commands.js';
import type { RunArchived } from './events.js';
import { evolve } from './evolve.js';
import { ANY } from './precondition.js';
import { onPlan } from './testing/given-when-then.js';
import {
  after,
  attemptStarted,
  cancelled,
  entering,
  failed,
  outcomeUnknown,
  outputOf,
  attemptSucceeded,
  completed,
  runCompleted,
  runFailed,
  startAttempt,
  started,
  startRun,
} from './testing/run-facts.js';
import { parallel, planOf, sequence, step } from './testing/tree-plans.js';

const plan = planOf(step('ship'));
const { id, key, workflow, version, plan: hash, namespace, fingerprint } = started();
const stub: RunArchived = {
  ...{ type: 'RunArchived', id, key, workflow, version, plan: hash, namespace, fingerprint },
  ...{ status: 'completed', startedAt: after(0), finishedAt: after(9), events: 6, file: 'runs-2026-02-01.ndjson.gz' },
};
const history = [
  started(),
  entering(plan)('ship'),
  attemptStarted('ship', 1),
  attemptSucceeded('ship', 1),
  completed('ship', outputOf(3)),
  runCompleted(outputOf(3)),
] as const;
const { given } = onPlan(plan);

describe('an archived run', () => {
  it('folds to the same from its stub alone and from its history with the stub behind it', () => {
    const alone = evolve(null, stub, after(99));
    expect(given(...history, stub).run).toStrictEqual(alone);
    expect(alone).toMatchObject({ status: 'completed', revision: 6, finishedAt: after(9), archived: stub });
    expect(alone?.obligations.moves.size).toBe(0);
  });

  it('tells the same start where it has gone, and another one that the key is taken', () => {
    given(stub).when(startRun()).thenRejected({ code: 'run-archived', file: stub.file });
    given(stub)
      .when(startRun({ fingerprint: 'f2' }))
      .thenRejected({ code: 'key-reused', first: fingerprint, given: 'f2' });
  });

  it.each<RunCommand>([
    { type: 'CancelRun', reason: null, precondition: ANY },
    startAttempt('ship'),
    { type: 'CompleteAttempt', step: 'ship', attempt: 1, status: 200, output: 'null' as never },
  ])('refuses $type', (command) => {
    given(stub).when(command).thenRejected({ code: 'run-archived', file: stub.file });
  });

  it.each<RunCommand>([
    { type: 'NoteDuplicateStarts', count: 1, refused: 0, last: false },
    { type: 'WakeUp' },
    { type: 'Advance', scope: '' },
    { type: 'LoseAttempts', boot: 'b' },
  ])('makes nothing of $type', (command) => {
    given(stub).when(command).thenNothing();
  });
});

describe('the limit of events', () => {
  it('ends the run also inside a parallel that goes on after errors, with all that is open', () => {
    const wide = planOf(sequence(parallel({ name: 'p', onError: 'continue' }, step('a'), step('b')), step('z')));
    const enter = entering(wide);
    const open = [
      started(),
      enter('p'),
      enter('p.a'),
      enter('p.b'),
      attemptStarted('p.b', 1),
      attemptStarted('p.a', 1),
      outcomeUnknown('p.a', 1),
    ] as const;
    const error = { name: 'Stepwell.TooManyEvents', cause: 'the run has 7 events, the limit is 7' };
    onPlan(wide, { eventsMax: 8 })
      .given(...open)
      .when(startAttempt('p.a'))
      .thenEvents(attemptStarted('p.a', 2));
    const outcome = onPlan(wide, { eventsMax: 7 })
      .given(...open)
      .whenSettled(startAttempt('p.a'));
    outcome.thenEvents(failed('p.a', error, true), cancelled(null, error.cause, ['p.b', 1]), runFailed('p.a', error));
    expect(outcome.run).toMatchObject({ status: 'failed', error, reason: error.cause });
  });

  it('leaves no room for counting repeated starts', () => {
    const note: RunCommand = { type: 'NoteDuplicateStarts', count: 3, refused: 0, last: false };
    onPlan(plan, { eventsMax: 7 })
      .given(...history)
      .when(note)
      .thenEvents({ type: 'DuplicateStartsSeen', count: 3, refused: 0 });
    onPlan(plan, { eventsMax: 6 })
      .given(...history)
      .when(note)
      .thenNothing();
  });
});
