import type { Readiness } from '#runtime';
import type { PostgresViewStore } from './postgres-view-store.js';

/** A projector that has not shown for so long that it lives writes nothing any more. */
const PROJECTOR_SILENT_MS = 15_000;

/** Of lists that any process reads and one projector writes. Never worse than `degraded`: runs do not need them. */
export const sharedViewsReadiness = async (views: PostgresViewStore): Promise<Readiness['parts'][string]> => {
  try {
    const [first] = await views.parked();
    if (first !== undefined)
      return { status: 'degraded', detail: `Streams are parked, the first ${first.stream}: ${first.error}` };
    const leader = await views.leader('projector');
    if (leader === null || leader.beatAgoMs > PROJECTOR_SILENT_MS)
      return { status: 'degraded', detail: 'No projector is at work: the lists fall behind the log.' };
    return { status: 'ready', detail: null };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { status: 'degraded', detail: `The lists cannot be read: ${reason}` };
  }
};
