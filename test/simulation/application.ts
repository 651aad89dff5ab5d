import type { RunId } from '#engine';
import type { Clock } from '#runtime';
import { Application } from '../../libs/dispatch/src/testing/dispatch-world.js';
import { chanceOf, slotsOf } from './seeded.js';
import type { Received, Witness } from './witness.js';

/** What the application does with a request. */
export type Doing =
  | {
      readonly does: 'answers';
      readonly afterMs: number;
      readonly status: number;
      readonly body: string;
      readonly retryAfter: string | null;
    }
  | { readonly does: 'hangs' }
  | { readonly does: 'resets' };

/** Answers well, badly, late or not at all, by the attempt: it is asked of nobody else's chance. */
export class SimulatedApplication {
  /** While true it does more than answer. */
  troubled = true;
  /** While more than 0 no connection to it is made. */
  unreachable = 0;
  /** How long it takes for an answer when all is well, at the most. */
  private readonly paceMs: number;

  constructor(
    private readonly seed: number,
    private readonly witness: Witness,
  ) {
    // Where slots are few, slow answers would have the runs wait for each other for minutes.
    this.paceMs = slotsOf(seed) < 10 ? 0 : chanceOf(seed, 'pace').oneOf([0, 500, 1_500]);
  }

  /** Takes a request in. */
  receive(received: Received): Doing {
    this.witness.receive(received);
    const { runId, step, attempt } = received;
    const doing = this.doingOf(received);
    if (doing.does === 'answers') this.witness.answer(runId, step, attempt, doing.status, doing.body);
    return doing;
  }

  private doingOf({ runId, step, attempt }: Received): Doing {
    const chance = chanceOf(this.seed, 'application', runId, step, attempt);
    const well = (afterMs: number): Doing => answer(200, { done: step, by: `${runId} ${attempt}` }, { afterMs });
    const paceMs = chance.between(0, this.paceMs);
    // Also when all is well an attempt may fail, so that retries are waited for then.
    if (!this.troubled) return attempt === 1 && chance.yes(0.3) ? answer(500, { error: 'Simulated' }) : well(paceMs);
    if (chance.yes(0.6)) return well(paceMs);
    switch (chance.oneOf(['slow', 'late', 'fails', 'busy', 'refuses', 'hangs', 'resets'] as const)) {
      case 'slow':
        return well(chance.between(10, 900));
      case 'late':
        return well(chance.between(2_000, 4_000));
      case 'fails':
        return answer(500, { error: 'Simulated' });
      case 'busy':
        return answer(503, {}, { retryAfter: '1' });
      case 'refuses':
        return chance.yes(0.3) ? answer(422, { error: 'Refused' }) : well(paceMs);
      case 'hangs':
        return { does: 'hangs' };
      case 'resets':
        return { does: 'resets' };
    }
  }
}

const answer = (
  status: number,
  value: unknown,
  { afterMs = 0, retryAfter = null }: { afterMs?: number; retryAfter?: string | null } = {},
): Doing => ({ does: 'answers', afterMs, status, body: JSON.stringify(value), retryAfter });

/** The application on a socket. */
export const served = (simulated: SimulatedApplication, clock: Clock): Application => {
  const application = new Application();
  for (const name of ['a', 'b', 'c', 'd', 'e']) {
    application.on(`/${name}`, ({ headers, socket }, response) => {
      const doing = simulated.receive({
        runId: String(headers['stepwell-run-id']) as RunId, // it is sent by us alone
        step: String(headers['stepwell-step']),
        attempt: Number(headers['stepwell-attempt']),
        key: String(headers['idempotency-key']),
        sender: null,
      });
      if (doing.does === 'resets') return void socket.destroy();
      if (doing.does === 'hangs') return;
      const { status, body, retryAfter, afterMs } = doing;
      const send = (): void => {
        response.writeHead(status, {
          'content-type': 'application/json',
          ...(retryAfter !== null && { 'retry-after': retryAfter }),
        });
        response.end(body);
      };
      if (afterMs === 0) send();
      else clock.after(afterMs, send);
    });
  }
  return application;
};
