import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { tempFolder } from '../../../../test/support/temp-folder.js';
import { relayCheckpointContract } from '../../testing/relay-checkpoint-contract.js';
import { CheckpointUnreadable, FileRelayCheckpoint } from './file-relay-checkpoint.js';

relayCheckpointContract('FileRelayCheckpoint', async () => {
  const folder = await tempFolder('relay-checkpoint');
  const path = join(folder.path, 'below', 'relay.json');
  return { open: () => new FileRelayCheckpoint(path), remove: folder.remove };
});

describe('FileRelayCheckpoint', () => {
  it.each(['', '{', '{}', '{"epoch":1,"position":"7"}', 'null'])(
    'refuses a file that holds %j rather than publish the log anew',
    async (text) => {
      const folder = await tempFolder('relay-checkpoint');
      const path = join(folder.path, 'relay.json');
      await writeFile(path, text);
      await expect(new FileRelayCheckpoint(path).take()).rejects.toThrow(CheckpointUnreadable);
      await folder.remove();
    },
  );
});
