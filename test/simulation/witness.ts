import type { StepKey } from '#domain';
import type { CancelReply, LoadedRun, RunId, StartReply } from '#engine';
import { nameOf, type Ledger } from './ledger.js';

/** A request as the application got it. */
export type Received = {
  readonly runId: RunId;
  readonly step: StepKey;
  readonly attempt: number;
  readonly key: string;
  /** Which process has sent it; `null` where it came over a socket. */
  readonly sender: string | null;
};

/** How much of a run the log had when something was asked. */
export type Asked = { readonly runId: RunId; readonly events: number };

/** What a run is shown as. Kept of it at once: it is the product's, and changes. */
type Shown = { readonly revision: number; readonly status: string };
const shownOf = ({ run, revision }: LoadedRun): Shown => ({ revision, status: run.status });

/**
 * Sees what leaves the product, each request and each reply, and holds it against what the log says at that very moment: what
 * is true only later was not true when it was said.
 */
export class Witness {
  requests = 0;
  private readonly received = new Set<string>();
  private readonly keys = new Map<string, string>();
  private readonly keyOf = new Map<string, string>();
  private readonly answers = new Map<string, string>();
  private readonly startedOnce = new Set<RunId>();

  constructor(
    private readonly ledger: Ledger,
    private readonly say: {
      /** Something is wrong. */
      readonly broken: (what: string) => void;
      readonly note: (line: string) => void;
    },
  ) {}

  ask(runId: RunId): Asked {
    return { runId, events: this.ledger.of(runId).length };
  }

  /** A request has come to the application. */
  receive({ runId, step, attempt, key, sender }: Received): void {
    this.requests += 1;
    const name = nameOf(runId, step, attempt);
    this.say.note(`request ${name}`);
    if (this.ledger.starterOf(runId, step, attempt) === null)
      this.say.broken(`${name} was sent, and its start was not in the log when it came`);
    const starter = this.ledger.starterOf(runId, step, attempt);
    if (sender !== null && starter !== null && sender !== starter)
      this.say.broken(`${name} was sent by ${sender}, and ${starter} has started it`);
    if (this.received.has(name)) this.say.broken(`${name} was sent twice`);
    this.received.add(name);
    const place = `${runId} ${step}`;
    if ((this.keyOf.get(place) ?? key) !== key) this.say.broken(`${place} was sent with two idempotency keys`);
    if ((this.keys.get(key) ?? place) !== place)
      this.say.broken(`${place} has the idempotency key of ${this.keys.get(key)}`);
    this.keyOf.set(place, key);
    this.keys.set(key, place);
  }

  /** A process begins to send a request: whoever owns the shard by then has it, and nobody else. */
  send(runId: RunId, sender: string, owner: string | null): void {
    if (owner !== sender) this.say.broken(`${sender} has sent a request of ${runId} while ${owner} owned the shard`);
  }

  /** The application gives this attempt an answer; whether it arrives is another matter. */
  answer(runId: RunId, step: StepKey, attempt: number, status: number, body: string): void {
    this.answers.set(nameOf(runId, step, attempt), `${status} ${body}`);
  }

  /** What the application gave the attempt as its answer, or `null` when it gave none. */
  answerTo(runId: RunId, step: StepKey, attempt: number): string | null {
    return this.answers.get(nameOf(runId, step, attempt)) ?? null;
  }

  wasReceived(runId: RunId, step: StepKey, attempt: number): boolean {
    return this.received.has(nameOf(runId, step, attempt));
  }

  /** `fingerprint`: of what was asked for. */
  started({ runId }: Asked, fingerprint: string, reply: StartReply): void {
    const first = this.ledger.of(runId)[0];
    const logged = first?.event.type === 'RunStarted' ? first.event : null;
    const told = `${runId}: a start was answered "${reply.status}"`;
    switch (reply.status) {
      case 'unavailable':
        return;
      case 'rejected':
        if (reply.rejection.code !== 'key-reused') this.say.broken(`${told}, for ${reply.rejection.code}`);
        else if (logged === null || logged.fingerprint === fingerprint)
          this.say.broken(`${told}, and the log has no other start under its key`);
        return;
      case 'started':
      case 'replayed':
        if (reply.status === 'started' && this.startedOnce.has(runId)) this.say.broken(`${told} for the second time`);
        if (reply.status === 'started') this.startedOnce.add(runId);
        if (logged === null) return this.say.broken(`${told}, and the log does not have it`);
        if (logged.fingerprint !== fingerprint || reply.started.fingerprint !== fingerprint)
          this.say.broken(`${told}, and another request has started it`);
        if (reply.startedAt !== first?.recordedAt)
          this.say.broken(`${told} as of ${reply.startedAt}, and it was ${first?.recordedAt}`);
    }
  }

  cancelled({ runId, events }: Asked, reply: CancelReply): void {
    const end = this.ledger.endOf(runId);
    const told = `${runId}: a cancel was answered "${reply.status}"`;
    switch (reply.status) {
      case 'unavailable':
        return;
      case 'cancelled':
        if (end !== 'cancelled') this.say.broken(`${told}, and by the log it is ${end ?? 'open'}`);
        return this.isEndTrue(told, shownOf(reply.loaded), events, runId);
      case 'rejected': {
        const { rejection } = reply;
        if (rejection.code === 'run-ended') {
          if (end === null || end === 'cancelled' || end !== rejection.status)
            this.say.broken(`${told}: it is ${rejection.status}; by the log it is ${end ?? 'open'}`);
        } else if (rejection.code !== 'run-not-found' || events > 0) this.say.broken(`${told}, for ${rejection.code}`);
      }
    }
  }

  /** A run was read; `loaded` is `null` when there was none. */
  loaded({ runId, events }: Asked, loaded: LoadedRun | null): void {
    if (loaded !== null) this.isTrue(`${runId}: a read`, shownOf(loaded), events, runId);
    else if (events > 0) this.say.broken(`${runId}: a read found no run, and the log had ${events} events of it`);
  }

  /** Somebody who waited for the end was told. */
  ended({ runId, events }: Asked, loaded: LoadedRun | null): void {
    if (loaded === null) return this.loaded({ runId, events }, null);
    const shown = shownOf(loaded);
    if (shown.status === 'running') this.say.broken(`${runId}: who waits for the end was told that it runs`);
    this.isEndTrue(`${runId}: the end`, shown, events, runId);
  }

  /** What has ended has ended; what is noted of it later need not be known. */
  private isEndTrue(told: string, shown: Shown, askedAt: number, runId: RunId): void {
    this.isTrue(told, shown, Math.min(askedAt, shown.revision + 1), runId);
  }

  /** What was shown is what the log says at that revision, which is no older than the question. */
  private isTrue(told: string, { revision, status }: Shown, askedAt: number, runId: RunId): void {
    const entries = this.ledger.of(runId);
    if (revision + 1 < askedAt)
      this.say.broken(`${told} showed revision ${revision}, and ${askedAt - 1} was known when it was asked`);
    if (revision + 1 > entries.length)
      this.say.broken(`${told} showed revision ${revision}, and the log has ${entries.length}`);
    const end = this.ledger.endOf(runId, revision);
    if (status !== (end ?? 'running'))
      this.say.broken(`${told} showed ${status} at ${revision}, and by the log it is ${end ?? 'running'}`);
  }
}
