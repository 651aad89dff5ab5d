import fc from 'fast-check';
import { DEFAULT_RUN_LIMITS, type FailAttempt, type IsUnsent, type RunCommand } from '../commands.js';
import type { RunLimits, StartRun } from '../commands.js';
import { decide, type Decision } from '../decide.js';
import { FAILURE_CLASSES, type RunEvent, type StepKey } from '../events.js';
import { dueRetries } from '../dues.js';
import { evolve } from '../evolve.js';
import type { RunState } from '../run-state.js';
import { toInstant } from '../instant.js';
import { obligations, type Obligations } from '../obligations.js';
import type { Plan } from '../plan.js';
import { ANY } from '../precondition.js';
import { openSteps } from '../open-steps.js';
import { isEnded, isStepEnded } from '../run.js';
import { isBelow } from '../step-key.js';
import { duesOf, faultOf } from './dues-facts.js';
import { HistoryChecker } from './history-checker.js';
import { startRun, T0 } from './run-facts.js';
import { json } from './tree-plans.js';

/** One thing that happens around a run. `pick` chooses which step or attempt it happens to; `chance` is in [0, 1). */
export type Happening = { readonly kind: Kind; readonly pick: number; readonly ms: number; readonly chance: number };

/** How often each happens; what ends histories early is rare. */
const WEIGHTS = {
  advance: 12,
  settle: 30,
  attempt: 40,
  answer: 25,
  refuse: 2,
  break: 12,
  interrupt: 5,
  restart: 3,
  wait: 12,
  wake: 6,
  cancel: 1,
  'start-again': 4,
  'start-other': 4,
  'note-duplicates': 5,
  'deliver-again': 6,
};
type Kind = keyof typeof WEIGHTS;
const KINDS = Object.keys(WEIGHTS) as readonly Kind[];

/** What may happen, in any order; attempts that are owed but never granted are capacity withheld. */
export const happeningsArbitrary = (...without: readonly Kind[]): fc.Arbitrary<readonly Happening[]> =>
  fc.array(
    fc.record({
      kind: fc.oneof(
        ...KINDS.filter((kind) => !without.includes(kind)).map((kind) => ({
          weight: WEIGHTS[kind],
          arbitrary: fc.constant(kind),
        })),
      ),
      pick: fc.nat(1_000),
      ms: fc.oneof({ weight: 5, arbitrary: fc.nat(1_000) }, { weight: 1, arbitrary: fc.nat(70_000) }),
      chance: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    }),
    { maxLength: 80, size: 'max' },
  );

/** What a step answers when the world is fair: its output, or the name of an error that no retry mends. */
export type Verdict = (step: StepKey) => { readonly output: unknown } | { readonly error: string };
export const ALL_WELL: Verdict = (step) => ({ output: { by: step } });

const EVENTS_MAX = 256;
const ROUNDS_MAX = 2_000;
const ERRORS = ['HTTP.503', 'HTTP.500', 'Stepwell.Timeout', 'CardDeclined'] as const;

/**
 * A run, its owner, its callers and its application, in one thread and on one clock. After every event the history is
 * checked and the obligations kept are compared with recomputed ones; after every decision, that something is owed, and
 * that the same command delivered again changes nothing. A breach throws a sentence.
 */
export class SimulatedWorld {
  readonly history: { readonly event: RunEvent; readonly at: string }[] = [];
  readonly rejections: string[] = [];
  run: RunState | null = null;
  private atMs = T0;
  private boot = 1;
  private readonly delivered: RunCommand[] = [];
  private readonly checker: HistoryChecker;

  private readonly limits: RunLimits;

  constructor(
    private readonly plan: Plan,
    private readonly verdict: Verdict = ALL_WELL,
    limits: Partial<RunLimits> = {},
  ) {
    this.limits = { ...DEFAULT_RUN_LIMITS, ...limits };
    this.checker = new HistoryChecker(plan, this.limits);
  }

  start(fields: Partial<StartRun> = {}): void {
    this.deliver(startRun(fields));
  }

  happen({ kind, pick, ms, chance }: Happening): void {
    const step = pickOf([...this.current.obligations.inFlight.keys()], pick);
    const attempt = this.current.steps.get(step ?? '')?.attempts.at(-1)?.number ?? 0;
    switch (kind) {
      case 'advance':
        return void this.deliver(this.advance(pick));
      case 'settle':
        return this.repeat(() => this.advance(pick));
      case 'attempt': {
        const owed = pickOf([...readySteps(this.current), ...this.retries()], pick);
        return owed === undefined ? undefined : this.startAttempt(owed);
      }
      case 'answer':
        return step === undefined ? undefined : this.answer(step, attempt, chance);
      case 'refuse':
        return step === undefined
          ? undefined
          : this.fail(step, attempt, { retryable: false, class: 'refused', jitter: chance });
      case 'break': {
        const error = { name: pickOf(ERRORS, pick) ?? '', cause: null };
        const retryAfterMs = pick % 3 === 0 ? ms * 10 : null;
        const fields = { class: pickOf(FAILURE_CLASSES, pick) ?? 'refused', error, retryAfterMs, jitter: chance };
        return step === undefined ? undefined : this.fail(step, attempt, fields);
      }
      case 'interrupt':
        return step === undefined
          ? undefined
          : void this.deliver({
              type: 'InterruptAttempt',
              step,
              attempt,
              class: pickOf(FAILURE_CLASSES, pick) ?? 'refused',
            });
      case 'restart':
        this.boot += 1;
        return this.repeat(() => ({ type: 'LoseAttempts', boot: `boot-${this.boot}` }));
      case 'wait':
        this.atMs += ms;
        return;
      case 'wake':
        return this.repeat(() => ({ type: 'WakeUp' }));
      case 'cancel':
        return void this.deliver({ type: 'CancelRun', reason: pick % 2 === 0 ? 'asked for' : null, precondition: ANY });
      case 'start-again':
        return void this.deliver(startRun({ fromStep: this.current.started.fromStep }));
      case 'start-other':
        return void this.deliver(startRun({ fingerprint: 'f2' }));
      case 'note-duplicates':
        return void this.deliver({
          type: 'NoteDuplicateStarts',
          count: pick % 3,
          refused: pick % 2,
          last: false,
        });
      case 'deliver-again': {
        const command = pickOf(this.delivered, pick);
        return command === undefined ? undefined : this.deliverLate(command);
      }
    }
  }

  /** A world that grants every attempt, answers by the verdict, and sleeps only when nothing else is owed. */
  finish(): void {
    for (let round = 0; round < ROUNDS_MAX && !isEnded(this.current); round++) {
      this.repeat(() => ({ type: 'WakeUp' }));
      this.repeat(() => this.advance(round));
      const { obligations: owed } = this.current;
      const startable = [...readySteps(this.current), ...dueRetries(owed.dues, this.atMs)];
      for (const step of startable) this.startAttempt(step);
      for (const step of [...this.current.obligations.inFlight.keys()]) {
        this.answer(step, this.current.steps.get(step)?.attempts.at(-1)?.number ?? 0, 0.5);
      }
      if (startable.length === 0 && this.current.obligations.moves.size === 0) this.sleepUntilOwed();
    }
    if (!isEnded(this.current)) throw new Error(`a fair world did not end the run in ${ROUNDS_MAX} rounds`);
  }

  private get current(): RunState {
    if (this.run === null) throw new Error('the run is not started');
    return this.run;
  }

  private retries(): StepKey[] {
    const dues = [...this.current.obligations.dues.byKey.values()];
    return dues.filter(({ kind }) => kind === 'retry').map(({ step }) => step);
  }

  private sleepUntilOwed(): void {
    const { dues, inFlight } = this.current.obligations;
    if (isEnded(this.current) || inFlight.size > 0) return;
    const awaited = [...dues.byKey.values()].filter(({ kind }) => kind === 'retry' || kind === 'step');
    const next = Math.min(...awaited.map(({ atMs }) => atMs));
    if (next === Infinity) throw new Error('an open run owes nothing and waits for nothing');
    this.atMs = Math.max(this.atMs, next);
  }

  private startAttempt(step: StepKey): void {
    if (this.current.steps.get(step)?.finishedAt !== null) return;
    this.deliver({ type: 'StartAttempt', step, grant: { dispatcher: 'd-1', boot: `boot-${this.boot}` } });
  }

  private answer(step: StepKey, attempt: number, jitter: number): void {
    const verdict = this.verdict(step);
    if ('error' in verdict) {
      const error = { name: verdict.error, cause: null };
      return this.fail(step, attempt, { retryable: false, class: 'refused', error, jitter });
    }
    this.deliver({ type: 'CompleteAttempt', step, attempt, status: 200, output: json(verdict.output) });
  }

  private fail(step: StepKey, attempt: number, fields: Partial<FailAttempt>): void {
    const error = { name: 'HTTP.404', cause: null };
    this.deliver({
      type: 'FailAttempt',
      step,
      attempt,
      class: 'may-have-executed',
      retryable: true,
      status: null,
      error,
      body: null,
      retryAfterMs: null,
      jitter: 0,
      ...fields,
    });
  }

  /** As an owner repeats what is about whatever is owed: until it makes nothing more. */
  private repeat(order: () => RunCommand): void {
    for (let round = 0; round < ROUNDS_MAX; round++) if (this.deliver(order()) === 0) return;
    throw new Error(`${order().type} never comes to an end`);
  }

  /** Scopes move in any order. */
  private advance(pick: number): RunCommand {
    return { type: 'Advance', scope: pickOf([...this.current.obligations.moves], pick) ?? '' };
  }

  private deliver(command: RunCommand): number {
    const decision = this.decideTwice(command);
    if (!decision.accepted) {
      this.rejections.push(codeOf(decision));
      return 0;
    }
    this.require(decision.events.length <= EVENTS_MAX, `${command.type} made ${decision.events.length} events`);
    const wasEnded = this.run !== null && isEnded(this.run);
    for (const event of decision.events) this.record(event);
    this.require(
      !wasEnded || decision.events.every((event) => event.type === 'DuplicateStartsSeen'),
      `${command.type} was accepted after the end`,
    );
    const { moves, ready, inFlight } = this.current.obligations;
    const owed = moves.size + ready.size + this.retries().length + inFlight.size;
    this.require(isEnded(this.current) === (owed === 0), `after ${command.type} ${owed} things are owed`);
    if (command.type === 'Advance' || command.type === 'WakeUp') return decision.events.length;
    this.deliverLate(command);
    if (command.type !== 'StartAttempt') this.delivered.push(command);
    return decision.events.length;
  }

  /** A command that came before changes nothing when it comes again, now or later. */
  private deliverLate(command: RunCommand): void {
    if (command.type === 'NoteDuplicateStarts' && this.delivered.includes(command)) return;
    const decision = this.decideTwice(command);
    const changes = decision.accepted && decision.events.length > 0;
    this.require(!changes || this.isNewsOf(command), `${command.type} delivered again changed the run`);
    if (!decision.accepted) this.rejections.push(codeOf(decision));
  }

  /** A boot that is not ours any more loses what the present one started: the owner's own, never a late delivery. */
  private isNewsOf(command: RunCommand): boolean {
    return command.type === 'LoseAttempts' && command.boot !== `boot-${this.boot}`;
  }

  private decideTwice(command: RunCommand): Decision {
    const isUnsent: IsUnsent = (step, attempt) => (step.length + attempt) % 2 === 0;
    const context = { plan: this.plan, atMs: this.atMs, limits: this.limits, isUnsent };
    const decision = decide(command, this.run, context);
    const again = JSON.stringify(decide(command, this.run, context));
    this.require(JSON.stringify(decision) === again, `${command.type} was decided in two ways`);
    return decision;
  }

  private record(event: RunEvent): void {
    this.checker.record(event, this.atMs);
    const at = toInstant(this.atMs);
    this.history.push({ event, at });
    this.run = evolve(this.run, event, at);
    const difference = differenceOf(this.current.obligations, obligations(this.current));
    this.require(difference === null, `after ${event.type} the kept ${difference} are not the recomputed ones`);
    const { steps } = this.current;
    const open = isEnded(this.current) ? [] : [...steps.values()].filter((step) => !isStepEnded(step));
    for (const below of isEnded(this.current) ? [] : [null, ...open.map(({ key }) => key)]) {
      const found = [...openSteps(this.current, below)].map(({ key }) => key);
      const there = open.map(({ key }) => key).filter((key) => isBelow(key, below));
      this.require(
        isSame(new Set(found), new Set(there)),
        `after ${event.type} ${found} are found open below ${below}`,
      );
    }
  }

  private require(holds: boolean, breach: string): void {
    if (!holds) throw new Error(`${breach}\n${this.history.map(({ event }) => JSON.stringify(event)).join('\n')}`);
  }
}

const pickOf = <T>(from: readonly T[], pick: number): T | undefined => from[pick % Math.max(1, from.length)];

const readySteps = ({ obligations: { ready } }: RunState): string[] => [...ready.values()].flatMap((keys) => [...keys]);

const isSame = (a: ReadonlySet<string>, b: ReadonlySet<string>): boolean =>
  a.size === b.size && [...a].every((key) => b.has(key));

/** The first kind of obligation that differs, or `null`. */
const differenceOf = (kept: Obligations, recomputed: Obligations): string | null => {
  if (!isSame(kept.moves, recomputed.moves)) return 'moves';
  if (kept.ready.size !== recomputed.ready.size) return 'ready';
  for (const [url, keys] of kept.ready) if (!isSame(keys, recomputed.ready.get(url) ?? new Set())) return 'ready';
  const { inFlight } = kept;
  if (inFlight.size !== recomputed.inFlight.size) return 'inFlight';
  for (const [key, boot] of inFlight) if (recomputed.inFlight.get(key) !== boot) return 'inFlight';
  const ours = duesOf(kept.dues);
  return `${ours}` === `${duesOf(recomputed.dues)}` ? faultOf(kept.dues) : `dues (${ours})`;
};

const codeOf = (decision: Decision & { readonly accepted: false }): string =>
  'needs' in decision ? 'needs' : decision.rejection.code;
