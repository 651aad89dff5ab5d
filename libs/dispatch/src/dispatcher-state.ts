import { SHARDS } from '#event-store';
import type { NodeState } from '#runtime';
import type { Dispatcher } from './dispatcher.js';
import type { ShardOwnership } from './shards/shard-ownership.js';

/** What `GET /v1/node` tells of the dispatcher in a process. */
export const dispatcherState = (
  dispatcher: Dispatcher,
  ownership: ShardOwnership,
): Pick<NodeState, 'shards' | 'takeOvers' | 'attempts' | 'breakers'> => ({
  shards: { ...dispatcher.shardCounts, of: SHARDS },
  takeOvers: ownership.status().taken,
  attempts: dispatcher.load,
  breakers: dispatcher.breakers.news,
});
