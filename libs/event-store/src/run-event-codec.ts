import type { PayloadRef, RunEvent, StepCompleted } from '#domain';
import { endOfValue, memberTexts } from '#runtime';
import type { NewEvent } from './event-store.js';

/** The log holds an event that this version does not know, or a shape of it that has no upcaster. */
export class UnknownEvent extends Error {
  readonly code = 'unknown-event';
  readonly retryable = false;

  constructor(
    readonly type: string,
    readonly v: number,
  ) {
    super(`no reader for event ${type} version ${v}`);
  }
}

const VERSION = 1;

/**
 * An event of a run as it is stored. Payloads go in as the text they are; a payload that lives elsewhere is named by
 * `inputRef`, `outputRef` or `outputRefs`, so that (revision, pointer) is true of the stored JSON to the letter.
 */
export const encodeRunEvent = (event: RunEvent): NewEvent => ({ type: event.type, v: VERSION, data: encoded(event) });

/**
 * An event of a run from its stored form. The doorway where upcasters stand: `v` picks the reader. Payloads are cut out as the
 * texts that they are.
 */
export const decodeRunEvent = (type: string, v: number, data: string): RunEvent => {
  const reader = v === VERSION ? READERS.get(type) : undefined;
  if (reader === undefined) throw new UnknownEvent(type, v);
  return reader(data);
};

/** Plain members are JSON; only what is or may be a payload is put together by hand, on the hot path all of it. */
const encoded = (event: RunEvent): string => {
  switch (event.type) {
    case 'RunStarted': {
      const { type: _, variables, input, ...plain } = event;
      return `${JSON.stringify(plain).slice(0, -1)},"variables":${variables},"input":${input}}`;
    }
    case 'RunCompleted':
      return `{"outputRef":${ref(event.output)}}`;
    case 'RunFailed':
      return `{"step":${name(event.step)},"error":${JSON.stringify(event.error)}}`;
    case 'RunCancelled':
      return `{"reason":${JSON.stringify(event.reason)}}`;
    case 'RunTimedOut':
      return `{"error":${JSON.stringify(event.error)}}`;
    case 'DuplicateStartsSeen':
      return `{"count":${event.count},"refused":${event.refused}}`;
    case 'StepEntered': {
      const { input } = event;
      const payload = 'constant' in input ? `"input":${input.constant}` : `"inputRef":${ref(input)}`;
      const request = event.request === null ? 'null' : requestText(event.request);
      return (
        `{"step":${name(event.step)},"node":${event.node},"name":${name(event.name)},"kind":${name(event.kind)},` +
        `"parent":${name(event.parent)},"branch":${event.branch},"branches":${event.branches},` +
        `"request":${request},"deadlineAt":${name(event.deadlineAt)},${payload}}`
      );
    }
    case 'StepCompleted': {
      const { output } = event;
      return `{"step":${name(event.step)},"endsBranch":${event.endsBranch},${completedOutput(output)}}`;
    }
    case 'AttemptStarted':
      return (
        `{"step":${name(event.step)},"attempt":${event.attempt},` +
        `"dispatcher":${text(event.dispatcher)},"boot":${name(event.boot)}}`
      );
    case 'AttemptSucceeded':
      return (
        `{"step":${name(event.step)},"attempt":${event.attempt},` + `"status":${event.status},"output":${event.output}}`
      );
    case 'AttemptOutcomeUnknown':
      return `{"step":${name(event.step)},"attempt":${event.attempt}}`;
    case 'DuesMoved':
    case 'StepFailed':
    case 'StepCancelled':
    case 'StepSkipped':
    case 'AttemptFailed':
    case 'RunArchived': {
      const { type: _, ...plain } = event;
      return JSON.stringify(plain);
    }
    default:
      return unreachable(event);
  }
};

/** Requests are of the plan's nodes, so their texts repeat with every run: kept as long as the plan is. */
const requestTexts = new WeakMap<object, string>();

const requestText = (request: object): string => {
  const known = requestTexts.get(request);
  if (known !== undefined) return known;
  const made = JSON.stringify(request);
  requestTexts.set(request, made);
  return made;
};

const completedOutput = (output: StepCompleted['output']): string => {
  if ('value' in output) return `"output":${output.value}`;
  return 'all' in output ? `"outputRefs":${JSON.stringify(output.all)}` : `"outputRef":${ref(output)}`;
};

const text = (value: string | null): string => JSON.stringify(value);
/** Step keys, names, kinds, boots and instants hold no character that JSON would escape. */
const name = (value: string | null): string => (value === null ? 'null' : `"${value}"`);
const ref = (source: PayloadRef): string => `{"revision":${source.revision},"pointer":"${source.pointer}"}`;

/** What `encodeRunEvent` made: shapes are for ever, and nothing else writes to a run's stream. */
type Stored = Record<string, unknown>;
type Reader = (data: string) => RunEvent;

const parsed = (data: string): Stored => JSON.parse(data) as Stored;

/** Members that the stored form holds as the event does. */
const plain =
  (type: RunEvent['type']): Reader =>
  (data) =>
    // The compiler cannot follow stored JSON; the golden file and the property hold the two together.
    ({ type, ...parsed(data) }) as RunEvent;

/** The members, those that are payloads as their texts. We write these last, so that the rest is parsed at once. */
const withPayloads = (data: string, payloads: readonly string[]): Stored => {
  let at = data.indexOf(`,"${payloads[0]}":`);
  const rest = `${data.slice(0, at)}}`;
  const texts: string[] = [];
  for (const name of payloads) {
    const mark = `,"${name}":`;
    // Not there, of another member that holds one of this name, or not last: others have written the JSON anew.
    if (!data.startsWith(mark, at)) return rewritten(data, payloads);
    const end = endOfValue(data, at + mark.length);
    texts.push(data.slice(at + mark.length, end));
    at = end;
  }
  if (at !== data.length - 1) return rewritten(data, payloads);
  const members = parsed(rest);
  for (let index = 0; index < payloads.length; index++) members[payloads[index]!] = texts[index];
  return members;
};

const rewritten = (data: string, payloads: readonly string[]): Stored => {
  const members: Stored = {};
  for (const [name, text] of memberTexts(data)) members[name] = payloads.includes(name) ? text : JSON.parse(text);
  return members;
};

const READERS_BY_TYPE: Readonly<Record<RunEvent['type'], Reader>> = {
  // As in `plain`.
  RunStarted: (data) => ({ type: 'RunStarted', ...withPayloads(data, ['variables', 'input']) }) as RunEvent,
  RunCompleted: (data) => ({ type: 'RunCompleted', output: parsed(data)['outputRef'] }) as RunEvent,
  RunFailed: plain('RunFailed'),
  RunCancelled: plain('RunCancelled'),
  RunTimedOut: plain('RunTimedOut'),
  DuplicateStartsSeen: plain('DuplicateStartsSeen'),
  DuesMoved: plain('DuesMoved'),
  StepEntered: (data) => {
    // Most are given what flows in, and name it.
    const isConstant = data.includes('"input":');
    const { input, inputRef, ...stored } = isConstant ? withPayloads(data, ['input']) : parsed(data);
    return { type: 'StepEntered', ...stored, input: inputRef ?? { constant: input } } as RunEvent;
  },
  StepCompleted: (data) => {
    // As above: most name the answer.
    const isValue = data.includes('"output":');
    const { output, outputRef, outputRefs, ...stored } = isValue ? withPayloads(data, ['output']) : parsed(data);
    const elsewhere = outputRefs === undefined ? outputRef : { all: outputRefs };
    return { type: 'StepCompleted', ...stored, output: elsewhere ?? { value: output } } as RunEvent;
  },
  StepFailed: plain('StepFailed'),
  StepCancelled: plain('StepCancelled'),
  StepSkipped: plain('StepSkipped'),
  AttemptStarted: plain('AttemptStarted'),
  AttemptSucceeded: (data) => ({ type: 'AttemptSucceeded', ...withPayloads(data, ['output']) }) as RunEvent,
  AttemptFailed: plain('AttemptFailed'),
  AttemptOutcomeUnknown: plain('AttemptOutcomeUnknown'),
  RunArchived: plain('RunArchived'),
};
const READERS: ReadonlyMap<string, Reader> = new Map(Object.entries(READERS_BY_TYPE));

/** The types of all events of runs that this version knows. */
export const RUN_EVENT_TYPES: readonly string[] = Object.keys(READERS_BY_TYPE);

const unreachable = (event: never): never => {
  throw new Error(`no case for ${JSON.stringify(event)}`);
};
