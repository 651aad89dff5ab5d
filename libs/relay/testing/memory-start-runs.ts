import { canonicalJson, parseStrictJson, sha256Base32, sha256Hex } from '#runtime';
import { StartRuns, type TriggeredStart, type TriggeredStartOutcome } from '../src/start-runs.js';

type MemoryRun = { readonly fingerprint: string; readonly input: unknown };

/** Starts of one workflow `known`, kept in memory by the rules of `POST /v1/runs`: one key, one run. */
export class MemoryStartRuns extends StartRuns {
  readonly runs = new Map<string, MemoryRun>();
  /** Keys in the order in which their starts were asked for, repeats too. */
  readonly asked: string[] = [];
  /** So many of the next starts end as unavailable. */
  failures = 0;
  /** Called before each start; what it throws is what the start comes to. */
  before: (start: TriggeredStart) => Promise<void> = async () => {};

  async start(start: TriggeredStart): Promise<TriggeredStartOutcome> {
    this.asked.push(start.key);
    await this.before(start);
    if (this.failures > 0) {
      this.failures--;
      return { status: 'unavailable', cause: new Error('the log is away') };
    }
    const parsed = parseStrictJson(start.body);
    if (parsed.status === 'refused') return { status: 'refused', code: parsed.fault.code, detail: parsed.fault.detail };
    // Bodies of tests are objects.
    const { workflow, input = null } = parsed.value as { workflow?: unknown; input?: unknown };
    if (workflow !== 'known')
      return { status: 'refused', code: 'workflow-not-found', detail: `no ${String(workflow)}` };
    const fingerprint = sha256Hex(canonicalJson(parsed.value));
    const known = this.runs.get(start.key);
    const id = sha256Base32(`trigger\n${start.key}`, 128);
    if (known === undefined) {
      this.runs.set(start.key, { fingerprint, input });
      return { status: 'started', id };
    }
    if (known.fingerprint === fingerprint) return { status: 'replayed', id };
    return { status: 'refused', code: 'idempotency-key-reused', detail: 'another payload' };
  }
}
