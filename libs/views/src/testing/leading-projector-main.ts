import { systemClock } from '#runtime';
import { LeadingProjector } from '../postgres/leading-projector.js';
import { flow } from './flowing-log.js';
import { TestLog } from './histories.js';

// node leading-projector-main.js <url> <holder> <beat ms> <silent ms>: one of several projectors, each on a log of its own
// that holds the same. Says on its output when it leads and when it stands by.

const [url, holder, beatMs, silentMs] = process.argv.slice(2);
const log = new TestLog();
const projector = new LeadingProjector(log.store, url!, systemClock, {
  onFault: (error) => console.log(String(error)),
  // A dozen batches: under load all of the log could be in one, and nobody would be in the middle of it.
  batchCommitsMax: 200,
  lock: { holder: holder!, beatMs: Number(beatMs), silentMs: Number(silentMs) },
});
await projector.start();
let said = false;
const tell = (): void => {
  if (projector.leads !== said) console.log(said ? 'standing by' : 'leading');
  said = projector.leads;
  systemClock.after(20, tell);
};
tell();
await flow(log, (ms) => new Promise((resolve) => void systemClock.after(ms, () => resolve())));
