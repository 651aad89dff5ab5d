import { testPostgres } from '../../../../test/support/postgres.js';
import { describe, expect, it } from '@jest/globals';
import { relayCheckpointContract } from '../../testing/relay-checkpoint-contract.js';
import { PostgresRelayCheckpoint } from './postgres-relay-checkpoint.js';

relayCheckpointContract('PostgresRelayCheckpoint', async () => {
  const { url, stop } = await testPostgres('postgres-relay-checkpoint');
  return { open: () => new PostgresRelayCheckpoint('events', { connectionString: url }), remove: stop };
});

describe('PostgresRelayCheckpoint', () => {
  it('makes its table once, however many start at the same moment, and keeps topics apart', async () => {
    const { url, stop } = await testPostgres('postgres-relay-checkpoint-start');
    const all = Array.from(
      { length: 6 },
      (_, index) => new PostgresRelayCheckpoint(`t${index}`, { connectionString: url }),
    );
    await Promise.all(all.map((each) => each.start()));
    const taken = await Promise.all(all.map((each) => each.take()));
    expect(taken.map(({ epoch }) => epoch)).toEqual(Array(6).fill(1));
    await Promise.all(all.map((each) => each.stop()));
    await stop();
  });
});
