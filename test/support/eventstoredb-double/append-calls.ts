import type { ServerDuplexStream } from '@grpc/grpc-js';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import statuses from '@eventstore/db-client/generated/status_pb.js';
import streams from '@eventstore/db-client/generated/streams_pb.js';
import type { BatchAppendReq, BatchAppendResp } from '@eventstore/db-client/generated/streams_pb.js';
import type { Message } from 'google-protobuf';
import any from 'google-protobuf/google/protobuf/any_pb.js';
import empty from 'google-protobuf/google/protobuf/empty_pb.js';
import { NO_STREAM, type AppendRequest, type AppendResult, type EventLog, type Expected } from './event-log.js';
import type { Faults } from './faults.js';
import type { ProposedEvent } from './read-message.js';

/** The server's default for one append. */
const APPEND_BYTES_MAX = 1024 * 1024;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export type AppendCallOptions = { readonly racingTimeoutMs: number };

type Refused = { readonly status: 'refused'; readonly reason: 'not-ready' | 'too-large' | 'timeout' | 'bad-request' };
type Answer = AppendResult | Refused;

/** What the server does with an append, however it came in. `null`: nothing is ever answered. */
export class Appending {
  constructor(
    readonly log: () => EventLog,
    readonly faults: Faults,
    readonly options: AppendCallOptions,
  ) {}

  async append(request: AppendRequest, deadlineMs: number): Promise<Answer | null> {
    const { faults } = this;
    await faults.thawed();
    if (!faults.ready) return { status: 'refused', reason: 'not-ready' };
    if (Date.now() > deadlineMs) return { status: 'refused', reason: 'timeout' };
    const refused = refusalOf(request);
    if (refused !== null) return refused;
    const fault = faults.takeAppendFault();
    if (fault?.type === 'refuse') return { status: 'refused', reason: 'not-ready' };
    if (fault?.type === 'lose-request') return null;
    if (fault?.type === 'delay') await fault.wait();
    let result = await this.log().append(request);
    if (result.status === 'racing') {
      await faults.after(this.options.racingTimeoutMs);
      return { status: 'refused', reason: 'timeout' };
    }
    if (fault?.type === 'lose-answer') return null;
    if (fault?.type === 'answer-late') await fault.wait();
    await faults.thawed();
    return result;
  }
}

const refusalOf = ({ stream, events }: AppendRequest): Refused | null => {
  const bytes = events.reduce((sum, event) => sum + event.data.length, 0);
  if (bytes > APPEND_BYTES_MAX) return { status: 'refused', reason: 'too-large' };
  const well = stream !== '' && events.every((event) => event.type !== '' && UUID.test(event.id));
  return well ? null : { status: 'refused', reason: 'bad-request' };
};

const eventOf = (proposed: BatchAppendReq.ProposedMessage): ProposedEvent => ({
  id: proposed.getId()?.getString() ?? '',
  type: proposed.getMetadataMap().get('type') ?? '',
  contentType: proposed.getMetadataMap().get('content-type') ?? '',
  metadata: proposed.getCustomMetadata_asU8(),
  data: proposed.getData_asU8(),
});

const expectedOf = (options: BatchAppendReq.Options): Expected => {
  if (options.hasNoStream()) return NO_STREAM;
  if (options.hasAny()) return 'any';
  return options.hasStreamExists() ? 'exists' : Number(options.getStreamPosition());
};

type Gathered = {
  readonly stream: string;
  readonly expected: Expected;
  readonly deadlineMs: number;
  readonly events: ProposedEvent[];
};

/** One call that carries any number of appends, each answered when it is done. */
export const batchAppend =
  (appending: Appending) =>
  (call: ServerDuplexStream<BatchAppendReq, BatchAppendResp>): void => {
    const gathered = new Map<string, Gathered>();
    call.on('data', (req: BatchAppendReq) => {
      const correlation = req.getCorrelationId()!.getString();
      const options = req.getOptions();
      if (options !== undefined) {
        const deadline = options.getDeadline();
        gathered.set(correlation, {
          stream: Buffer.from(options.getStreamIdentifier()!.getStreamName_asU8()).toString(),
          expected: expectedOf(options),
          deadlineMs: deadline === undefined ? Infinity : deadline.toDate().getTime(),
          events: [],
        });
      }
      const append = gathered.get(correlation)!;
      for (const proposed of req.getProposedMessagesList()) append.events.push(eventOf(proposed));
      if (!req.getIsFinal()) return;
      gathered.delete(correlation);
      void appending.append(append, append.deadlineMs).then((answer) => {
        if (answer !== null && !call.cancelled) call.write(batchAnswer(answer, correlation, append));
      });
    });
    call.on('end', () => call.end());
    // A call that broke is answered nothing any more.
    call.on('error', () => {});
  };

const batchAnswer = (answer: Answer, correlation: string, { stream, expected }: Gathered): BatchAppendResp => {
  const resp = new streams.BatchAppendResp();
  const id = new shared.UUID();
  id.setString(correlation);
  resp.setCorrelationId(id);
  const identifier = new shared.StreamIdentifier();
  identifier.setStreamName(Buffer.from(stream));
  resp.setStreamIdentifier(identifier);
  if (answer.status === 'written') {
    const success = new streams.BatchAppendResp.Success();
    success.setCurrentRevision(String(answer.revision));
    if (answer.position === null) success.setNoPosition(new empty.Empty());
    else {
      const position = new shared.AllStreamPosition();
      position.setCommitPosition(String(answer.position));
      position.setPreparePosition(String(answer.position));
      success.setPosition(position);
    }
    resp.setSuccess(success);
  } else resp.setError(batchError(answer, stream, expected));
  return resp;
};

const batchError = (answer: Exclude<Answer, { status: 'written' }>, stream: string, expected: Expected) => {
  const error = new statuses.Status();
  const [message, name, detail] = detailOf(answer, stream, expected);
  error.setMessage(message);
  const details = new any.Any();
  details.pack(detail.serializeBinary(), name);
  error.setDetails(details);
  return error;
};

const detailOf = (
  answer: Exclude<Answer, { status: 'written' }>,
  stream: string,
  expected: Expected,
): readonly [message: string, name: string, detail: Message] => {
  if (answer.status === 'conflict') {
    const conflict = new shared.WrongExpectedVersion();
    if (answer.actual === NO_STREAM) conflict.setCurrentNoStream(new empty.Empty());
    else conflict.setCurrentStreamRevision(String(answer.actual));
    if (expected === NO_STREAM) conflict.setExpectedNoStream(new empty.Empty());
    else if (typeof expected === 'number') conflict.setExpectedStreamPosition(String(expected));
    return ['WrongExpectedVersion', 'event_store.client.WrongExpectedVersion', conflict];
  }
  if (answer.status === 'deleted') {
    const deleted = new shared.StreamDeleted();
    const identifier = new shared.StreamIdentifier();
    identifier.setStreamName(Buffer.from(stream));
    deleted.setStreamIdentifier(identifier);
    return ['StreamDeleted', 'event_store.client.StreamDeleted', deleted];
  }
  if (answer.status === 'refused' && answer.reason === 'too-large') {
    const tooLarge = new shared.MaximumAppendSizeExceeded();
    tooLarge.setMaxappendsize(APPEND_BYTES_MAX);
    return ['MaximumAppendSizeExceeded', 'event_store.client.MaximumAppendSizeExceeded', tooLarge];
  }
  if (answer.status === 'refused' && answer.reason === 'bad-request') {
    return ['BadRequest', 'event_store.client.BadRequest', new shared.BadRequest()];
  }
  if (answer.status === 'refused' && answer.reason === 'not-ready') {
    return ['Server Is Not Ready', 'google.protobuf.Empty', new empty.Empty()];
  }
  return ['Timeout', 'event_store.client.Timeout', new shared.Timeout()];
};
