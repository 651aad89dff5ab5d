import type { Clock } from '#runtime';
import { Application, json } from '../../libs/dispatch/src/testing/dispatch-world.js';
import type { Chance } from '../support/chance.js';

/** A request as the application got it. */
export type Received = { readonly run: string; readonly step: string; readonly attempt: number; readonly key: string };

/** Answers well, badly, late or not at all, and keeps what it was asked. */
export const simulatedApplication = (clock: Clock, chance: Chance) => {
  const received: Received[] = [];
  /** While true it does more than answer. */
  const state = { troubled: true };
  const application = new Application();
  for (const name of ['a', 'b', 'c', 'd', 'e']) {
    application.on(`/${name}`, ({ headers, socket }, response) => {
      received.push({
        run: String(headers['stepwell-run-id']),
        step: String(headers['stepwell-step']),
        attempt: Number(headers['stepwell-attempt']),
        key: String(headers['idempotency-key']),
      });
      const well = (): void => json(response, 200, { done: name });
      if (!state.troubled || chance.yes(0.6)) return well();
      switch (chance.oneOf(['slow', 'late', 'fails', 'busy', 'hangs', 'resets'] as const)) {
        case 'slow':
          return void clock.after(chance.between(10, 900), well);
        case 'late':
          return void clock.after(chance.between(2_000, 4_000), well);
        case 'fails':
          return json(response, 500, { error: 'Simulated' });
        case 'busy':
          return json(response, 503, {}, { 'retry-after': '1' });
        case 'hangs':
          return;
        case 'resets':
          return void socket.destroy();
      }
    });
  }
  return { application, received, state };
};
