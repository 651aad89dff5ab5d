import { runIdOf, shownData, type RecordedEvent } from '#event-store';
import type { TopicMessage } from './publisher.js';

/** In front of the event's type in the `type` of its CloudEvent. */
export const CLOUD_EVENT_TYPE = 'stepwell.run.';
const CONTENT_TYPE = 'application/cloudevents+json; charset=UTF-8';

/**
 * An event of a run as a CloudEvent 1.0 in structured mode; its key is the run's id, so that a run stays in one partition
 * and in order. `data` is what the log holds, also of types that this version does not know, but for credentials in headers.
 */
export const runEventMessage = (event: RecordedEvent): TopicMessage => message(event, `"data":${shownData(event)}`);

/** The same without its data, for a broker that does not take it: `dataref` says where it is, a header that it is not here. */
export const withoutData = (event: RecordedEvent): TopicMessage => {
  const dataref = `/v1/runs/${runOf(event)}/events?from=${event.revision}&limit=1`;
  const whole = message(event, `"dataref":${JSON.stringify(dataref)}`);
  return { ...whole, headers: { ...whole.headers, 'stepwell-truncated': 'true' } };
};

/** `content`: the last member, as JSON text. */
const message = (event: RecordedEvent, content: string): TopicMessage => {
  const { id, type, v, stream, revision, recordedAt, actor, causation, traceparent } = event;
  const runId = runOf(event);
  // A CloudEvent's integers have 32 bits; a position may have more.
  const position = String(event.position);
  const trace = traceparent === null ? undefined : { traceparent };
  const cloudEvent = {
    specversion: '1.0',
    id,
    source: '/v1/runs',
    type: `${CLOUD_EVENT_TYPE}${type}`,
    subject: runId,
    time: recordedAt,
    datacontenttype: 'application/json',
    dataversion: v,
    stream,
    revision,
    position,
    causation,
    ...(actor === null ? undefined : { actor }),
    ...trace,
  };
  return {
    key: Buffer.from(runId),
    value: Buffer.from(`${JSON.stringify(cloudEvent).slice(0, -1)},${content}}`),
    headers: {
      'content-type': CONTENT_TYPE,
      'stepwell-event-id': id,
      'stepwell-event-type': type,
      'stepwell-position': position,
      ...trace,
    },
  };
};

/** Streams that are no run's do not come here; were one to, its name is a key as good as any. */
const runOf = ({ stream }: RecordedEvent): string => runIdOf(stream) ?? stream;
