import type { Chance } from '../support/chance.js';
import { httpCall, type HttpAnswer } from '../support/http-client.js';
import { pause } from '../support/pause.js';
import { hasEnded, type RunShape } from '../support/shapes.js';
import type { Workload } from './workloads.js';

/** Everything a client knows about one key it used: all that may be held against the server. */
export type Wish = {
  readonly key: string;
  readonly workload: Workload;
  /** Sent without fault or kill, before the killing began. */
  readonly quiet: boolean;
  /** Ids by all answers; more than one is a violation. */
  readonly ids: Set<string>;
  /** Bodies of the 201 answers; more than one is a violation. */
  readonly bodies: Set<string>;
  acknowledged: number;
  /** Acknowledgements that were not marked as a replay; more than one is a violation, and one that was asked for late. */
  unmarked: number;
  replays: number;
  /** Tries that got no answer: the start may or may not have happened. */
  unanswered: number;
  /** Another payload under the same key: how often it was refused. */
  refusedOtherPayload: number;
  /** The final run, as a waiting start was answered. */
  readonly finals: RunShape[];
  cancel: 'not asked' | 'acknowledged' | 'too late';
};

/** What all clients share. */
export type Field = {
  readonly url: string;
  /** Of this test alone; in all its keys. */
  readonly scope: string;
  readonly wishes: Wish[];
  readonly complaints: string[];
  /** Called as the head of an acknowledgement arrives. */
  readonly acknowledged: () => void;
};

/** Tells the runs of a test from others that the log may hold, which may have come of the same seed. */
export const keyOf = ({ scope }: Field, kind: string, ...numbers: readonly number[]): string =>
  [kind, scope, ...numbers].join('-');

export const isKeyOf = ({ scope }: Field, key: string): boolean => key.includes(`-${scope}-`);

const COMPLAINTS_KEPT = 100;
const RETRY_PAUSE_MS = [20, 250] as const;
const GIVE_UP_MS = 90_000;
const WAIT_SECONDS = 5;

/** One wish from start to end: started until acknowledged, sometimes twice at once, repeated, contradicted, cancelled. */
export const performWish = async (field: Field, chance: Chance, wish: Wish): Promise<void> => {
  if (!isKeyOf(field, wish.key)) throw new Error(`${wish.key} is no key of this test: make it by keyOf`);
  field.wishes.push(wish);
  const wait = chance.yes(0.3);
  const twice = chance.yes(0.1);
  await Promise.all(Array.from({ length: twice ? 2 : 1 }, () => startUntilAcknowledged(field, chance, wish, wait)));
  const [id] = wish.ids;
  if (id === undefined) return;
  if (wish.workload.cancellable && chance.yes(0.5)) {
    await pause(chance.between(0, 200));
    await cancelUntilAcknowledged(field, chance, wish, id);
  }
  if (chance.yes(0.2)) await startUntilAcknowledged(field, chance, wish, false);
  if (chance.yes(0.1)) await contradictUntilRefused(field, chance, wish);
};

export const newWish = (key: string, workload: Workload, quiet: boolean): Wish => ({
  key,
  workload,
  quiet,
  ids: new Set(),
  bodies: new Set(),
  acknowledged: 0,
  unmarked: 0,
  replays: 0,
  unanswered: 0,
  refusedOtherPayload: 0,
  finals: [],
  cancel: 'not asked',
});

const startBody = (wish: Wish, name = 'Ada'): unknown => ({
  workflow: wish.workload.name,
  input: { name, wish: wish.key },
  ...wish.workload.start,
});

const startUntilAcknowledged = async (field: Field, chance: Chance, wish: Wish, wait: boolean): Promise<void> => {
  const headers = { 'idempotency-key': wish.key, ...(wait ? { prefer: `wait=${WAIT_SECONDS}` } : {}) };
  let acknowledgedBefore = 0;
  const answer = await insist(field, chance, wish, () => {
    acknowledgedBefore = wish.acknowledged;
    return httpCall('POST', `${field.url}/v1/runs`, {
      headers,
      body: startBody(wish),
      timeoutMs: 15_000,
      onHead: (status) => (status === 201 ? field.acknowledged() : undefined),
    });
  });
  if (answer === null) return;
  const fitting = wait ? answer.status === 200 || answer.status === 202 : answer.status === 201;
  if (!fitting)
    return complain(
      field,
      `start of ${wish.key} (${wish.workload.name}) answered ${answer.status}: ${answer.text.slice(0, 500)}`,
    );
  const run = JSON.parse(answer.text) as RunShape;
  if (answer.headers['idempotent-replayed'] === 'true') wish.replays++;
  else if (++wish.unmarked > 1) complain(field, `start of ${wish.key} was acknowledged twice as the first`);
  // Only by when it was sent: of two on the way at once, the first's answer may be read behind the replay's.
  else if (acknowledgedBefore > 0)
    complain(field, `start of ${wish.key}, sent after an acknowledgement, was acknowledged as the first`);
  wish.acknowledged++;
  wish.ids.add(run.id);
  if (answer.status === 201) wish.bodies.add(answer.text);
  if (answer.status === 200) {
    if (!hasEnded(run)) complain(field, `waiting start of ${wish.key} answered 200 with a run that is ${run.status}`);
    wish.finals.push(run);
  }
};

const contradictUntilRefused = async (field: Field, chance: Chance, wish: Wish): Promise<void> => {
  const answer = await insist(field, chance, wish, () =>
    httpCall('POST', `${field.url}/v1/runs`, {
      headers: { 'idempotency-key': wish.key },
      body: startBody(wish, 'Somebody else'),
    }),
  );
  if (answer === null) return;
  if (answer.status === 422) wish.refusedOtherPayload++;
  else complain(field, `another payload under ${wish.key} answered ${answer.status}: ${answer.text.slice(0, 500)}`);
};

const cancelUntilAcknowledged = async (field: Field, chance: Chance, wish: Wish, id: string): Promise<void> => {
  const answer = await insist(field, chance, wish, () =>
    httpCall('POST', `${field.url}/v1/runs/${id}/cancel`, { body: { reason: 'the crash test changed its mind' } }),
  );
  if (answer === null) return;
  if (answer.status === 200) wish.cancel = 'acknowledged';
  else if (answer.status === 409) wish.cancel = 'too late';
  else complain(field, `cancel of ${id} answered ${answer.status}: ${answer.text.slice(0, 500)}`);
};

/** Repeats a request until it is answered by something other than "not now"; null after giving up, with a complaint. */
const insist = async (
  field: Field,
  chance: Chance,
  wish: Wish,
  ask: () => Promise<HttpAnswer>,
): Promise<HttpAnswer | null> => {
  const untilMs = performance.now() + GIVE_UP_MS;
  for (;;) {
    const answer = await ask().catch(() => null);
    if (answer === null) wish.unanswered++;
    else if (answer.status !== 503) return answer;
    if (performance.now() > untilMs) {
      complain(field, `no answer for ${wish.key} in ${GIVE_UP_MS / 1000} s`);
      return null;
    }
    await pause(chance.between(...RETRY_PAUSE_MS));
  }
};

const complain = (field: Field, complaint: string): void => {
  if (field.complaints.length < COMPLAINTS_KEPT) field.complaints.push(complaint);
};
