import { readSync, writeSync } from 'node:fs';
import { setPriority } from 'node:os';
import { answerFrame, RequestReader, type Answer, type RequestHead } from '../frames.js';
import { SANDBOX_ERRORS } from '../sandbox.js';
import { Realm, type Outcome } from './realm.js';

// A process that evaluates what users wrote, one after the other: it reads from its standard input, and ends when that does, as it
// also does when the service is killed. All calls block: nothing else happens here, and an answer is written before the next
// evaluation begins, so that the service knows which one is under way.

const NICENESS = 10;
const READ_BYTES = 1 << 20;
/** Isolates of so many namespaces are kept, each some MB. */
const REALMS_MAX = 8;
const STDIN = 0;
const STDOUT = 1;

const nowMs = (): number => performance.now();

/** By namespace, the one used last at the end. Namespaces share no isolate: a fault in the lock would stay within one. */
const realms = new Map<string, Realm>();

const realmOf = (id: number, { namespace, limits }: RequestHead): Realm => {
  const key = `${limits.memoryMb} ${namespace}`;
  let realm = realms.get(key);
  if (realm?.isUsable !== true) {
    realm?.dispose();
    realms.delete(key);
    for (const [old, each] of realms) {
      if (realms.size < REALMS_MAX) break;
      each.dispose();
      realms.delete(old);
    }
    realm = spare?.memoryMb === limits.memoryMb ? spare.realm : new Realm(limits.memoryMb);
    spare = null;
    write({ kind: 'begun', id, us: 0, text: '' });
  }
  realms.delete(key);
  realms.set(key, realm);
  return realm;
};

const write = (answer: Answer): void => {
  const frame = answerFrame(answer);
  for (let written = 0; written < frame.length;) written += writeSync(STDOUT, frame, written);
};

const evaluate = (head: RequestHead, names: string): Outcome => {
  try {
    return realmOf(head.id, head).evaluate(head, names, nowMs);
  } catch {
    // The realm could not be made: not for anything that was asked of it.
    const cause = `no isolate of ${head.limits.memoryMb} MB could be made`;
    return { kind: 'error', text: JSON.stringify({ name: SANDBOX_ERRORS.memory, cause }) };
  }
};

// Times of day are those of UTC, wherever the service runs: a script gives the same value everywhere.
process.env['TZ'] = 'UTC';
try {
  setPriority(0, NICENESS);
} catch {
  // Only a wish: some systems refuse it.
}

const memoryMb = Number(process.argv[2]);
/** Made ahead, for the first namespace that comes. */
let spare: { readonly memoryMb: number; readonly realm: Realm } | null = { memoryMb, realm: new Realm(memoryMb) };
write({ kind: 'ready', id: 0, us: 0, text: '' });

const requests = new RequestReader();
for (;;) {
  const bytes = Buffer.allocUnsafe(READ_BYTES);
  const length = readSync(STDIN, bytes);
  if (length === 0) break;
  requests.add(bytes.subarray(0, length));
  for (let request = requests.next(); request !== null; request = requests.next()) {
    const { head, names } = request;
    const beganMs = nowMs();
    const { kind, text } = evaluate(head, names);
    write({ kind, id: head.id, us: Math.round((nowMs() - beganMs) * 1_000), text });
  }
}
