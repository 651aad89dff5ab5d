import { openRunsContract, sharedOpenRunsContract, type OpenRunsUnderTest } from '../testing/open-runs-contract.js';
import { MemoryOpenRuns } from './open-runs.js';

const make = async (): Promise<OpenRunsUnderTest> => {
  const table = new MemoryOpenRuns();
  const reopen = async () => {
    await table.stop();
    await table.start();
    return table;
  };
  return { table, reopen, dispose: () => table.stop() };
};

openRunsContract('MemoryOpenRuns', make);
sharedOpenRunsContract('MemoryOpenRuns', make);
