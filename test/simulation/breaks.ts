import { registerHooks } from 'node:module';

/** This text of a built file becomes that. */
type Edit = { readonly file: string; readonly from: string; readonly to: string };

/** A fault put into the product on purpose. */
type Break = Edit & {
  readonly name: string;
  /** Where one guard stands behind another: that one is taken away too. */
  readonly and?: Edit;
  /** What stands before it, so that this one alone is not seen from outside: it is not asked for. */
  readonly behind?: string;
};

/** What the simulation must find: a suite that passes with one of these in the product is no proof of its absence. */
export const BREAKS: readonly Break[] = [
  {
    name: 'an attempt is handed over before its start is committed',
    file: 'libs/engine/src/mailbox.js',
    from: 'engine.appends.append(this.deciding);',
    to: `if (owner !== null && batch.attempts.length > 0)
      owner.committed({ runId: this.runId, run: this.state, plan: this.plan, traceparent: null, position: this.position,
        fresh: false, attempts: batch.attempts.splice(0), abandoned: [] });
    engine.appends.append(this.deciding);`,
  },
  {
    name: 'the start of an attempt is left out of its append',
    file: 'libs/engine/src/decision-batch.js',
    from: 'stream: known.stream, expected, events,',
    to: `stream: known.stream, expected, events: events.some(({ type }) => type !== 'AttemptStarted') ? events.filter(({ type }) => type !== 'AttemptStarted') : events,`,
  },
  {
    name: 'the answer of a stale attempt is accepted',
    file: 'libs/domain/src/decide.js',
    from: `const completeAttempt = (command, run, context) => {`,
    to: `const completeAttempt = (command, run, context) => {
      const running = run.steps.get(command.step)?.attempts.at(-1);
      if (running?.outcome === 'running') command = { ...command, attempt: running.number };`,
    behind: 'attempts of lost shards and of steps that went on are cut off before, and their mailboxes closed',
  },
  {
    name: 'the mailboxes of shards that were lost stay open',
    file: 'libs/engine/src/several-writers.js',
    from: 'mailbox.close(SHARD_RELEASED);',
    to: 'void 0;',
  },
  {
    name: 'who has not beaten for long starts attempts all the same',
    file: 'libs/dispatch/src/shards/postgres/postgres-shard-ownership.js',
    from: 'return this.tables !== null && this.sinceShownMs() < this.options.times.lateMs;',
    to: 'return this.tables !== null;',
  },
  {
    name: 'a peer is taken for silent while it beats',
    file: 'libs/dispatch/src/shards/postgres/postgres-shard-ownership.js',
    from: 'silentMs: times.silentMs',
    to: 'silentMs: 1',
  },
  {
    name: 'an append of unknown outcome is taken for a conflict',
    file: 'libs/engine/src/log-appends.js',
    from: 'sending.unknown += 1;',
    to: `return this.senders.settled(sending, { status: 'conflict', actual: sending.append.expected });`,
  },
  {
    name: 'an append of unknown outcome is taken for appended',
    file: 'libs/engine/src/log-appends.js',
    from: 'sending.unknown += 1;',
    to: `return this.senders.settled(sending, { status: 'appended', revision: sending.append.expected + sending.append.events.length, position: 0 });`,
  },
  {
    name: 'what came of an attempt is not recorded again',
    file: 'libs/dispatch/src/outcomes.js',
    from: 'this.wheel.after(RECORD_AGAIN_MS, () => this.record(attempt, command));',
    to: '',
  },
  {
    name: 'another payload under the same key is replayed',
    file: 'libs/domain/src/decide.js',
    from: 'return first === command.fingerprint ? NOTHING',
    to: 'return first !== null ? NOTHING',
  },
  {
    name: 'a start that was replayed says that it has started the run',
    file: 'libs/engine/src/queued-command.js',
    from: `'replayed'`,
    to: `'started'`,
  },
  {
    name: 'a retry is made before it is due',
    file: 'libs/engine/src/decision-batch.js',
    from: 'dueRetries(dues, context.atMs)',
    to: 'dueRetries(dues, context.atMs + 60_000)',
    and: {
      file: 'libs/domain/src/decide.js',
      from: "'retry', step.key) ?? Infinity) <= atMs",
      to: "'retry', step.key) ?? Infinity) <= atMs + 60_000",
    },
  },
  {
    name: 'a cancel is answered and not appended',
    file: 'libs/domain/src/decide.js',
    from: 'return cancelRun(command.reason, run, context);',
    to: 'return NOTHING;',
  },
  {
    name: 'a conflict is taken for a commit',
    file: 'libs/engine/src/mailbox.js',
    from: 'this.guarded(() => this.conflict(deciding));',
    to: 'this.guarded(() => this.committed(batch, this.position, fresh));',
  },
  {
    name: 'what was decided before a conflict is not taken back',
    file: 'libs/engine/src/mailbox.js',
    from: 'undo?.takeBack();',
    to: '',
  },
  {
    name: 'the commands of a conflict are forgotten',
    file: 'libs/engine/src/mailbox.js',
    from: 'else this.queue.unshift(...again);',
    to: '',
  },
  {
    name: 'the slot of an answered attempt is not given back',
    file: 'libs/dispatch/src/flights.js',
    from: `flow.release(claim, epoch);`,
    to: '',
  },
  {
    name: 'slots of attempts that were not committed are not given back',
    file: 'libs/engine/src/decision-batch.js',
    from: 'owner?.refund(url, state);',
    to: 'void 0;',
  },
  {
    name: 'attempts of another boot are never closed',
    file: 'libs/engine/src/owner.js',
    from: 'return lost > 0 && owner.inherits(runId, startedAt) ? lost : 0;',
    to: 'return 0;',
  },
  {
    name: 'a take-over looks at none of the runs that are due',
    file: 'libs/dispatch/src/run-dues.js',
    from: 'this.wakeDue(shards, true)',
    to: 'Promise.resolve()',
  },
  {
    name: 'a take-over leaves out what the table does not tell',
    file: 'libs/dispatch/src/take-over.js',
    from: 'for (const commit of page) scan.note(commit);',
    to: '',
  },
  {
    name: 'the due of a run has no timer',
    file: 'libs/dispatch/src/run-dues.js',
    from: 'this.keepTimer(runId, active || timerMs < this.clock.nowMs() + HORIZON_MS ? timerMs : Infinity);',
    to: '',
  },
  {
    name: 'a request begins though its shard was lost meanwhile',
    file: 'libs/dispatch/src/shards/owned-shards.js',
    from: 'return (this.ownOf(runId)?.head ?? null) !== null && this.parts.ownership.mayStart;',
    to: 'return true;',
  },
  {
    name: 'who waits for an end does not hear of it',
    file: 'libs/engine/src/end-watch.js',
    from: 'this.watching.observe(runId, commit);',
    to: 'void 0;',
  },
  {
    name: 'a read gives what is in memory',
    file: 'libs/engine/src/mailbox.js',
    from: `if (!this.engine.isShared && (isAtRest(this) || this.phase === 'shown'))`,
    to: `if (isAtRest(this) || this.phase === 'shown')`,
  },
];

const asPattern = (text: string): RegExp =>
  new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/\s+/g, '\\s+'));

const textOf = (source: string | NodeJS.ArrayBufferView | ArrayBuffer | undefined | null): string =>
  typeof source === 'string' ? source : new TextDecoder().decode(source ?? undefined);

/** From here on the product that is loaded is broken so. Throws when it is not there to be broken. */
export const breakProduct = (name: string): void => {
  const fault = BREAKS.find((each) => each.name === name);
  if (fault === undefined) throw new Error(`there is no break "${name}"`);
  const edits = [fault, ...(fault.and === undefined ? [] : [fault.and])];
  registerHooks({
    load: (url, context, next) => {
      const loaded = next(url, context);
      let source: string | null = null;
      for (const { file, from, to } of edits) {
        if (!url.endsWith(`/dist/${file}`)) continue;
        source ??= textOf(loaded.source);
        const pattern = asPattern(from);
        if (!pattern.test(source)) throw new Error(`"${from}" is not in ${file} any more: "${name}" breaks nothing`);
        source = source.replace(pattern, () => to);
      }
      return source === null ? loaded : { ...loaded, source };
    },
  });
};
