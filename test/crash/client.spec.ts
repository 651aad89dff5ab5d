import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';

import { Chance } from '../support/chance.js';
import { closeConnections } from '../support/http-client.js';
import { keyOf, newWish, performWish, type Field } from './client.js';
import { workloads } from './workloads.js';

// What the clients hold against a server decides over a whole crash test: each answer here is written by hand.

const single = workloads('http://app', 'http://trap').find(({ name }) => name === 'single')!;
const FIRST = {};
const REPLAY = { 'idempotent-replayed': 'true' };

type Answer = { readonly headers: Readonly<Record<string, string>>; readonly order: number };

/** Yes and no as written, in the order in which a client asks: waits, starts twice at once, repeats, contradicts. */
class Written extends Chance {
  constructor(private readonly choices: boolean[]) {
    super(0);
  }

  override yes(): boolean {
    return this.choices.shift() ?? false;
  }
}

let server: Server | null = null;
afterEach(() => {
  closeConnections();
  server?.close();
});

/** Answers each start in turn as written; those on the way at once in their `order`. Gives the complaints. */
const complaintsAbout = async (choices: boolean[], answers: Answer[]): Promise<readonly string[]> => {
  server = createServer((request, response) => {
    request.resume();
    const { headers, order } = answers.shift()!;
    const send = () => response.writeHead(201, headers).end('{"id":"r1"}');
    setTimeout(send, order * 100);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const field: Field = { url, scope: 's', wishes: [], complaints: [], acknowledged: () => {} };
  await performWish(field, new Written(choices), newWish(keyOf(field, 'k', 1), single, false));
  expect(answers).toEqual([]);
  return field.complaints;
};

describe('a client of the crash test', () => {
  it('finds nothing in a replay whose answer comes before the first one, both being on the way', async () => {
    const answers = [
      { headers: FIRST, order: 1 },
      { headers: REPLAY, order: 0 },
    ];
    expect(await complaintsAbout([false, true], answers)).toEqual([]);
  });

  it('takes no key by which its runs could not be told from those of another test', async () => {
    const field: Field = { url: 'http://unused', scope: 's', wishes: [], complaints: [], acknowledged: () => {} };
    await expect(performWish(field, new Written([]), newWish('k-1', single, false))).rejects.toThrow(
      'no key of this test',
    );
  });

  it('complains of two acknowledgements as the first', async () => {
    const answers = [
      { headers: FIRST, order: 0 },
      { headers: FIRST, order: 0 },
    ];
    expect(await complaintsAbout([false, true], answers)).toEqual([
      'start of k-s-1 was acknowledged twice as the first',
    ]);
  });

  it('complains of a start that is the first after one was acknowledged as a replay', async () => {
    const answers = [
      { headers: REPLAY, order: 0 },
      { headers: FIRST, order: 0 },
    ];
    expect(await complaintsAbout([false, false, true], answers)).toEqual([
      'start of k-s-1, sent after an acknowledgement, was acknowledged as the first',
    ]);
  });
});
