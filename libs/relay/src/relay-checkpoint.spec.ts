import { relayCheckpointContract } from '../testing/relay-checkpoint-contract.js';
import { MemoryRelayCheckpoint } from './relay-checkpoint.js';

relayCheckpointContract('MemoryRelayCheckpoint', async () => {
  const checkpoint = new MemoryRelayCheckpoint();
  return { open: () => checkpoint, remove: async () => {} };
});
