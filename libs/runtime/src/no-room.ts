/**
 * What says that a write finds no room: on the disk, in the quota of the user, or in the largest file that is allowed. SQLite knows
 * the first by its name and calls the others a failed write.
 */
const CODES: ReadonlySet<unknown> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG', 'SQLITE_FULL', 'SQLITE_IOERR_SHMSIZE']);

/** Whether it failed for want of room alone. */
export const isNoRoom = (error: unknown): boolean =>
  // Whatever is thrown may be asked for its code.
  CODES.has((error as { readonly code?: unknown } | null)?.code);
