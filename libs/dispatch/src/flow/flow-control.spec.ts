import { describe, expect, it } from '@jest/globals';
import { Chance } from '../../../../test/support/chance.js';
import { Flow, id, limit } from '../testing/flow-world.js';
import type { Gate } from './gate.js';

const SENDER = { namespace: 'n', queue: 'q', tags: {} };

describe('FlowControl', () => {
  it('gives an origin no more than its own, and all together no more than the whole', () => {
    const flow = new Flow({ attemptsMax: 3, perOriginMax: 2 });
    const [a, b] = [flow.claim('a'), flow.claim('b')];
    expect(['1', '2', '3'].map((run) => flow.ask(run, a))).toEqual([true, true, false]);
    expect(['4', '5'].map((run) => flow.ask(run, b))).toEqual([true, false]);
    expect(flow.control.usage).toEqual({ inUse: 3, waiting: 2 });
    expect([flow.control.isWaiting(id('1')), flow.control.isWaiting(id('3'))]).toEqual([false, true]);
  });

  it('lets no origin hold more than it leaves free, so that two that never answer keep no other waiting', () => {
    const flow = new Flow();
    const held = (origin: string) =>
      Array.from({ length: 600 }, (_, run) => flow.ask(`${origin}${run}`, flow.claim(origin))).filter(Boolean).length;
    expect([held('never'), held('drips'), held('resets')]).toEqual([512, 256, 128]);
    expect(flow.ask('g', flow.claim('good'))).toBe(true);
  });

  it.each([
    [512, 448],
    [8, 7],
    [3, 2],
    [2, 1],
  ])('lets no endpoint of several have all of the %d slots of an origin, but %d', (perOriginMax, most) => {
    const flow = new Flow({ perOriginMax });
    flow.ask('first', flow.claim('a/well'));
    flow.end('first');
    const hangs = flow.claim('a/hangs');
    for (let run = 0; run < 600; run++) flow.ask(`hangs ${run}`, hangs);
    expect(hangs.endpoint.inUse).toBe(most);
    expect(flow.control.holdUpOf(id('hangs 599'), 'a/hangs', SENDER)).toMatchObject({ for: 'slots', on: 'a/hangs' });
    for (let run = 0; run < perOriginMax - most; run++)
      expect(flow.ask(`well ${run}`, flow.claim('a/well'))).toBe(true);
    expect(flow.ask('late', flow.claim('a/late'))).toBe(false);
    expect(flow.control.holdUpOf(id('late'), 'a/late', SENDER)).toMatchObject({ for: 'slots', on: 'a' });
    flow.end('well 0');
    expect(flow.began.at(-1)).toBe('late');
    flow.end('hangs 0');
    expect(flow.began.at(-1)).toBe(`hangs ${most}`);
    expect(hangs.endpoint.inUse).toBe(most);
  });

  it('counts the slots of an origin by its connections where those are fewer', () => {
    const flow = new Flow({ connectionsPerOriginMax: 128 });
    const claims = ['a/x', 'a/y'].map((endpoint) => flow.claim(endpoint));
    for (const claim of claims) for (let run = 0; run < 200; run++) flow.ask(`${claim.endpoint.id} ${run}`, claim);
    expect(claims.map(({ endpoint }) => endpoint.inUse)).toEqual([112, 112]);
  });

  it('says of who waits for a breaker what opened it last, and of who waits for a limit too that it is the breaker', () => {
    const limits = [limit('queue', 'narrow', { concurrency: 1 })];
    const flow = new Flow({ limits });
    const narrow = flow.claim('a/x', 'n', 'narrow');
    flow.ask('first', narrow);
    flow.ask('late', narrow);
    const holdUp = () => flow.control.holdUpOf(id('late'), 'a/x', { ...SENDER, queue: 'narrow' });
    expect(holdUp()).toMatchObject({ for: 'limit', on: 'queue narrow', until: null, lastError: null });
    const fiveTimes = (outcome: 'down' | 'busy') => {
      for (let run = 0; run < 5; run++) flow.ask(`${outcome} ${run}`, flow.claim('a/x'));
      for (let run = 0; run < 5; run++) flow.end(`${outcome} ${run}`, outcome);
    };
    fiveTimes('down');
    const until = expect.stringMatching(/Z$/);
    expect(holdUp()).toMatchObject({ for: 'breaker', on: 'a/x', until, lastError: { name: 'HTTP.503' } });
    flow.clock.pass(1_000);
    fiveTimes('busy');
    expect(holdUp()).toMatchObject({ for: 'breaker', on: 'a/x', until, lastError: { name: 'HTTP.429' } });
  });

  it('gives the only endpoint of an origin all of its slots, and the two of one slot each its turn', () => {
    const flow = new Flow({ perOriginMax: 8 });
    for (let run = 0; run < 9; run++) flow.ask(`${run}`, flow.claim('a/only'));
    expect(flow.began).toHaveLength(8);
    const narrow = new Flow({ perOriginMax: 1 });
    for (const run of ['b/x', 'b/y']) narrow.ask(run, narrow.claim(run));
    narrow.end();
    expect(narrow.began).toEqual(['b/x', 'b/y']);
  });

  it('offers a slot that one origin frees to its own runs, then to those of others, when all were taken', () => {
    const flow = new Flow({ attemptsMax: 1, perOriginMax: 1 });
    flow.ask('1', flow.claim('a'));
    for (const origin of ['b', 'c']) for (const run of ['x', 'y']) flow.ask(origin + run, flow.claim(origin));
    for (let ends = 0; ends < 5; ends++) flow.end();
    expect(flow.began).toEqual(['1', 'bx', 'by', 'cx', 'cy']);
    expect(flow.control.usage).toEqual({ inUse: 0, waiting: 0 });
  });

  it('keeps within the limit of a target, of a queue of a namespace, and of a value of a tag, all at once', () => {
    const limits = [
      limit('target', 'a', { concurrency: 4 }),
      limit('queue', 'bulk', { concurrency: 2 }),
      limit('key', 'customer', { concurrency: 1 }),
    ];
    const flow = new Flow({ limits });
    const ask = (run: string, queue: string, customer: string, namespace = 'n') =>
      flow.ask(run, flow.claim('a', namespace, queue, customer === '' ? {} : { customer }));
    expect([ask('1', 'bulk', 'x'), ask('2', 'bulk', 'x'), ask('3', 'bulk', 'y')]).toEqual([true, false, true]);
    // The queue of this namespace is full, that of another is not.
    expect([ask('4', 'bulk', 'z'), ask('5', 'bulk', 'x', 'other')]).toEqual([false, true]);
    // Who lacks the tag is not limited by it; the target is full then.
    expect([ask('6', 'q', ''), ask('7', 'q', '')]).toEqual([true, false]);
    flow.end('1');
    // The queue has room for one more now, the target not before 7 has ended.
    expect(flow.began.at(-1)).toBe('7');
    flow.end('7');
    // 2 waits at its key's gate and 4 at the queue's, which opened first: 4 came to the target's line before it.
    expect(flow.began.at(-1)).toBe('4');
  });

  it('gives what is free of the whole to the origin that has least in flight, those alike by turns', () => {
    const flow = new Flow({ attemptsMax: 6, perOriginMax: 6 });
    for (const origin of ['a', 'b', 'c', 'd'])
      for (let run = 0; run < 6; run++) flow.ask(`${origin}${run}`, flow.claim(origin));
    expect(flow.began).toEqual(['a0', 'a1', 'a2', 'b0', 'b1', 'c0']);
    flow.end('a0');
    expect(flow.began.at(-1)).toBe('d0');
    flow.end('b0');
    expect(flow.began.at(-1)).toBe('d0');
    flow.end('a1');
    expect(flow.began.slice(7)).toEqual(['a3']);
  });

  it('gives it to an origin that has some in flight already when none has less', () => {
    const flow = new Flow({ attemptsMax: 4, perOriginMax: 4 });
    expect(['a0', 'a1'].map((run) => flow.ask(run, flow.claim('a')))).toEqual([true, true]);
    expect(['b0', 'b1'].map((run) => flow.ask(run, flow.claim('b')))).toEqual([true, false]);
    flow.end('a0');
    expect(flow.began.at(-1)).toBe('b1');
  });

  it('looks at no target that is down when an attempt ends elsewhere', async () => {
    const flow = new Flow();
    const targets = 5_000;
    for (let target = 0; target < targets; target++) {
      for (let run = 0; run < 5; run++) {
        flow.ask(`${target} ${run}`, flow.claim(`t${target}/x`));
        flow.end(`${target} ${run}`, target % 2 === 0 ? 'down' : 'unreached');
      }
      expect(flow.ask(`${target} waits`, flow.claim(`t${target}/x`))).toBe(false);
    }
    expect(flow.control.usage).toEqual({ inUse: 0, waiting: targets });
    const well = flow.claim('well');
    let looked = 0;
    for (let target = 0; target < targets; target++) {
      const { origin, endpoint } = flow.claim(`t${target}/x`);
      for (const gate of [origin, endpoint]) {
        const hasRoom = gate.hasRoom.bind(gate);
        gate.hasRoom = () => {
          looked += 1;
          return hasRoom();
        };
      }
    }
    flow.ask('w', well);
    flow.end('w');
    expect(looked).toBe(0);
  });

  it('holds nothing of a queue for a run that waits for a target', () => {
    const limits = [limit('queue', '*', { concurrency: 2 }), limit('target', 'slow', { concurrency: 1 })];
    const flow = new Flow({ limits });
    for (let run = 0; run < 50; run++) flow.ask(`slow${run}`, flow.claim('slow'));
    expect(flow.ask('quick', flow.claim('quick'))).toBe(true);
    expect(flow.ask('late', flow.claim('quick'))).toBe(false);
    flow.end('quick');
    expect(flow.began).toEqual(['slow0', 'quick', 'late']);
  });

  it.each(['the whole', 'a limit'])('serves namespaces by turns, however many of one are queued, at %s', (of) => {
    const flow = new Flow(
      of === 'a limit' ? { limits: [limit('target', 'a', { concurrency: 2 })] } : { attemptsMax: 4, perOriginMax: 2 },
    );
    for (let run = 0; run < 50_000; run++) flow.ask(`A${run}`, flow.claim('a', 'A'));
    for (const run of ['B0', 'B1']) flow.ask(run, flow.claim('a', 'B'));
    for (let ends = 0; ends < 4; ends++) flow.end();
    expect(flow.began).toEqual(['A0', 'A1', 'A2', 'B0', 'A3', 'B1']);
  });

  it('lets no run pass those of another namespace that wait, though it asks while there is room', () => {
    const flow = new Flow({ limits: [limit('target', 'a', { concurrency: 1 })] });
    flow.ask('A0', flow.claim('a', 'A'));
    // One of its own stands there as well, behind the other's.
    for (const namespace of ['B', 'A']) flow.ask(`${namespace} waits`, flow.claim('a', namespace));
    const [{ claim, epoch }] = flow.flights.splice(0) as [(typeof flow.flights)[number]];
    // As a run goes on whose step has ended: the slot is free, and nobody has been woken yet.
    flow.control.release(claim, epoch);
    expect(flow.ask('A0 again', claim)).toBe(false);
    flow.wake(claim.gates);
    expect(flow.began).toEqual(['A0', 'B waits']);
  });

  it('offers a slot to the next when the first has no use for it any more', () => {
    const flow = new Flow({ limits: [limit('target', 'a', { concurrency: 1 })] });
    for (const run of ['1', '2', '3', '4']) flow.ask(run, flow.claim('a'));
    flow.refusing.add('2').add('3');
    flow.end('1');
    expect(flow.began).toEqual(['1', '4']);
    expect(flow.control.usage).toEqual({ inUse: 1, waiting: 0 });
  });

  it('has the slot and the token back of an attempt that did not begin', () => {
    const limits = [limit('target', 'a', { concurrency: 1, ratePerSecond: 1, burst: 1 })];
    const flow = new Flow({ limits });
    const claim = flow.claim('a');
    expect(flow.control.take(claim, id('1'))).toBe(true);
    expect(flow.control.take(claim, id('2'))).toBe(false);
    flow.control.release(claim, null);
    flow.wake(claim.gates);
    expect(flow.began).toEqual(['2']);
  });

  it('begins so many a second and no more: the burst at once, then one when its token comes', () => {
    const flow = new Flow({ limits: [limit('queue', 'q', { ratePerSecond: 10, burst: 3 })] });
    for (let run = 0; run < 30; run++) flow.ask(String(run), flow.claim('a'));
    expect(flow.began).toHaveLength(3);
    flow.clock.pass(99);
    expect(flow.began).toHaveLength(3);
    flow.clock.pass(17);
    expect(flow.began).toHaveLength(4);
    flow.clock.pass(900);
    expect(flow.began.length).toBeGreaterThanOrEqual(12);
    expect(flow.began.length).toBeLessThanOrEqual(13);
    expect(flow.began).toEqual(Array.from(flow.began, (_, index) => String(index)));
  });

  it('leaves nobody in line where there is room, never passes a limit, and forgets nobody', async () => {
    // Collected, and compared once: a hundred thousand assertions cost more than all that they look at.
    const violations: string[] = [];
    for (let seed = 1; seed <= 60; seed++) {
      const chance = new Chance(seed);
      const limits = [
        limit('target', '*', { concurrency: 3 }),
        limit('queue', 'q1', { concurrency: 2 }),
        limit('key', 'k', { concurrency: 1 }),
      ];
      const flow = new Flow({ limits, attemptsMax: 9, perOriginMax: 6 });
      let asked = 0;
      for (let turn = 0; turn < 400; turn++) {
        if (chance.yes(0.55)) {
          const tags: Record<string, string> = chance.yes(0.5) ? { k: chance.oneOf(['x', 'y']) } : {};
          const queue = chance.oneOf(['q1', 'q2']);
          if (chance.yes(0.05)) flow.refusing.add(String(asked));
          flow.ask(String(asked++), flow.claim(chance.oneOf(['a', 'b', 'c']), chance.oneOf(['m', 'n']), queue, tags));
        } else if (flow.flights.length > 0) flow.end(chance.oneOf(flow.flights).run);
        const counts = new Map<Gate, number>();
        for (const { claim } of flow.flights)
          for (const gate of claim.gates) counts.set(gate, (counts.get(gate) ?? 0) + 1);
        for (const gate of flow.control.limits.values()) {
          const inFlight = counts.get(gate) ?? 0;
          if (gate.inUse !== inFlight) violations.push(`seed ${seed}: ${gate.id} counts ${gate.inUse} of ${inFlight}`);
          if (gate.inUse > gate.limit.concurrency!) violations.push(`seed ${seed}: ${gate.id} has ${gate.inUse}`);
        }
      }
      do {
        while (flow.flights.length > 0) flow.end();
        await new Promise(setImmediate);
      } while (flow.flights.length > 0);
      expect({ seed, ...flow.control.usage }).toEqual({ seed, inUse: 0, waiting: 0 });
      const dropped = [...flow.refusing].filter((run) => !flow.began.includes(run)).length;
      expect(flow.began.length + dropped).toBe(asked);
    }
    expect(violations).toEqual([]);
  });
});
