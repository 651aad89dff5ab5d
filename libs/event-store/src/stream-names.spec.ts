import { describe, expect, it } from '@jest/globals';
import { sha256Base32, sha256Hex } from '#runtime';
import {
  CATALOGUE,
  isRunId,
  planStream,
  runIdOf,
  runStream,
  shardOf,
  shardPrefixes,
  prefixesOf,
  ALL_SHARDS,
  SHARDS,
  type Shard,
} from './stream-names.js';

describe('names of streams', () => {
  it('carry the first byte of the run id, so that prefixes are shards', () => {
    for (let index = 0; index < 300; index++) {
      const runId = sha256Base32(`run ${index}`, 128);
      expect(runStream(runId)).toBe(`run-${sha256Hex(`run ${index}`).slice(0, 2)}-${runId}`);
      expect(runIdOf(runStream(runId))).toBe(runId);
      expect(isRunId(runId)).toBe(true);
    }
  });

  it('put every run into one of 64 shards, whose prefixes match its stream and no other shard', () => {
    const shards = Array.from({ length: SHARDS }, (_, index) => index as Shard);
    const prefixes = shards.flatMap(shardPrefixes);
    expect(new Set(prefixes).size).toBe(256);
    for (let index = 0; index < 2_000; index++) {
      const runId = sha256Base32(`run ${index}`, 128);
      const matching = shards.filter((shard) =>
        shardPrefixes(shard).some((prefix) => runStream(runId).startsWith(prefix)),
      );
      expect(matching).toEqual([shardOf(runId)]);
    }
  });

  it('name several shards by few prefixes, and none of the others', () => {
    expect(prefixesOf(ALL_SHARDS)).toEqual(['run-']);
    const shards = [1, 4, 5, 6, 7, 62, 63].map((shard) => shard as Shard);
    const prefixes = prefixesOf(shards);
    expect(prefixes).toHaveLength(13);
    for (const shard of ALL_SHARDS) {
      const covered = shardPrefixes(shard).map((own) => prefixes.some((prefix) => own.startsWith(prefix)));
      expect(new Set(covered)).toEqual(new Set([shards.includes(shard)]));
    }
  });

  it('give no run id for other streams', () => {
    expect([CATALOGUE, planStream('abc')].map(runIdOf)).toEqual([null, null]);
  });

  it.each(['', 'a', `${'a'.repeat(25)}b`, 'A'.repeat(26), `${'a'.repeat(26)}-x`, `${'a'.repeat(25)}1`])(
    'do not take %j for a run id',
    (text) => {
      expect(isRunId(text)).toBe(false);
    },
  );
});
