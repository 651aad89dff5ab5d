import type { RunLimits, Undo } from '#domain';
import type { EventStore } from '#event-store';
import type { Clock, Entropy, Log } from '#runtime';
import type { Coalescer } from './coalescer.js';
import type { DecisionBatch } from './decision-batch.js';
import type { EndWaiters } from './end-waiters.js';
import type { EngineCounts } from './engine-counts.js';
import type { PlanSource } from './load-run.js';
import type { Evaluator } from './evaluator.js';
import type { LogAppends, Sending } from './log-appends.js';
import type { LogRoom } from './log-room.js';
import type { Mailbox } from './mailbox.js';
import type { Owner } from './owner.js';
import type { ParkedRuns } from './parked-runs.js';
import type { RunTable } from './run-table.js';
import type { UnderWay } from './under-way.js';

/** What the mailboxes of one engine share. */
export type EngineParts = {
  readonly store: EventStore;
  readonly plans: PlanSource;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly log: Log;
  readonly limits: RunLimits;
  /** Other processes append to the same runs: no answer rests on what is in memory alone. */
  readonly isShared: boolean;
  readonly counts: EngineCounts;
  readonly room: LogRoom;
  readonly runs: RunTable;
  readonly parked: ParkedRuns;
  readonly appends: LogAppends<Deciding>;
  readonly coalescer: Coalescer;
  readonly endWaiters: EndWaiters;
  readonly underWay: UnderWay;
  /** `null`: this engine leaves every move and attempt owed. */
  owner: Owner | null;
  /** `null`: nor does it evaluate what moves need. */
  evaluator: Evaluator | null;
  /** A stop has left work behind: no run is gone on with. */
  isAbandoned: boolean;
};

/** A decision on its way into the log. */
export type Deciding = Sending & {
  readonly mailbox: Mailbox;
  readonly batch: DecisionBatch;
  /** How to make the state again what it was before the decision; `null`: it is read again. */
  readonly undo: Undo | null;
  /** What it took in memory then. */
  readonly bytes: number;
};
