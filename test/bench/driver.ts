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

const MAX_FAILURES = 1000;
/** A shared buffer serves all connections: what was read is looked at in the same turn. */
const READ_BYTES = 64 * 1024;

const drive = (order: DriverOrder, report: (message: DriverReport) => void): void => {
  const { hostname, port } = new URL(order.url);
  const fixed = `POST /v1/runs HTTP/1.1\r\nhost: ${hostname}:${port}\r\ncontent-type: application/json\r\nprefer: wait=60\r\n`;
  const sockets: Socket[] = [];
  let latenciesMs: number[] = [];
  let started = 0;
  let ended = 0;
  let failures = 0;
  let firstFailure: string | null = null;
  let measuringSinceMs = order.count === null ? -1 : performance.now();
  let stopping = false;

  const finish = (): void => {
    if (stopping) return;
    stopping = true;
    const seconds = (performance.now() - measuringSinceMs) / 1000;
    const sorted = Float64Array.from(latenciesMs).sort();
    const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
    report({ type: 'measured', runs: sorted.length, seconds, p50Ms: at(0.5), p99Ms: at(0.99), failures, firstFailure });
    for (const socket of sockets) socket.destroy();
  };

  const open = (body: string): void => {
    const head = `${fixed}content-length: ${Buffer.byteLength(body)}\r\nidempotency-key: ${order.keyPrefix}-`;
    const tail = `\r\n\r\n${body}`;
    let sentAtMs = 0;
    let partial = '';
    const send = (): void => {
      if (stopping || (order.count !== null && started >= order.count)) return;
      started++;
      sentAtMs = performance.now();
      socket.write(`${head}${String(started).padStart(9, '0')}${tail}`, 'latin1');
    };
    const received = (bytes: number, buffer: Uint8Array): boolean => {
      partial += (buffer as Buffer).toString('latin1', 0, bytes);
      if (!isWhole(partial)) return true;
      const text = partial;
      partial = '';
      const nowMs = performance.now();
      if (!text.startsWith('HTTP/1.1 200') || !text.includes('"status":"completed"')) {
        failures++;
        firstFailure ??= text.slice(0, 600);
        if (failures > MAX_FAILURES) finish();
      } else if (measuringSinceMs >= 0) {
        latenciesMs.push(nowMs - sentAtMs);
      }
      ended++;
      if (order.count !== null) {
        if (ended % order.reportEvery === 0) report({ type: 'progress', runs: ended });
        if (ended === order.count) finish();
      }
      send();
      return true;
    };
    const socket = connect({
      host: hostname,
      port: Number(port),
      noDelay: true,
      onread: { buffer: shared, callback: received },
    });
    socket.on('connect', send);
    socket.on('error', (fault) => {
      failures++;
      firstFailure ??= String(fault);
      finish();
    });
    sockets.push(socket);
  };

  const shared = Buffer.alloc(READ_BYTES);
  for (let connection = 0; connection < order.concurrency; connection++)
    open(order.bodies[connection % order.bodies.length]!);
  if (order.count !== null) return;
  setTimeout(() => {
    report({ type: 'measuring' });
    latenciesMs = [];
    measuringSinceMs = performance.now();
    setTimeout(finish, order.seconds * 1000);
  }, order.warmSeconds * 1000);
};

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
  drive(JSON.parse(orderText) as DriverOrder, (message) => {
    process.send?.(message, undefined, undefined, () => {
      if (message.type === 'measured') process.disconnect();
    });
  });
}
