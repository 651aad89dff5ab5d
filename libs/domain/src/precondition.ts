/**
 * What the caller has seen, by `If-Match` and `If-None-Match`: numbers of versions, or the revision of a draft or of a run; `*`
 * is any of them.
 */
export type Precondition = { readonly ifMatch: Seen | null; readonly ifNoneMatch: Seen | null };
export type Seen = '*' | readonly number[];

/** Asks for nothing. */
export const ANY: Precondition = { ifMatch: null, ifNoneMatch: null };

/** `stands`: the number that there is; `undefined`: there is none. */
export const holds = ({ ifMatch, ifNoneMatch }: Precondition, stands: number | undefined): boolean =>
  (ifMatch === null || isSeen(ifMatch, stands)) && (ifNoneMatch === null || !isSeen(ifNoneMatch, stands));

const isSeen = (seen: Seen, stands: number | undefined): boolean =>
  stands !== undefined && (seen === '*' || seen.includes(stands));
