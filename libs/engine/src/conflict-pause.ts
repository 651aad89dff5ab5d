export const CONFLICTS_MAX = 10;
const PAUSE_MIN_MS = 5;
const PAUSE_MAX_MS = 500;

/**
 * How long to wait before a decision is tried again after so many conflicts. Not at all after the first, which of a start says
 * only that its key is known; then between half and all of what the pause has grown to: those who meet at a run come apart.
 */
export const conflictPauseMs = (conflicts: number, jitter: number): number =>
  conflicts === 1 ? 0 : (Math.min(PAUSE_MAX_MS, PAUSE_MIN_MS * 2 ** conflicts) / 2) * (1 + jitter);
