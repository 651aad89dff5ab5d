/** The codes of gRPC that concern us. */
const CANCELLED = 1;
const INVALID_ARGUMENT = 3;
/** Also of what we have waited for in vain. */
export const DEADLINE_EXCEEDED = 4;
const PERMISSION_DENIED = 7;
const RESOURCE_EXHAUSTED = 8;
const FAILED_PRECONDITION = 9;
const ABORTED = 10;
const UNIMPLEMENTED = 12;
const INTERNAL = 13;
const UNAVAILABLE = 14;
const UNAUTHENTICATED = 16;

/** What the client and gRPC throw, as far as it is looked at; `instanceof` would need the driver. */
type GrpcError = {
  readonly code?: unknown;
  readonly metadata?: { readonly get?: (name: string) => readonly unknown[] };
};

const codeOf = (error: unknown): unknown => (error as GrpcError | null)?.code;

const exceptionOf = (error: unknown): string => {
  const found = (error as GrpcError | null)?.metadata?.get?.('exception')[0];
  return typeof found === 'string' ? found : '';
};

/** The node has told which other one leads. */
export const isNotLeader = (error: unknown): boolean => exceptionOf(error) === 'not-leader';

/** The stream was deleted for ever. */
export const isStreamDeleted = (error: unknown): boolean => exceptionOf(error) === 'stream-deleted';

/** A server of before 24.2 has ended a subscription that was live: more came at once than it keeps for a reader, 32 events. */
export const isFallenBehind = (error: unknown): boolean => codeOf(error) === ABORTED;

/** The server, or the way to it, may be there again soon. */
export const isPassing = (error: unknown): boolean =>
  isNotLeader(error) ||
  [CANCELLED, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, INTERNAL, UNAVAILABLE].some((code) => code === codeOf(error));

/** The server does not take our credentials, or lets their user do too little. */
export const isDenied = (error: unknown): boolean =>
  codeOf(error) === PERMISSION_DENIED || codeOf(error) === UNAUTHENTICATED;

const PERMANENT = [INVALID_ARGUMENT, PERMISSION_DENIED, FAILED_PRECONDITION, UNIMPLEMENTED, UNAUTHENTICATED];

/** Asking again has the same answer. */
export const isPermanent = (error: unknown): boolean =>
  !isNotLeader(error) && (isStreamDeleted(error) || PERMANENT.some((code) => code === codeOf(error)));
