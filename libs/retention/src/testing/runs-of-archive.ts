import { readArchive, verifyArchive } from '../archive-reader.js';

/** Runs by key as a file holds them, with the types of their events; the later of two. */
export const runsOfArchive = async (path: string): Promise<Record<string, string[]>> => {
  const runs: Record<string, string[]> = {};
  for await (const { run, line } of readArchive(path, await verifyArchive(path))) {
    if (line === null) runs[run.key] = [];
    else runs[run.key]!.push((JSON.parse(line) as { type: string }).type);
  }
  return runs;
};
