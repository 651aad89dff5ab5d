import type { Position } from '#event-store';
import { TestLog, threeStepFlow } from './histories.js';

/** A log that processes without a store in common all make the same: each appends the same flows, by and by. */
export const FLOWS = { runs: 600, runsATurn: 4, turnMs: 10, end: (600 * 4 * 256 + 4) as Position } as const;

export const flowNamed = (run: number): string => `flow ${run}`;

/** Appends all flows at their pace. */
export const flow = async (log: TestLog, pause: (ms: number) => Promise<void>): Promise<void> => {
  for (let run = 0; run < FLOWS.runs; run++) {
    const name = flowNamed(run);
    for (const events of threeStepFlow(name)) await log.append(name, events);
    if (run % FLOWS.runsATurn === 0) await pause(FLOWS.turnMs);
  }
};
