import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { isDeepStrictEqual } from 'node:util';
import type { RunArchived, RunEvent } from './events.js';
import { evolve } from './evolve.js';
import { foldHistory, type HistoryState } from './history-fold.js';
import type { HistoryStep, RunHistory } from './run-history.js';
import type { RunState } from './run-state.js';
import { plans } from './testing/plan-arbitrary.js';
import {
  after,
  attemptFailed,
  attemptStarted,
  attemptSucceeded,
  cancelled,
  completed,
  duesMoved,
  entering,
  failed,
  GRANT,
  HTTP_503,
  inputOf,
  joinOf,
  outcomeUnknown,
  outputOf,
  RUN_INPUT,
  runCompleted,
  runFailed,
  started,
} from './testing/run-facts.js';
import { happeningsArbitrary, SimulatedWorld } from './testing/simulated-world.js';
import { json, parallel, pass, planOf, sequence, step } from './testing/tree-plans.js';

const plan = planOf(sequence(step('a'), parallel({ name: 'p' }, step('x'), pass('y'))));
const entered = entering(plan);

/** Each event a millisecond after the one before. */
const folded = (...events: readonly RunEvent[]): RunHistory => {
  let history: HistoryState | null = null;
  events.forEach((event, index) => (history = foldHistory(history, event, after(index))));
  if (history === null) throw new Error('this history has no run');
  return history;
};

describe('the history of a run', () => {
  it('begins with the run, before which there is nothing', () => {
    expect(foldHistory(null, entered('a'), after(0))).toBe(null);
    const event = started();
    expect(folded(event)).toMatchObject({
      ...{ started: event, startedAt: after(0), status: 'running', revision: 0, children: [], archived: null },
      ...{ duplicates: { count: 0, refused: 0 }, output: null, finishedAt: null },
    });
  });

  it('keeps what each attempt of a step came to, and the payloads with their places', () => {
    const { steps } = folded(
      started(),
      entered('a'),
      attemptStarted('a', 1),
      attemptFailed('a', 1, after(9), { body: 'busy' }),
      duesMoved({ retries: [{ step: 'a', retryAt: after(7) }] }),
      attemptStarted('a', 2),
      outcomeUnknown('a', 2),
      attemptStarted('a', 3),
      attemptSucceeded('a', 3, { ok: 1 }),
      completed('a', outputOf(8)),
    );
    const { dispatcher } = GRANT;
    const none = { status: null, error: null, body: null, retryAt: null };
    expect(steps.get('a')).toEqual({
      ...{
        key: 'a',
        node: 0,
        name: 'a',
        kind: 'step',
        parent: null,
        status: 'completed',
        error: null,
        mapped: null,
        items: null,
        wait: null,
        children: [],
      },
      ...{ enteredAt: after(1), enteredRevision: 1, finishedAt: after(9), retryAt: null },
      request: entered('a').request,
      input: { revision: 0, pointer: '/input', text: json({ order: 7 }) },
      output: { revision: 8, pointer: '/output', text: json({ ok: 1 }) },
      attempts: [
        {
          ...{ number: 1, outcome: 'may-have-executed', status: 503, error: HTTP_503, body: 'busy' },
          ...{ startedAt: after(2), endedAt: after(3), retryAt: after(9), dispatcher },
        },
        { number: 2, outcome: 'unknown', ...none, startedAt: after(5), endedAt: after(6), dispatcher },
        { number: 3, outcome: 'succeeded', ...none, status: 200, startedAt: after(7), endedAt: after(8), dispatcher },
      ],
    });
  });

  it('shows a due that was moved, while the step waits for it', () => {
    const history = [started(), entered('a'), attemptStarted('a', 1), attemptFailed('a', 1, after(900))] as const;
    expect(folded(...history).steps.get('a')).toMatchObject({ status: 'waiting-retry', retryAt: after(900) });
    const moved = duesMoved({ retries: [{ step: 'a', retryAt: after(400) }] });
    expect(folded(...history, moved).steps.get('a')?.retryAt).toBe(after(400));
  });

  it('has the steps of a container in the order they were entered, and what a join has made of theirs', () => {
    const history = folded(
      started(),
      entered('p'),
      entered('p.x'),
      entered('p.y', { value: json('y') }),
      completed('p.y', inputOf(3), true),
      attemptStarted('p.x', 1),
      attemptSucceeded('p.x', 1, 'x'),
      completed('p.x', outputOf(6), true),
      completed('p', { all: [outputOf(6), inputOf(3), null] }),
      runCompleted(joinOf(8)),
    );
    expect(history.children.map(({ key }) => key)).toEqual(['p']);
    expect(history.children[0]?.children.map(({ key, enteredRevision }) => [key, enteredRevision])).toEqual([
      ['p.x', 2],
      ['p.y', 3],
    ]);
    const output = { revision: 8, pointer: '/outputRefs', text: json(['x', 'y', null]) };
    expect([history.steps.get('p')?.output, history.output]).toEqual([output, output]);
  });

  it('says of cancelled steps which attempts were abandoned', () => {
    const history = folded(
      started(),
      entered('p'),
      entered('p.x'),
      attemptStarted('p.x', 1),
      entered('p.y'),
      cancelled('p', 'p failed', ['p.x', 1]),
      failed('p', HTTP_503),
      runFailed('p', HTTP_503),
    );
    const error = { name: 'Stepwell.Abandoned', cause: 'p failed' };
    expect(history.steps.get('p.x')).toMatchObject({
      ...{ status: 'cancelled', finishedAt: after(5), error: null },
      attempts: [{ outcome: 'may-have-executed', error, endedAt: after(5) }],
    });
    expect(history.steps.get('p.y')).toMatchObject({ status: 'cancelled', finishedAt: after(5), attempts: [] });
    expect(history).toMatchObject({ status: 'failed', reason: HTTP_503.cause, error: HTTP_503, finishedAt: after(7) });
  });

  it('counts starts whose key was known', () => {
    const seen = { type: 'DuplicateStartsSeen', count: 2, refused: 1 } as const;
    expect(folded(started(), seen, seen)).toMatchObject({ duplicates: { count: 4, refused: 2 }, revision: 2 });
  });

  it('of an archived run is the stub, from it alone and behind the whole', () => {
    const { id, key, workflow, version, plan: hash, namespace, fingerprint } = started();
    const stub: RunArchived = {
      ...{ type: 'RunArchived', id, key, workflow, version, plan: hash, namespace, fingerprint },
      ...{ status: 'completed', startedAt: after(0), finishedAt: after(9), events: 6, file: 'runs-2026-02.ndjson.gz' },
    };
    const alone = folded(stub);
    expect(folded(started(), entered('a'), stub)).toEqual(alone);
    expect(alone).toMatchObject({ status: 'completed', revision: 6, finishedAt: after(9), archived: stub });
    expect([...alone.steps]).toEqual([]);
  });

  it('of a skipped step has no attempt, and the input of the run', () => {
    const { node, name, kind, parent, slot } = entered('a');
    const skipped: RunEvent = { type: 'StepSkipped', step: 'a', node, name, kind, parent, slot };
    expect(folded(started({ fromStep: 'p' }), skipped).steps.get('a')).toMatchObject({
      ...{ status: 'skipped', request: null, attempts: [], enteredAt: after(1), finishedAt: after(1) },
      input: { ...RUN_INPUT, text: json({ order: 7 }) },
    });
  });
});

describe('the two folds of any accepted history', () => {
  it('say the same of the run and of its steps, and histories fold in parts as at once', () => {
    let compared = 0;
    const story = fc.tuple(plans, happeningsArbitrary(), fc.double({ min: 0, max: 1, noNaN: true }));
    const holds = fc.property(story, ([subject, happenings, cut]) => {
      const world = new SimulatedWorld(subject);
      world.start();
      for (const happening of happenings) world.happen(happening);
      world.finish();
      const { history: recorded } = world;
      const place = Math.floor(cut * recorded.length);
      let run: RunState | null = null;
      let history: HistoryState | null = null;
      const parts: (HistoryState | null)[] = [];
      recorded.forEach(({ event, at }, index) => {
        run = evolve(run, event, at);
        history = foldHistory(history, event, at);
        compared += expectAlike(run!, history!);
        if (index === place || index === recorded.length - 1) parts.push(structuredClone(history));
      });
      const whole = parts.at(-1)!;
      const again = recorded
        .slice(place + 1)
        .reduce<HistoryState | null>((part, { event, at }) => foldHistory(part, event, at), parts[0] ?? null);
      expect(isDeepStrictEqual(structuredClone(again), whole)).toBe(true);
    });
    fc.assert(holds, { numRuns: 500 });
    expect(compared).toBeGreaterThan(2_000);
  }, 60_000);
});

/** Compares what both have; a step that is over the deciding fold may have forgotten. Gives how many steps it compared. */
const expectAlike = (run: RunState, history: RunHistory): number => {
  const { status, reason, error, finishedAt, revision, startedAt } = run;
  expect(history).toMatchObject({ status, reason, error, finishedAt, revision, startedAt });
  expect(history.output?.text ?? null).toBe(run.output);
  for (const ofRun of run.steps.values()) {
    const shown = history.steps.get(ofRun.key);
    expect([ofRun.key, shown?.status, shown?.retryAt, shown?.input.text]).toEqual([
      ofRun.key,
      ofRun.status,
      ofRun.retryAt,
      ofRun.input,
    ]);
    const attempts = ofRun.attempts.map(({ boot: _boot, interrupted: _interrupted, ...attempt }) => attempt);
    expect(shown?.attempts.map(({ body: _body, ...attempt }) => attempt)).toEqual(attempts);
  }
  const inTrees = [...belowAll(history.children)];
  expect(inTrees.map(({ key }) => key).sort()).toEqual([...history.steps.keys()].sort());
  return run.steps.size;
};

function* belowAll(steps: readonly HistoryStep[]): Generator<HistoryStep> {
  for (const inner of steps) {
    yield inner;
    yield* belowAll(inner.children);
  }
}
