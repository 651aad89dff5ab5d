import type { Position } from '#event-store';

/** What a handler answers: text that is ready to be sent. */
export type Answer = {
  /** JSON, unless the headers name another type; `null`: there is no body. */
  readonly text: string | null;
  /** Where the log stood: becomes `Stepwell-Position`. */
  readonly position?: Position | string;
  /** Of what is shown: becomes `ETag`, and 304 for a client that has it already. */
  readonly etag?: string | null;
  /** Where it is not the status of the endpoint. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
};
