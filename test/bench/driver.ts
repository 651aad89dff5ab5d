/**
 * The load: a process of its own that keeps a number of runs going on as many raw connections, and tells its parent
 * when the measured window begins and what it saw. Cheap on purpose: it shares the box with what it measures.
 */
import { connect, type Socket } from 'node:net';

/** What a driver is asked to do: `seconds` of load after `warmSeconds`, or `count` runs in one go. */
export type DriverOrder = {
  readonly url: string;
  /** Connections take turns by these. */
  readonly bodies: readonly string[];
  readonly concurrency: number;
  readonly warmSeconds: number;
  readonly seconds: number;
  readonly count: number | null;
  /** Makes the idempotency keys of this order its own. */
  readonly keyPrefix: string;
  /** `count` only: how often to report. */
  readonly reportEvery: number;
};

export type DriverReport =
  | { readonly type: 'measuring' }
  | { readonly type: 'progress'; readonly runs: number }
  | {
      readonly type: 'measured';
      readonly runs: number;
      readonly seconds: number;
      readonly p50Ms: number;
      readonly p99Ms: number;
      readonly failures: number;
      readonly firstFailure: string | null;
    };

const FAILURES_MAX = 1000;
const FAILURE_CHARS_KEPT = 600;
/** A shared buffer serves all connections: what was read is looked at in the same turn. */
const READ_BYTES = 64 * 1024;

/** A closed loop: each connection sends its next run when the last one is answered. */
class Load {
  readonly #order: DriverOrder;
  readonly #report: (message: DriverReport) => void;
  readonly #shared = Buffer.alloc(READ_BYTES);
  readonly #sockets: Socket[] = [];
  #latenciesMs: number[] = [];
  #started = 0;
  #ended = 0;
  #failures = 0;
  #firstFailure: string | null = null;
  #measuringSinceMs: number | null = null;
  #stopping = false;

  constructor(order: DriverOrder, report: (message: DriverReport) => void) {
    this.#order = order;
    this.#report = report;
  }

  start(): void {
    const { bodies, concurrency, count, warmSeconds, seconds } = this.#order;
    if (count !== null) this.#measuringSinceMs = performance.now();
    for (let connection = 0; connection < concurrency; connection++) this.#open(bodies[connection % bodies.length]!);
    if (count !== null) return;
    setTimeout(() => {
      this.#report({ type: 'measuring' });
      this.#latenciesMs = [];
      this.#measuringSinceMs = performance.now();
      setTimeout(() => this.#finish(), seconds * 1000);
    }, warmSeconds * 1000);
  }

  #open(body: string): void {
    const { url, keyPrefix, count } = this.#order;
    const { hostname, port } = new URL(url);
    const head =
      `POST /v1/runs HTTP/1.1\r\nhost: ${hostname}:${port}\r\ncontent-type: application/json\r\nprefer: wait=60\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nidempotency-key: ${keyPrefix}-`;
    const tail = `\r\n\r\n${body}`;
    let sentAtMs = 0;
    let partial = '';
    const send = (): void => {
      if (this.#stopping || (count !== null && this.#started >= count)) return;
      this.#started++;
      sentAtMs = performance.now();
      socket.write(`${head}${String(this.#started).padStart(9, '0')}${tail}`, 'latin1');
    };
    const received = (bytes: number, buffer: Uint8Array): boolean => {
      // The buffer is the one given below.
      partial += (buffer as Buffer).toString('latin1', 0, bytes);
      if (!isWhole(partial)) return true;
      const answer = partial;
      partial = '';
      this.#answered(answer, performance.now() - sentAtMs);
      send();
      return true;
    };
    const onread = { buffer: this.#shared, callback: received };
    const socket = connect({ host: hostname, port: Number(port), noDelay: true, onread });
    socket.on('connect', send);
    socket.on('error', (fault) => {
      this.#failed(String(fault));
      this.#finish();
    });
    this.#sockets.push(socket);
  }

  #answered(answer: string, latencyMs: number): void {
    if (!answer.startsWith('HTTP/1.1 200') || !answer.includes('"status":"completed"')) this.#failed(answer);
    else if (this.#measuringSinceMs !== null) this.#latenciesMs.push(latencyMs);
    this.#ended++;
    const { count, reportEvery } = this.#order;
    if (count === null) return;
    if (this.#ended % reportEvery === 0) this.#report({ type: 'progress', runs: this.#ended });
    if (this.#ended === count) this.#finish();
  }

  #failed(reason: string): void {
    this.#failures++;
    this.#firstFailure ??= reason.slice(0, FAILURE_CHARS_KEPT);
    if (this.#failures > FAILURES_MAX) this.#finish();
  }

  #finish(): void {
    if (this.#stopping) return;
    this.#stopping = true;
    const seconds = (performance.now() - (this.#measuringSinceMs ?? 0)) / 1000;
    const sorted = Float64Array.from(this.#latenciesMs).sort();
    const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
    const figures = { runs: sorted.length, seconds, p50Ms: at(0.5), p99Ms: at(0.99) };
    this.#report({ type: 'measured', ...figures, failures: this.#failures, firstFailure: this.#firstFailure });
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** Whether a text holds a whole answer, by its length or its last chunk. */
const isWhole = (text: string): boolean => {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return false;
  const at = text.indexOf('ontent-length: ') < 0 ? text.indexOf('ontent-Length: ') : text.indexOf('ontent-length: ');
  if (at >= 0 && at < end) return text.length >= end + 4 + Number.parseInt(text.slice(at + 15, at + 25), 10);
  return text.endsWith('\r\n0\r\n\r\n');
};

const [orderText] = process.argv.slice(2);
if (orderText !== undefined && process.send !== undefined) {
  const load = new Load(JSON.parse(orderText) as DriverOrder, (message) => {
    process.send?.(message, undefined, undefined, () => {
      if (message.type === 'measured') process.disconnect();
    });
  });
  load.start();
}
