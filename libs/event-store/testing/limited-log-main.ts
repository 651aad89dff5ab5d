import { SqliteEventStore, type AppendOutcome, type Revision, type StreamName } from '../src/index.js';

/*
 * Appends 100 KB at a time to the log in a folder until one is not appended; then says how many are there, what became of three
 * more, whether the process would have had to end, and what can be read:
 *   node dist/libs/event-store/testing/limited-log-main.js <folder>
 */
const folder = process.argv[2]!;
const fatal: string[] = [];
const store = new SqliteEventStore({ folder, onFatal: (error) => fatal.push(String(error)) });
await store.start();
const append = (after: number): Promise<AppendOutcome> => {
  const envelope = { commandId: `c${after}`, recordedAt: '', actor: null, traceparent: null };
  const events = [{ type: 'Noted', v: 1, data: JSON.stringify('x'.repeat(100_000)) }];
  // A test counts revisions and names streams as it likes.
  const [stream, expected] = ['a' as StreamName, (after - 1) as Revision];
  return new Promise((settle) => store.append({ stream, expected, events, envelope }, settle));
};
let appended = 0;
while ((await append(appended)).status === 'appended') appended += 1;
const more: string[] = [];
for (let again = 0; again < 3; again++) more.push((await append(appended)).status);
const read = (await store.readStream('a' as StreamName)).length;
await store.stop();
process.stdout.write(JSON.stringify({ appended, more, fatal, read }));
