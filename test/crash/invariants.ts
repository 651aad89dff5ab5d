import type { LedgerEntry } from '../../apps/sample-app/src/ledger.js';
import { allSteps, hasEnded, type AttemptShape, type RunShape, type StepShape } from '../support/shapes.js';
import type { Field, Wish } from './client.js';
import type { Evidence } from './evidence.js';

/** One promise held against the evidence. It passes when nothing violates it and it was not empty. */
export type Verdict = {
  readonly title: string;
  /** How much it was held against. */
  readonly checked: number;
  readonly unit: string;
  readonly violations: readonly string[];
};

/** Below this, a promise was not put to the test. */
export const passes = (verdict: Verdict): boolean => verdict.violations.length === 0 && verdict.checked > 0;

/** All promises that hold for the runs of the given wishes, quiet ones or not. */
export const judge = (evidence: Evidence): readonly Verdict[] => {
  const known = knownRuns(evidence);
  return [
    everyAcknowledgedStartIsThere(evidence),
    everyRunEnded(known),
    everyRunEndedAsWritten(known),
    oneKeyOneRun(evidence),
    replaysAreTheSameBytes(evidence),
    cancelsHold(known),
    finalsStay(known),
    requestsWereRecordedFirst(evidence),
    noAttemptWasSentTwice(evidence),
    requestsWithinBounds(evidence, known),
    effectsWithinBounds(evidence, known),
    quietEffectsExactlyOne(evidence, known),
    oneOutgoingKeyAStep(evidence),
    attemptsAreWellFormed(known),
    historiesAreWellFormed(evidence),
    viewsEqualTheFold(evidence),
  ];
};

/** What everything else rests on: the application has kept its account, and clients got answers that can be. */
export const accountsAreWhole = (evidence: Evidence, field: Field): readonly Verdict[] => [
  {
    title: 'the ledger kept every request',
    checked: evidence.requests.length,
    unit: 'requests',
    violations: evidence.dropped === 0 ? [] : [`${evidence.dropped} were dropped`],
  },
  {
    title: 'every answer to a client was a fitting one',
    checked: field.wishes.length,
    unit: 'wishes',
    violations: field.complaints,
  },
];

export type KnownRun = { readonly wish: Wish; readonly run: RunShape };

export const knownRuns = (evidence: Evidence): readonly KnownRun[] =>
  evidence.wishes.flatMap((wish) =>
    [...wish.ids].flatMap((id) => {
      const run = evidence.runs.get(id);
      return run === null || run === undefined ? [] : [{ wish, run }];
    }),
  );

const verdict = <T>(
  title: string,
  unit: string,
  subjects: readonly T[],
  violation: (subject: T) => string | null,
): Verdict => ({
  title,
  unit,
  checked: subjects.length,
  violations: subjects.map(violation).filter((text) => text !== null),
});

const everyAcknowledgedStartIsThere = (evidence: Evidence): Verdict =>
  verdict(
    'every acknowledged start is there',
    'starts',
    evidence.wishes.filter((wish) => wish.acknowledged > 0),
    (wish) => {
      const lost = [...wish.ids].filter((id) => (evidence.runs.get(id) ?? null) === null);
      return lost.length === 0
        ? null
        : `${wish.key} (${wish.workload.name}) was acknowledged as ${lost.join(', ')}, which is not known`;
    },
  );

const everyRunEnded = (known: readonly KnownRun[]): Verdict =>
  verdict('every run ended', 'runs', known, ({ wish, run }) =>
    hasEnded(run) ? null : `${run.id} (${wish.workload.name}) is still ${run.status}`,
  );

const everyRunEndedAsWritten = (known: readonly KnownRun[]): Verdict =>
  verdict(
    'every run ended as its definition says',
    'runs',
    known.filter(({ run }) => run.status !== 'cancelled' && hasEnded(run)),
    ({ wish, run }) => {
      const wrong = wish.workload.wrong(run);
      return wrong === null ? null : `${run.id} (${wish.workload.name}) ${wrong}`;
    },
  );

const oneKeyOneRun = (evidence: Evidence): Verdict => {
  const byId = new Map<string, string>();
  const keysOf = (runs: readonly (RunShape | null)[]): readonly string[] =>
    runs.flatMap((run) => (run === null ? [] : [run.key]));
  return verdict('one key is one run', 'keys', evidence.wishes, (wish) => {
    if (wish.ids.size > 1) return `${wish.key} was answered with ${[...wish.ids].join(' and ')}`;
    const [id] = wish.ids;
    if (id === undefined) return `${wish.key} was never acknowledged`;
    const other = byId.get(id);
    byId.set(id, wish.key);
    if (other !== undefined) return `${id} answers for ${wish.key} and for ${other}`;
    const [key] = keysOf([evidence.runs.get(id) ?? null]);
    return key === undefined || key === wish.key ? null : `${id} has key ${key}, not ${wish.key}`;
  });
};

const replaysAreTheSameBytes = (evidence: Evidence): Verdict =>
  verdict(
    'a replay is answered with the same bytes',
    'replayed keys',
    evidence.wishes.filter((wish) => wish.replays > 0 && wish.bodies.size > 0),
    (wish) =>
      wish.bodies.size === 1
        ? null
        : `${wish.key} was answered with ${wish.bodies.size} bodies: ${[...wish.bodies].join(' | ')}`,
  );

const cancelsHold = (known: readonly KnownRun[]): Verdict =>
  verdict(
    'an acknowledged cancel holds',
    'cancels',
    known.filter(({ wish }) => wish.cancel !== 'not asked'),
    ({ wish, run }) =>
      (run.status === 'cancelled') === (wish.cancel === 'acknowledged')
        ? null
        : `cancel of ${run.id}: ${wish.cancel}, but it is ${run.status}`,
  );

const finalsStay = (known: readonly KnownRun[]): Verdict =>
  verdict(
    'a result that was answered stays',
    'results',
    known.flatMap(({ wish, run }) => wish.finals.map((final) => ({ final, run }))),
    ({ final, run }) => {
      const differing = memberDifferences(final, run);
      return differing.length === 0
        ? null
        : `${run.id} was answered as ended, and differs now in ${differing.join(', ')}`;
    },
  );

const requestsWereRecordedFirst = (evidence: Evidence): Verdict =>
  verdict('no request without its attempt in the log', 'requests', ownRequests(evidence), (request) => {
    const run = evidence.runs.get(request.runId) ?? null;
    if (run === null) return `request ${request.seq}: run ${request.runId} is not known`;
    const step = allSteps(run.steps).find(({ key }) => key === request.step);
    if (step === undefined) return `request ${request.seq}: run ${run.id} has no step ${request.step}`;
    return step.attempts.some(({ number }) => number === request.attempt)
      ? null
      : `request ${request.seq}: ${run.id} ${step.key} has no attempt ${request.attempt}`;
  });

const noAttemptWasSentTwice = (evidence: Evidence): Verdict => {
  const seen = new Map<string, LedgerEntry>();
  return verdict('an attempt is sent at most once', 'requests', ownRequests(evidence), (request) => {
    const name = `${request.runId} ${request.step} attempt ${request.attempt}`;
    const first = seen.get(name);
    seen.set(name, request);
    return first === undefined ? null : `${name} came as request ${first.seq} and again as ${request.seq}`;
  });
};

const mayHaveExecuted = (attempt: AttemptShape): boolean =>
  attempt.outcome === 'unknown' || (attempt.status === null && attempt.outcome === 'may-have-executed');

const requestsWithinBounds = (evidence: Evidence, known: readonly KnownRun[]): Verdict => {
  const byRun = Map.groupBy(evidence.requests, (request) => request.runId);
  return verdict(
    'requests a run lie between the answered attempts and those plus the uncertain',
    'runs',
    known,
    ({ run }) => {
      const attempts = allSteps(run.steps).flatMap((step) => step.attempts);
      const least = attempts.filter((attempt) => attempt.status !== null).length;
      const most = least + attempts.filter(mayHaveExecuted).length;
      const requests = byRun.get(run.id)?.length ?? 0;
      return requests >= least && requests <= most
        ? null
        : `${run.id}: ${requests} requests, not between ${least} and ${most}`;
    },
  );
};

type KnownStep = {
  readonly run: RunShape;
  readonly step: StepShape;
  readonly effects: number;
  readonly requests: number;
};

const knownSteps = (evidence: Evidence, known: readonly KnownRun[]): readonly KnownStep[] => {
  const byStep = Map.groupBy(evidence.requests, (request) => `${request.runId} ${request.step}`);
  return known.flatMap(({ run }) =>
    allSteps(run.steps)
      .filter((step) => step.type === 'step' && step.status === 'completed')
      .map((step) => {
        const requests = byStep.get(`${run.id} ${step.key}`) ?? [];
        return {
          run,
          step,
          requests: requests.length,
          effects: requests.filter(({ effect }) => effect !== 'none').length,
        };
      }),
  );
};

const effectsWithinBounds = (evidence: Evidence, known: readonly KnownRun[]): Verdict =>
  verdict(
    'effects a completed step lie between 1 and 1 + uncertain attempts',
    'steps',
    knownSteps(evidence, known),
    ({ run, step, effects }) => {
      const most =
        1 +
        step.attempts.filter((attempt) => attempt.outcome === 'unknown' || attempt.outcome === 'may-have-executed')
          .length;
      return effects >= 1 && effects <= most
        ? null
        : `${run.id} ${step.key}: ${effects} effects, not between 1 and ${most}`;
    },
  );

const quietEffectsExactlyOne = (evidence: Evidence, known: readonly KnownRun[]): Verdict => {
  const quiet = known.filter(({ wish }) => wish.quiet && !wish.workload.repeatsEffects);
  return verdict(
    'without faults and kills, exactly one effect a step and one request an attempt',
    'steps',
    knownSteps(evidence, quiet),
    ({ run, step, effects, requests }) => {
      if (effects !== 1) return `${run.id} ${step.key}: ${effects} effects`;
      if (requests !== step.attempts.length)
        return `${run.id} ${step.key}: ${requests} requests for ${step.attempts.length} attempts`;
      return step.attempts.some(({ outcome }) => outcome === 'unknown')
        ? `${run.id} ${step.key}: an attempt of unknown outcome`
        : null;
    },
  );
};

const oneOutgoingKeyAStep = (evidence: Evidence): Verdict => {
  const keyOf = new Map<string, string>();
  const stepOf = new Map<string, string>();
  return verdict('all attempts of a step bear one key of its own', 'requests', ownRequests(evidence), (request) => {
    const step = `${request.runId} ${request.step}`;
    const key = keyOf.get(step) ?? request.idempotencyKey;
    const owner = stepOf.get(request.idempotencyKey) ?? step;
    keyOf.set(step, key);
    stepOf.set(request.idempotencyKey, owner);
    if (key !== request.idempotencyKey) return `${step} was sent under ${key} and ${request.idempotencyKey}`;
    return owner === step ? null : `${request.idempotencyKey} was sent for ${owner} and ${step}`;
  });
};

const attemptsAreWellFormed = (known: readonly KnownRun[]): Verdict => {
  const steps = known.flatMap(({ run }) => (hasEnded(run) ? allSteps(run.steps).map((step) => ({ run, step })) : []));
  return verdict(
    'attempts count from 1 without a gap, and none is left open',
    'attempts',
    steps.flatMap(({ run, step }) => step.attempts.map((attempt, index) => ({ run, step, attempt, index }))),
    ({ run, step, attempt, index }) => {
      if (attempt.number !== index + 1)
        return `${run.id} ${step.key}: attempt ${attempt.number} stands at place ${index + 1}`;
      if (attempt.outcome === 'running' || attempt.endedAt === null)
        return `${run.id} ${step.key}: attempt ${attempt.number} is ${attempt.outcome} in a run that is ${run.status}`;
      const after = attempt.outcome === 'succeeded' && index !== step.attempts.length - 1;
      return after ? `${run.id} ${step.key}: an attempt after the one that succeeded` : null;
    },
  );
};

const ENDS = ['RunCompleted', 'RunFailed', 'RunCancelled', 'RunTimedOut'];

const historiesAreWellFormed = (evidence: Evidence): Verdict =>
  verdict('histories are whole, ordered, and end once', 'histories', [...evidence.histories], ([id, events]) => {
    if (events[0]?.type !== 'RunStarted') return `${id} begins with ${events[0]?.type ?? 'nothing'}`;
    const gap = events.findIndex((event, index) => event.revision !== index);
    if (gap >= 0) return `${id}: revision ${events[gap]!.revision} stands at place ${gap}`;
    const end = events.findIndex(({ type }) => ENDS.includes(type));
    const later = events.slice(end + 1).find(({ type }) => type !== 'DuplicateStartsSeen');
    if (end < 0) return `${id} has no end`;
    if (later !== undefined) return `${id}: ${later.type} after the end`;
    const started = events.filter(({ type }) => type === 'AttemptStarted').length;
    const attempts = allSteps(evidence.runs.get(id)?.steps ?? []).flatMap((step) => step.attempts).length;
    return started === attempts ? null : `${id}: ${started} attempts in the log, ${attempts} in the fold`;
  });

const viewsEqualTheFold = (evidence: Evidence): Verdict => {
  const ids = new Set([
    ...evidence.listed.keys(),
    ...[...evidence.runs].flatMap(([id, run]) => (run === null ? [] : [id])),
  ]);
  return verdict('views equal the fold', 'runs', [...ids], (id) => {
    const rows = evidence.listed.get(id) ?? [];
    const run = evidence.runs.get(id) ?? null;
    if (rows.length !== 1) return `${id} is listed ${rows.length} times`;
    if (run === null) return `${id} is listed, and nobody was told of it`;
    const differing = memberDifferences(rows[0]!, run);
    if (rows[0]!.status !== run.status || rows[0]!.finishedAt !== run.finishedAt)
      return `${id} is listed as ${rows[0]!.status}, and is ${run.status}`;
    return differing.length === 0 ? null : `${id}: the view differs in ${differing.join(', ')}`;
  });
};

/** What a repetition of a start changes, also after the end: it is counted, and the count is an event. */
const COUNTED: ReadonlySet<string> = new Set(['revision', 'duplicateStarts']);

/** The members that both have with other values, as text. */
const memberDifferences = (left: RunShape, right: RunShape): readonly string[] => {
  const others = new Map<string, unknown>(Object.entries(right));
  return Object.entries(left).flatMap(([name, value]) => {
    if (COUNTED.has(name) || !others.has(name)) return [];
    const [one, other] = [JSON.stringify(value), JSON.stringify(others.get(name))];
    return one === other ? [] : [`${name} (${one.slice(0, 80)} against ${other.slice(0, 80)})`];
  });
};

/** Requests that a run of ours made: the ledger of the sample application may know others. */
const ownRequests = (evidence: Evidence): readonly LedgerEntry[] =>
  evidence.requests.filter((request) => request.runId !== '');
