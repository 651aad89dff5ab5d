import { isCredentialHeader, shownHeaders } from '#domain';
import type { RecordedEvent } from './event-store.js';

/** An event as JSON text, in the one form in which it leaves the service. Its data is what the log holds: for archives. */
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

/** The same for answers and streams: credentials in the headers of a step are masked. */
export const shownEventText = (event: RecordedEvent): string => {
  const data = shownData(event);
  return eventText(data === event.data ? event : { ...event, data });
};

/**
 * The data of an event as it is shown outside. Only a step that is entered has headers. What is masked is found by the text that the
 * codec made of it: the rest stays what it is to the letter, since reading numbers could change them.
 */
export const shownData = ({ type, data }: Pick<RecordedEvent, 'type' | 'data'>): string => {
  if (type !== 'StepEntered') return data;
  // What the codec of run events made.
  const { request } = JSON.parse(data) as {
    readonly request?: { readonly headers?: Readonly<Record<string, string>> } | null;
  };
  const headers = request?.headers ?? {};
  if (!Object.keys(headers).some(isCredentialHeader)) return data;
  return data.replace(
    `"headers":${JSON.stringify(headers)}`,
    () => `"headers":${JSON.stringify(shownHeaders(headers))}`,
  );
};
