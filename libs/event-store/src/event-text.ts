import type { RecordedEvent } from './event-store.js';

/** An event as JSON text, in the one form in which it leaves the service: answers, streams and archives. Its data is what the log holds. */
export const eventText = ({
  id,
  type,
  v,
  stream,
  revision,
  position,
  recordedAt,
  data,
  actor,
  traceparent,
}: RecordedEvent): string =>
  `${JSON.stringify({ id, type, v, stream, revision, position: String(position), recordedAt }).slice(0, -1)},"data":${data},` +
  `"actor":${JSON.stringify(actor)},"traceparent":${JSON.stringify(traceparent)}}`;
