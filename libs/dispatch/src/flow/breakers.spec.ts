import { describe, expect, it } from '@jest/globals';
import { failed, Flow } from '../testing/flow-world.js';
import { signsOf } from './breaker.js';
import type { BreakerNews } from './breakers.js';

describe('Breakers', () => {
  const downed = (): Flow => {
    const flow = new Flow();
    for (let run = 0; run < 5; run++) {
      flow.ask(String(run), flow.claim('a'));
      flow.end(String(run), 'down');
    }
    return flow;
  };

  it('opens after so many signs in a row, begins nothing of that target then, and others go on', () => {
    const flow = downed();
    expect(flow.ask('x', flow.claim('a'))).toBe(false);
    expect(flow.ask('y', flow.claim('b'))).toBe(true);
    expect(flow.control.breakers.news).toEqual([
      {
        target: 'a',
        endpoint: 'a',
        state: 'open',
        since: expect.any(String),
        until: expect.any(String),
        lastError: { name: 'HTTP.503', cause: null },
      },
    ]);
  });

  it('does not open while an answer comes now and then', () => {
    const flow = new Flow();
    for (let run = 0; run < 50; run++) {
      flow.ask(String(run), flow.claim('a'));
      flow.end(String(run), run % 5 === 4 ? 'well' : 'down');
    }
    expect(flow.control.breakers.news).toEqual([]);
  });

  const RUNS = ['r', 's', 't', 'u', 'v', 'w', 'x', 'y'];

  it('lets as many probes through as opened it when the wait is over, and all when one goes well', () => {
    const flow = downed();
    for (const run of RUNS) flow.ask(run, flow.claim('a'));
    flow.clock.pass(980);
    expect(flow.began).toHaveLength(5);
    flow.clock.pass(40);
    expect(flow.began.slice(5)).toEqual(RUNS.slice(0, 5));
    expect(flow.ask('z', flow.claim('a'))).toBe(false);
    for (const run of RUNS.slice(0, 4)) flow.end(run, 'down');
    expect(flow.began.slice(5)).toEqual(RUNS.slice(0, 5));
    expect(flow.control.breakers.news).toMatchObject([{ state: 'half-open' }]);
    flow.end('v');
    expect(flow.began.slice(5)).toEqual([...RUNS, 'z']);
    expect(flow.control.breakers.news).toEqual([]);
  });

  it('opens again when no probe went well, whatever is left of those that failed in their own way', () => {
    const flow = downed();
    for (const run of RUNS) flow.ask(run, flow.claim('a'));
    flow.clock.pass(1_020);
    flow.end('r', 'fails');
    expect(flow.began.slice(5)).toEqual(RUNS.slice(0, 6));
    for (const run of RUNS.slice(1, 5)) flow.end(run, 'down');
    expect(flow.control.breakers.news).toMatchObject([{ state: 'half-open' }]);
    flow.end('w', 'down');
    expect(flow.began.slice(5)).toEqual(RUNS.slice(0, 6));
    expect(flow.control.breakers.news).toMatchObject([{ state: 'open' }]);
  });

  it('ends soon for runs that each are refused twice, though nothing else goes there', () => {
    const flow = downed();
    const left = new Map(Array.from({ length: 16 }, (_, run) => [`f${run}`, 2]));
    for (const run of left.keys()) flow.ask(run, flow.claim('a'));
    for (let passedMs = 0; left.size > 0; passedMs += 1_000) {
      expect(passedMs).toBeLessThan(60_000);
      flow.clock.pass(1_000);
      for (const { run } of [...flow.flights]) {
        const refusals = left.get(run)!;
        flow.end(run, refusals === 0 ? 'well' : 'down');
        if (refusals === 0) left.delete(run);
        else {
          left.set(run, refusals - 1);
          flow.ask(run, flow.claim('a'));
        }
      }
    }
  });

  it('says the same instant for its end however often it is asked, and never one that has passed', () => {
    const flow = downed();
    const untilMs = () => Date.parse(flow.control.breakers.news[0]!.until!);
    const first = untilMs();
    flow.clock.pass(900);
    expect(untilMs()).toBe(first);
    // Somebody sets the wall clock a little forward, past it; the wait goes on by the other clock.
    flow.clock.jump(300);
    expect(first).toBeLessThan(flow.clock.nowMs());
    expect(untilMs()).toBeGreaterThanOrEqual(flow.clock.nowMs());
    expect(flow.control.breakers.news).toMatchObject([{ state: 'open' }]);
  });

  it.each([
    ['an endpoint', 'down', [1_000, 2_000, 4_000, 8_000, 10_000, 10_000]],
    ['an origin', 'unreached', [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]],
  ] as const)('waits twice as long when the probe fails too, up to a bound: %s', (_what, outcome, waitsMs) => {
    const flow = new Flow();
    for (let run = 0; run < 5; run++) {
      flow.ask(String(run), flow.claim('a'));
      flow.end(String(run), outcome);
    }
    flow.ask('x', flow.claim('a'));
    for (const waitMs of waitsMs) {
      flow.clock.pass(waitMs * 0.99);
      expect(flow.flights).toHaveLength(0);
      flow.clock.pass(waitMs * 0.02 + 16);
      expect(flow.flights).toHaveLength(1);
      flow.end('x', outcome);
      flow.ask('x', flow.claim('a'));
    }
  });

  it('takes no sign of an attempt that began before it opened', () => {
    const flow = new Flow();
    for (let run = 0; run < 7; run++) flow.ask(String(run), flow.claim('a'));
    for (let run = 0; run < 5; run++) flow.end(String(run), 'down');
    flow.end('5', 'well');
    expect(flow.control.breakers.news).toMatchObject([{ state: 'open' }]);
    flow.clock.pass(1_050);
    flow.end('6', 'well');
    expect(flow.control.breakers.news).toMatchObject([{ state: 'half-open' }]);
  });

  const unreached = (flow: Flow): void => {
    for (let run = 0; run < 5; run++) {
      flow.ask(`u${run}`, flow.claim('a/x'));
      flow.end(`u${run}`, 'unreached');
    }
  };

  it('holds up no neighbour of an endpoint that is down, and all of an origin that nobody can reach', () => {
    const flow = new Flow();
    for (let run = 0; run < 7; run++) if (flow.ask(`x${run}`, flow.claim('a/x'))) flow.end(`x${run}`, 'down');
    expect(flow.began).toHaveLength(5);
    expect(flow.ask('y', flow.claim('a/y'))).toBe(true);
    flow.end('y', 'well');
    expect(flow.control.breakers.news).toMatchObject([{ endpoint: 'a/x' }]);
    for (let run = 0; run < 5; run++) {
      flow.ask(`y${run}`, flow.claim('a/y'));
      flow.end(`y${run}`, 'unreached');
    }
    expect(flow.control.breakers.news).toMatchObject([{ endpoint: 'a/x' }, { target: 'a', endpoint: null }]);
    expect(flow.ask('z', flow.claim('a/z'))).toBe(false);
    expect(flow.ask('other', flow.claim('b/x'))).toBe(true);
  });

  it('probes an origin by its endpoints in turn, and lets all go on once a connection is there', async () => {
    const flow = new Flow();
    unreached(flow);
    for (const path of ['a/x', 'a/y', 'a/z']) for (const run of [1, 2]) flow.ask(`${path}${run}`, flow.claim(path));
    const probed: string[] = [];
    for (let probe = 0; probe < 3; probe++) {
      flow.clock.pass(60_000);
      probed.push(flow.began.at(-1)!);
      flow.end(flow.began.at(-1), 'unreached');
    }
    expect(probed).toEqual(['a/x1', 'a/y1', 'a/z1']);
    flow.clock.pass(60_000);
    expect(flow.began.at(-1)).toBe('a/x2');
    const probe = flow.flights[0]!;
    flow.control.reached(probe.claim, probe.epoch);
    await new Promise(setImmediate);
    expect(flow.began.slice(-2)).toEqual(['a/y2', 'a/z2']);
  });

  it('says nothing of an origin by who waited in vain for a connection that others have', () => {
    const flow = new Flow();
    flow.ask('hangs', flow.claim('a/hangs'));
    const { claim, epoch } = flow.flights[0]!;
    flow.control.reached(claim, epoch);
    unreached(flow);
    expect(flow.control.breakers.news).toEqual([]);
    flow.control.leftConnection(claim);
    unreached(flow);
    expect(flow.control.breakers.news).toMatchObject([{ target: 'a', endpoint: null }]);
  });

  it('goes on probing, no more at a time, while probes fail in their own way', () => {
    const flow = downed();
    for (const run of RUNS) flow.ask(run, flow.claim('a'));
    flow.clock.pass(1_050);
    flow.end('r', 'fails');
    expect(flow.began.slice(5)).toEqual(RUNS.slice(0, 6));
    expect(flow.control.breakers.news).toMatchObject([{ state: 'half-open', until: null }]);
  });

  it('forgets what is half-open and nobody has called for ten minutes, and not while somebody does', () => {
    const flow = downed();
    flow.clock.pass(500_000);
    flow.ask('x', flow.claim('a'));
    flow.end('x', 'fails');
    flow.clock.pass(500_000);
    expect(flow.control.breakers.counts).toEqual({ open: 0, 'half-open': 1 });
    flow.clock.pass(800_000);
    expect(flow.control.breakers.counts).toEqual({ open: 0, 'half-open': 0 });
    // As new: it takes as many signs as ever, and is left alone for as long as the first time.
    for (let run = 0; run < 4; run++) {
      flow.ask(`again${run}`, flow.claim('a'));
      flow.end(`again${run}`, 'down');
    }
    expect(flow.control.breakers.news).toEqual([]);
  });

  it('counts all that are down, and names a hundred', () => {
    const flow = new Flow();
    for (let target = 0; target < 120; target++)
      for (let run = 0; run < 5; run++) {
        flow.ask(`${target} ${run}`, flow.claim(`t${target}`));
        flow.end(`${target} ${run}`, 'down');
      }
    expect(flow.control.breakers.counts).toEqual({ open: 120, 'half-open': 0 });
    expect(flow.control.breakers.news).toHaveLength(100);
  });

  it('never says that what is overdue was to be tried in the past', () => {
    const flow = downed();
    flow.clock.jump(-3_600_000);
    const [{ until }] = flow.control.breakers.news as [BreakerNews];
    expect(Date.parse(until!) - flow.clock.nowMs()).toBeGreaterThan(0);
    expect(Date.parse(until!) - flow.clock.nowMs()).toBeLessThanOrEqual(1_000);
  });

  it('lets another probe when the first was not sent', () => {
    const flow = downed();
    flow.refusing.add('x');
    for (const run of ['x', 'y']) flow.ask(run, flow.claim('a'));
    flow.clock.pass(1_050);
    expect(flow.began.slice(5)).toEqual(['y']);
  });
});

describe('signsOf', () => {
  const NOTHING = { origin: null, endpoint: null };
  const WELL = { origin: null, endpoint: 'well' };
  const DOWN = { origin: null, endpoint: 'down' };
  const NOT_REACHED = { origin: 'down', endpoint: null };

  it.each([
    [429, 'HTTP.429', 'refused', DOWN],
    [502, 'HTTP.502', 'may-have-executed', DOWN],
    [503, 'HTTP.503', 'may-have-executed', DOWN],
    [504, 'HTTP.504', 'may-have-executed', DOWN],
    [null, 'Stepwell.Timeout', 'may-have-executed', DOWN],
    [null, 'Stepwell.ConnectionLost', 'may-have-executed', DOWN],
    [null, 'Stepwell.Timeout', 'not-executed', NOT_REACHED],
    [null, 'Stepwell.ConnectionLost', 'not-executed', NOT_REACHED],
    [null, 'Stepwell.ConnectFailed', 'not-executed', NOT_REACHED],
    [null, 'Stepwell.InvalidRequest', 'not-executed', NOTHING],
    [400, 'HTTP.400', 'refused', WELL],
    [404, 'card.declined', 'refused', WELL],
    [500, 'HTTP.500', 'may-have-executed', NOTHING],
    [501, 'HTTP.501', 'may-have-executed', NOTHING],
    [null, 'Stepwell.InvalidAnswer', 'may-have-executed', NOTHING],
  ] as const)('%s, %s, %s', (status, name, failureClass, signs) => {
    expect(signsOf(failed(status, name, failureClass))).toEqual(signs);
  });
});
