import { constantOf } from './plan-outcome.js';
import type { RunLimits } from '../commands.js';
import type { RunEvent, StepCancelled, StepCompleted, StepEntered, StepFailed, StepKey } from '../events.js';
import { toMs } from '../instant.js';
import type { PayloadRef } from '../payload.js';
import { AuditedPayloads } from './audited-payloads.js';
import type { NodeId, Plan, PlanNode, StepNode } from '../plan.js';
import type { RetryPolicy } from '../retry-policy.js';
import { BoundsOfRun } from './bounds-of-run.js';
import { inFlightOf, isThrough, openBelow, scopeName, type Track } from './history-track.js';

/**
 * Says what a well-formed history is, without `decide` and `evolve`: it reads events and the plan only, and throws a
 * sentence at the first event that may not stand where it stands.
 */
export class HistoryChecker {
  private readonly steps = new Map<StepKey, Track>();
  /** The step last entered in each scope. */
  private readonly last = new Map<string, Track>();
  private readonly entries = new Map<StepKey, number>();
  private readonly payloads = new AuditedPayloads();
  private previous: RunEvent | null = null;
  private revision = -1;
  private atMs = 0;
  private input = '';
  private fromStep: StepKey | null = null;
  private timeoutAtMs = Infinity;
  private notedAtMs = -Infinity;
  private ended = false;

  constructor(
    private readonly plan: Plan,
    private readonly limits: RunLimits,
    private readonly bounds = new BoundsOfRun(limits),
  ) {}

  get isEnded(): boolean {
    return this.ended;
  }

  /** The next event of the run, recorded at this time. */
  record(event: RunEvent, atMs: number): void {
    this.revision += 1;
    this.atMs = atMs;
    const { previous } = this;
    this.require((this.revision === 0) === (event.type === 'RunStarted'), event, 'a run starts once, first');
    this.require(!this.ended || event.type === 'DuplicateStartsSeen', event, 'the run has ended');
    if (previous !== null) this.follows(previous, event);
    this.apply(event, atMs);
    this.bounds.record(event);
    this.previous = event;
  }

  /** What must come next after some events, in the same append. */
  private follows(previous: RunEvent, event: RunEvent): void {
    const step = 'step' in event ? event.step : null;
    if (previous.type === 'AttemptSucceeded')
      this.require(event.type === 'StepCompleted' && step === previous.step, event, 'the answer completes its step');
    if (previous.type === 'AttemptFailed' && previous.retryAt === null && !previous.interrupted)
      this.require(event.type === 'StepFailed' && step === previous.step, event, 'the last failure fails its step');
    if (previous.type === 'StepCancelled') {
      const ends = event.type === 'RunCancelled' || event.type === 'RunTimedOut' || event.type === 'RunFailed';
      const closes = event.type === 'StepFailed' && previous.below === event.step;
      this.require(
        previous.below === null ? ends : closes,
        event,
        'what cancels steps ends the container above them, or the run',
      );
    }
  }

  private apply(event: RunEvent, atMs: number): void {
    switch (event.type) {
      case 'RunStarted':
        this.input = event.input;
        this.fromStep = event.fromStep;
        this.timeoutAtMs = event.timeoutAt === null ? Infinity : toMs(event.timeoutAt);
        this.payloads.store(0, 'input', event.input);
        this.payloads.store(0, 'variables', event.variables);
        return;
      case 'DuplicateStartsSeen':
        this.require(event.count + event.refused > 0 && atMs >= this.notedAtMs + 60_000, event, 'once a minute');
        this.notedAtMs = atMs;
        return;
      case 'RunCompleted': {
        const root = this.last.get('');
        this.require(root !== undefined && isThrough(root), event, 'the token of the root came to its end');
        this.require(event.mapped === this.plan.output, event, 'what the definition says, or nothing');
        return this.endRun(event, this.text(event, event.output) === root?.output);
      }
      case 'RunFailed': {
        const root = this.last.get('');
        const { name } = event.error;
        const full = this.bounds.isReached(name) || this.steps.get(event.step)?.error === 'Stepwell.RunTooLarge';
        const ofRoot = root?.status === 'failed' && root.key === event.step && root.error === name;
        return this.endRun(event, full || ofRoot);
      }
      case 'RunCancelled':
        return this.endRun(event, true);
      case 'RunArchived':
        return this.require(false, event, 'no decision archives a run');
      case 'RunTimedOut':
        return this.endRun(event, atMs >= this.timeoutAtMs);
      case 'DuesMoved':
        // The clock was set back: what is due is due by that one from now on.
        for (const { step, retryAt } of event.retries) this.open(event, step).retryAtMs = toMs(retryAt);
        for (const { step, deadlineAt } of event.deadlines) this.open(event, step).deadlineMs = toMs(deadlineAt);
        if (event.timeoutAt !== null) this.timeoutAtMs = toMs(event.timeoutAt);
        return;
      case 'StepEntered':
        return this.enter(event);
      case 'StepSkipped': {
        const container = this.container(event, event.parent);
        const scope = container?.node.type === 'parallel' ? container.node.branches[event.slot ?? -1] : undefined;
        const onTheWay = container !== null && this.fromStep?.startsWith(`${container.key}.`) === true;
        this.require(onTheWay && scope !== undefined, event, 'only branches beside the way to fromStep are skipped');
        this.require(this.plan.scopes[scope ?? 0]?.entry === event.node, event, 'the first step of its branch');
        this.require(this.nodeOnTheWay(scope ?? 0, container) === null, event, 'the way to fromStep leads elsewhere');
        return this.place(event, { ...event, deadlineAt: null, retriesEndAt: null, input: 'null' }).status === 'open'
          ? this.close(event, event.step, 'skipped')
          : undefined;
      }
      case 'StepCompleted':
        return this.complete(event);
      case 'StepFailed':
        return this.fail(event, atMs);
      case 'StepCancelled':
        return this.cancel(event);
      case 'AttemptStarted': {
        const track = this.open(event, event.step);
        const retry = this.retryOf(this.stepNode(event, track));
        this.require(!track.attemptOpen && event.attempt === track.attempts + 1, event, 'one at a time, from 1 up');
        this.require(track.attempts < this.limits.attemptsMax, event, 'within the limit of attempts');
        this.require(!this.bounds.isFull(), event, 'within the limits of a run');
        this.require(atMs >= track.retryAtMs, event, 'not before it is due');
        this.require(atMs < (track.deadlineMs ?? Infinity), event, 'not past the deadline');
        this.require(track.spent < retry.maxAttempts, event, 'within its budget');
        const total = track.attempts === 0 ? null : retry.totalTimeoutMs;
        this.require(atMs < track.enteredMs + (total ?? Infinity), event, 'no further attempt past totalTimeoutMs');
        track.attempts += 1;
        track.attemptOpen = true;
        // It was waited for: were the clock set back now, that is over.
        track.retryAtMs = -Infinity;
        return;
      }
      case 'AttemptSucceeded':
        this.payloads.store(this.revision, 'output', event.output);
        return void this.answer(event, event.step, event.attempt);
      case 'AttemptFailed': {
        const track = this.answer(event, event.step, event.attempt);
        if (!event.interrupted) track.spent += 1;
        if (event.retryAt === null) return;
        track.retryAtMs = toMs(event.retryAt);
        this.require(track.retryAtMs >= atMs, event, 'retries come later');
        const { honourRetryAfter, retryAfterMaxMs, ...retry } = this.retryOf(this.stepNode(event, track));
        const waitMs = Math.max(retry.maxIntervalMs, honourRetryAfter ? retryAfterMaxMs : 0, ...(retry.schedule ?? []));
        this.require(!event.interrupted, event, 'an interrupted attempt waits for nothing');
        this.require(track.retryAtMs - atMs <= waitMs, event, 'no wait is longer than the policy allows');
        this.require(track.retryAtMs < (track.deadlineMs ?? Infinity), event, 'no retry waits past the deadline');
        this.require(!retry.doNotRetryOn.includes(event.error.name), event, 'no retry of what is not to be retried');
        return;
      }
      case 'AttemptOutcomeUnknown':
        return void this.answer(event, event.step, event.attempt);
    }
  }

  private enter(event: StepEntered): void {
    this.require(!this.bounds.isFull('a step'), event, 'within the limits of a run');
    const container = this.container(event, event.parent);
    const node = this.plan.nodes[event.node];
    const scope = node?.scope ?? -1;
    const before = this.last.get(scopeName(event));
    const way = this.nodeOnTheWay(scope, container);
    const expected = before === undefined ? (way ?? this.plan.scopes[scope]?.entry) : before.node.next;
    this.require(expected === event.node, event, 'the scope’s first node, or the next one');
    this.require(before === undefined || before.status === 'completed', event, 'the step before it completed');
    this.require(before === undefined || !before.succeeds, event, 'the branch was not ended by succeed');
    const flowing = before?.output ?? container?.input ?? this.input;
    const constant = 'value' in event.input;
    if (constant) this.payloads.store(this.revision, 'input', event.input.value);
    const input = constant ? event.input.value : this.text(event, event.input);
    const given = constantOf(node?.input ?? null);
    this.require(constant === (given !== null), event, 'a constant exactly when the plan has one');
    this.require(input === (given ?? flowing), event, 'is given the constant, or what flows in');
    const count = node?.type === 'parallel' ? node.branches.length : node?.type === 'sequence' ? 1 : null;
    this.require((event.slots?.count ?? null) === count, event, 'as many slots as the plan has');
    this.place(event, { ...event, input });
  }

  private place(
    event: RunEvent,
    entry: Omit<StepEntered, 'type' | 'input' | 'slots' | 'computes' | 'request' | 'policy'> & { input: string },
  ): Track {
    const node = this.plan.nodes[entry.node];
    const container = this.container(event, entry.parent);
    const first = container === null ? entry.name : `${container.key}.${entry.name}`;
    const entries = (this.entries.get(first) ?? 0) + 1;
    this.entries.set(first, entries);
    const key = entries === 1 ? first : `${first}~${entries}`;
    if (node === undefined) throw new Error(`${event.type}: no such node`);
    const scope = this.plan.scopes[node.scope];
    this.require(node.name === entry.name && node.type === entry.kind, event, 'named as in the plan');
    this.require(key === entry.step && !this.steps.has(key), event, 'a new key, below its container');
    this.require(scope?.container === (container?.node.id ?? null), event, 'in the container of its node');
    this.require(scope?.slot === entry.slot, event, 'in the slot of its node');
    const track: Track = {
      key,
      node,
      parent: entry.parent,
      slot: entry.slot,
      input: entry.input,
      deadlineMs: entry.deadlineAt === null ? null : toMs(entry.deadlineAt),
      enteredMs: this.atMs,
      status: 'open',
      output: 'null',
      succeeds: false,
      error: null,
      attempts: 0,
      attemptOpen: false,
      spent: 0,
      retryAtMs: -Infinity,
    };
    this.steps.set(key, track);
    this.last.set(scopeName(entry), track);
    return track;
  }

  private complete(event: StepCompleted): void {
    const track = this.open(event, event.step);
    const { node } = track;
    if (node.type === 'step')
      this.require(this.previous?.type === 'AttemptSucceeded' && this.previous.step === track.key, event, 'answered');
    this.require(node.type !== 'fail', event, 'a fail node completes nothing');
    const raw = this.rawOutput(event, track);
    this.require(!this.isTooLarge(node, raw), event, 'within the payload limit');
    const ref = event.output;
    this.payloads.storeOutput(this.revision, event);
    const output =
      'pointer' in ref
        ? this.text(event, ref)
        : this.payload({ revision: this.revision, pointer: 'value' in ref ? '/output' : '/outputRefs' }, event);
    this.require(output === raw, event, `gave ${raw}, not ${output}`);
    this.require(event.mapped === node.output && event.as === node.as, event, 'flows on as its node says');
    track.output = event.mapped ?? output;
    track.succeeds =
      node.type === 'succeed' || (node.type === 'sequence' && this.last.get(`${track.key}#0`)?.succeeds === true);
    this.close(event, track.key, 'completed');
    this.require(event.endsSlot === (track.slot !== null && isThrough(track)), event, 'ends its slot or not');
  }

  private rawOutput(event: RunEvent, track: Track): string {
    const { node } = track;
    if (node.type === 'step') return this.payload({ revision: this.revision - 1, pointer: '/output' }, event);
    if (node.type === 'sequence') {
      const inner = this.last.get(`${track.key}#0`);
      this.require(inner !== undefined && isThrough(inner), event, 'its token came to its end');
      return inner?.output ?? '';
    }
    if (node.type !== 'parallel') return track.input;
    const outputs = node.branches.map((_, branch) => {
      const end = this.last.get(`${track.key}#${branch}`);
      const through =
        end !== undefined &&
        (isThrough(end) || end.status === 'skipped' || (end.status === 'failed' && node.onError === 'continue'));
      this.require(through, event, `branch ${branch} came to its end`);
      return end?.status === 'completed' ? end.output : 'null';
    });
    return node.reduce === 'all'
      ? `[${outputs.join(',')}]`
      : node.reduce === 'last'
        ? (outputs.at(-1) ?? 'null')
        : 'null';
  }

  private fail(event: StepFailed, atMs: number): void {
    const track = this.open(event, event.step);
    const { node } = track;
    const { name } = event.error;
    const below = [...this.steps.values()].filter((step) => step.parent === track.key);
    switch (node.type) {
      case 'step': {
        const { previous } = this;
        const justEnded =
          (previous?.type === 'AttemptFailed' && previous.retryAt === null) ||
          (previous?.type === 'AttemptOutcomeUnknown' && this.retryOf(node).onUnknown === 'fail');
        const about = previous !== null && 'step' in previous && previous.step === track.key;
        const late = track.deadlineMs !== null && atMs >= track.deadlineMs;
        const tooLate = this.retryOf(node).totalTimeoutMs !== null && track.attempts > 0;
        const spent = name === 'Stepwell.TooManyAttempts' && track.attempts >= this.limits.attemptsMax;
        const limited = spent || this.bounds.isReached(name);
        this.require((justEnded && about) || late || tooLate || limited, event, 'by its attempts or a limit');
        break;
      }
      case 'fail':
        this.require(name === node.error, event, 'with the name that the plan gives');
        break;
      case 'sequence':
        this.require(this.last.get(`${track.key}#0`)?.error === name, event, 'by the failure of what it holds');
        break;
      case 'parallel': {
        const failing =
          node.onError === 'fail-fast' && below.some((step) => step.status === 'failed' && step.error === name);
        const tooLarge = () =>
          name === 'Stepwell.PayloadTooLarge' && this.isTooLarge(node, this.rawOutput(event, track));
        this.require(failing || tooLarge(), event, 'by a branch, or by what it gathers');
        break;
      }
      default:
        this.require(false, event, `a ${node.type} never fails`);
    }
    track.error = name;
    this.close(event, track.key, 'failed');
    const container = this.container(event, track.parent)?.node;
    const goesOn = container?.type === 'parallel' && container.onError === 'continue';
    this.require(event.endsSlot === goesOn, event, 'ends its branch exactly when the parallel goes on');
  }

  private cancel(event: StepCancelled): void {
    this.container(event, event.below);
    const open = openBelow(this.steps.values(), event.below);
    this.require(open.length > 0, event, 'it cancels something');
    const said = event.attempts.map(({ step, attempt }) => `${step} ${attempt}`).sort();
    this.require(`${said}` === `${inFlightOf(open)}`, event, 'the attempts in flight below it');
    for (const track of open) {
      track.attemptOpen = false;
      this.close(event, track.key, 'cancelled');
    }
  }

  private endRun(event: RunEvent, holds: boolean): void {
    this.require(holds, event, 'the run ends as its root did');
    for (const step of this.steps.values()) this.require(step.status !== 'open', event, `${step.key} is still open`);
    this.ended = true;
  }

  private close(event: RunEvent, key: StepKey, status: Track['status']): void {
    const track = this.open(event, key);
    this.require(!track.attemptOpen, event, 'no attempt is in flight');
    track.status = status;
    for (const step of this.steps.values()) {
      const orphan = step.parent === key && step.status === 'open' && status !== 'cancelled';
      this.require(!orphan, event, `${step.key} below it is still open`);
    }
  }

  private answer(event: RunEvent, key: StepKey, attempt: number): Track {
    const track = this.open(event, key);
    this.require(track.attemptOpen && track.attempts === attempt, event, 'the attempt in flight, once');
    track.attemptOpen = false;
    return track;
  }

  private isTooLarge(node: PlanNode, raw: string): boolean {
    return node.type === 'parallel' && node.reduce === 'all' && Buffer.byteLength(raw) > this.limits.payloadMaxBytes;
  }

  /** The node of this scope that leads to `fromStep`, when the scope's container is on the way. */
  private nodeOnTheWay(scope: number, container: Track | null): NodeId | null {
    const { fromStep } = this;
    const prefix = container === null ? '' : `${container.key}.`;
    if (fromStep === null || !fromStep.startsWith(prefix)) return null;
    const name = fromStep.slice(prefix.length).split('.')[0];
    return this.plan.nodes.find((node) => node.scope === scope && node.name === name)?.id ?? null;
  }

  private open(event: RunEvent, key: StepKey): Track {
    const track = this.steps.get(key);
    if (track?.status !== 'open') throw new Error(`${event.type} at ${this.revision}: ${key} is not open`);
    return track;
  }

  private container(event: RunEvent, key: StepKey | null): Track | null {
    return key === null ? null : this.open(event, key);
  }

  private stepNode(event: RunEvent, track: Track): StepNode {
    if (track.node.type !== 'step') throw new Error(`${event.type} at ${this.revision}: ${track.key} is no step`);
    return track.node;
  }

  private retryOf({ policy }: StepNode): RetryPolicy {
    return this.plan.policies[policy]!.retry;
  }

  private text(event: RunEvent, ref: PayloadRef): string {
    this.require(ref.revision < this.revision, event, 'a reference leads back');
    return this.payload(ref, event);
  }

  private payload(ref: PayloadRef, event: RunEvent): string {
    const text = this.payloads.follow(ref);
    if (text !== undefined) return text;
    throw new Error(`${event.type} at ${this.revision}: no payload at ${ref.revision}${ref.pointer}`);
  }

  private require(holds: boolean, event: RunEvent, rule: string): void {
    if (!holds) throw new Error(`at ${this.revision}, against "${rule}": ${JSON.stringify(event)}`);
  }
}
