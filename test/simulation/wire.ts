import type { RunId } from '#engine';
import type { Exchange, ExchangeOutcome, ExchangeRequest } from '../../libs/dispatch/src/testing/doors.js';
import type { SimulatedApplication } from './application.js';
import type { SimulatedProcess } from './simulated-process.js';

const WIRE_MS = 20;
/** Some wait for their connection. */
const SLOW_CONNECTS = 0.1;
const SLOW_CONNECT_MS = 1_000;

/** The way from a process to the application, without a socket: each request and each answer takes its time. */
export class Wire {
  constructor(
    private readonly process: SimulatedProcess,
    private readonly application: SimulatedApplication,
    private readonly sending: (runId: RunId) => void,
  ) {}

  begin(request: ExchangeRequest, mayBegin: () => boolean, settle: (outcome: ExchangeOutcome) => void): Exchange {
    const { process, application } = this;
    const exchange = new WiredExchange(settle);
    const isSlow = process.delayMs(1) < SLOW_CONNECTS;
    process.enterAfter(process.delayMs(isSlow ? SLOW_CONNECT_MS : WIRE_MS), () => {
      if (exchange.isOver) return;
      if (application.unreachable > 0) return exchange.fail('Stepwell.ConnectFailed', 'the simulated network is down');
      if (!mayBegin()) return exchange.notBegun();
      exchange.sent = true;
      this.sending(runIdOf(request));
      // What has left arrives, whatever becomes of the process.
      process.world.time.after(process.delayMs(WIRE_MS), () => this.arrive(request, exchange));
    });
    return exchange;
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }

  private arrive(request: ExchangeRequest, exchange: WiredExchange): void {
    const { process, application } = this;
    const doing = application.receive({
      runId: runIdOf(request),
      step: headerOf(request, 'stepwell-step'),
      attempt: Number(headerOf(request, 'stepwell-attempt')),
      key: headerOf(request, 'idempotency-key'),
      sender: process.name,
    });
    if (doing.does === 'hangs') return;
    if (doing.does === 'resets')
      return process.enterAfter(process.delayMs(WIRE_MS), () => exchange.fail('Stepwell.ConnectionLost', 'reset'));
    process.enterAfter(doing.afterMs + process.delayMs(WIRE_MS), () =>
      exchange.end({
        answer: {
          status: doing.status,
          contentType: 'application/json',
          contentEncoding: '',
          retryAfter: doing.retryAfter,
          body: Buffer.from(doing.body),
        },
      }),
    );
  }
}

class WiredExchange implements Exchange {
  sent = false;
  isOver = false;

  constructor(private readonly settle: (outcome: ExchangeOutcome) => void) {}

  abort(name: Parameters<Exchange['abort']>[0], cause: string): void {
    this.fail(name, cause);
  }

  fail(name: Parameters<Exchange['abort']>[0], cause: string): void {
    this.end({ fault: { name, cause, sent: this.sent, status: null } });
  }

  notBegun(): void {
    this.isOver = true;
    queueMicrotask(() => this.settle('not-begun'));
  }

  end(outcome: ExchangeOutcome): void {
    if (this.isOver) return;
    this.isOver = true;
    this.settle(outcome);
  }
}

const runIdOf = (request: ExchangeRequest): RunId => headerOf(request, 'stepwell-run-id') as RunId; // it is sent by us alone

const headerOf = ({ headers }: ExchangeRequest, name: string): string => {
  for (let at = 0; at < headers.length; at += 2) if (headers[at]?.toLowerCase() === name) return headers[at + 1] ?? '';
  return '';
};
