import { readCount, readDigits, readMessage, readPart, type TakeField } from './wire.js';

/** An event as the server hands it out, whoever has written it. */
export class ServerEvent {
  readonly type = 'event';
  id = '';
  stream = '';
  /** In the stream and in the log. */
  revision = 0;
  commit = 0;
  eventType = '';
  /** Milliseconds since the epoch, by the server's clock. */
  createdMs = 0;
  /** What its writer gave with it, and the event itself. */
  metadata = '';
  data = '';
}

/** How far the server has looked, where its filter lets nothing through; decimal text. */
class ServerCheckpoint {
  readonly type = 'checkpoint';
  commit = '0';
  prepare = '0';
}

/** What the server sends in a read, as far as it concerns a reader of events. */
export type ReadResponse = ServerEvent | ServerCheckpoint | { readonly type: 'other' };

const OTHER: ReadResponse = { type: 'other' };

/** A response of a read, from the bytes of a `ReadResp`. */
export const readResponse = (bytes: Buffer): ReadResponse => {
  const found = { response: OTHER };
  readMessage(bytes, found, takeResponse);
  return found.response;
};

const takeResponse: TakeField<{ response: ReadResponse }> = (found, field, reader) => {
  switch (field) {
    case 1: {
      const event = new ServerEvent();
      readPart(reader, event, takeEvent);
      // A link whose event is gone has none.
      if (event.stream !== '') found.response = event;
      return true;
    }
    case 3: {
      const checkpoint = new ServerCheckpoint();
      readPart(reader, checkpoint, takeCheckpoint);
      found.response = checkpoint;
      return true;
    }
    default:
      return false;
  }
};

const takeEvent: TakeField<ServerEvent> = (event, field, reader) => {
  if (field !== 1) return false;
  readPart(reader, event, takeRecorded);
  return true;
};

const takeRecorded: TakeField<ServerEvent> = (event, field, reader) => {
  switch (field) {
    case 1:
      readPart(reader, event, takeId);
      return true;
    case 2:
      readPart(reader, event, takeStreamName);
      return true;
    case 3:
      event.revision = readCount(reader);
      return true;
    case 5:
      event.commit = readCount(reader);
      return true;
    case 6: {
      const property = { name: '', value: '' };
      readPart(reader, property, takeProperty);
      if (property.name === 'type') event.eventType = property.value;
      else if (property.name === 'created') event.createdMs = millisecondsOf(property.value);
      return true;
    }
    case 7:
      event.metadata = reader.string();
      return true;
    case 8:
      event.data = reader.string();
      return true;
    default:
      return false;
  }
};

/** Of the server's ticks, of which a millisecond has 10,000: more than JavaScript counts to. */
const millisecondsOf = (ticks: string): number => Number(ticks.slice(0, -4)) || 0;

const takeId: TakeField<ServerEvent> = (event, field, reader) => {
  if (field !== 2) return false;
  event.id = reader.string();
  return true;
};

const takeProperty: TakeField<{ name: string; value: string }> = (property, field, reader) => {
  switch (field) {
    case 1:
      property.name = reader.string();
      return true;
    case 2:
      property.value = reader.string();
      return true;
    default:
      return false;
  }
};

const takeStreamName: TakeField<ServerEvent> = (event, field, reader) => {
  if (field !== 3) return false;
  event.stream = reader.string();
  return true;
};

const takeCheckpoint: TakeField<ServerCheckpoint> = (checkpoint, field, reader) => {
  switch (field) {
    case 1:
      checkpoint.commit = readDigits(reader);
      return true;
    case 2:
      checkpoint.prepare = readDigits(reader);
      return true;
    default:
      return false;
  }
};
