import {
  endOfValue,
  parseJson,
  type JsonText,
  type AttemptSucceeded,
  type DuesMoved,
  type PayloadRef,
  type RunEvent,
  type RunStarted,
  type StepCompleted,
  type StepEntered,
  type ValuesComputed,
} from '#domain';
import { memberTexts } from '#runtime';
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

/**
 * An event of a run as it is stored. Payloads go in as the text they are; a payload that lives elsewhere is named by
 * `inputRef`, `outputRef` or `outputRefs`, so that (revision, pointer) is true of the stored JSON to the letter, and whoever reads
 * the stream by hand can follow it.
 */
export const encodeRunEvent = (event: RunEvent): NewEvent => {
  // A reason for the cast: the compiler does not see that the form is of the event's own type.
  const { v, write } = FORMS[event.type] as Form<RunEvent>;
  return { type: event.type, v, data: write(event) };
};

/**
 * An event of a run from its stored form, whichever version of it that is. Payloads are cut out as the texts that they are.
 */
export const decodeRunEvent = (type: string, v: number, data: string): RunEvent => {
  const read = READERS.get(type)?.[v];
  if (read === undefined) throw new UnknownEvent(type, v);
  return read(data);
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
// What few steps have is a member of theirs alone.
const policy = (id: StepEntered['policy']): string => (id === null ? '' : `"policy":${id},`);
const edge = (taken: StepCompleted['edge']): string =>
  taken === null ? '' : `"edge":{"index":${taken.index},"next":${taken.next}},`;
const slots = (of: StepEntered['slots']): string =>
  of === null ? 'null' : `{"count":${of.count},"window":${of.window}}`;
/** A member, and nothing where there is none. */
const rarely = (member: string, value: object | null): string =>
  value === null ? '' : `,"${member}":${JSON.stringify(value)}`;
const items = (of: ValuesComputed['items']): string =>
  of === null ? '' : 'value' in of ? `,"items":${of.value}` : `,"itemsRef":${ref(of)}`;
const ref = ({ revision, pointer }: PayloadRef): string => {
  // Most are one of the two: no character of them is escaped.
  const isPlain = pointer === '/output' || pointer === '/input';
  return `{"revision":${revision},"pointer":${isPlain ? `"${pointer}"` : text(pointer)}}`;
};

/** What `encodeRunEvent` made: shapes are for ever, and nothing else writes to a run's stream. */
type Stored = Record<string, unknown>;

const parsed = (data: string): Stored => parseJson(data) as Stored;

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
  for (const [name, text] of memberTexts(data)) members[name] = payloads.includes(name) ? text : parseJson(text);
  return members;
};

/** How events of a type are stored: written as version `v`, read in every version that a log may hold. */
type Form<Event extends RunEvent> = {
  readonly v: number;
  readonly write: (event: Event) => string;
  /** By version. That of an older one makes what the event means today of it. */
  readonly read: Readonly<Record<number, (data: string) => Event>>;
};

type Forms = { readonly [Type in RunEvent['type']]: Form<Extract<RunEvent, { readonly type: Type }>> };

/** Those that a completion may have, in their order. */
const COMPLETED_PAYLOADS = ['output', 'mapped'];

/** An event whose stored form has the members that it has, none of them a payload. */
const plain = <Type extends RunEvent['type']>(type: Type): Forms[Type] => {
  type Event = Extract<RunEvent, { readonly type: Type }>;
  const form: Form<Event> = {
    v: 1,
    write: (event) => {
      const { type: _, ...members } = event;
      return JSON.stringify(members);
    },
    // The compiler cannot follow stored JSON; the golden file and the property hold the two together.
    read: { 1: (data) => ({ type, ...parsed(data) }) as Event },
  };
  // As above: it does not see that the two are one type.
  return form as unknown as Forms[Type];
};

/**
 * The one table of what is stored. A shape is for ever: one that changes gets the next version, and a reader that makes the
 * event of today of the old one. What costs on the hot path is put together by hand; all that is or may be a payload stands last.
 */
const FORMS: Forms = {
  RunStarted: {
    v: 1,
    write: (event) => {
      const { type: _, variables, input, ...members } = event;
      return `${JSON.stringify(members).slice(0, -1)},"variables":${variables},"input":${input}}`;
    },
    // As in `plain`, and so in all readers below.
    read: { 1: (data) => ({ type: 'RunStarted', ...withPayloads(data, ['variables', 'input']) }) as RunStarted },
  },
  RunCompleted: {
    v: 1,
    write: ({ output, mapped }) => `{"outputRef":${ref(output)}${mapped === null ? '' : `,"mapped":${mapped}`}}`,
    read: {
      1: (data) => {
        const { outputRef, mapped = null } = data.includes('"mapped":') ? withPayloads(data, ['mapped']) : parsed(data);
        return { type: 'RunCompleted', output: outputRef as PayloadRef, mapped: mapped as JsonText | null };
      },
    },
  },
  RunFailed: plain('RunFailed'),
  RunCancelled: plain('RunCancelled'),
  RunTimedOut: plain('RunTimedOut'),
  DuplicateStartsSeen: plain('DuplicateStartsSeen'),
  DuesMoved: {
    v: 1,
    write: ({ retries, deadlines, timeoutAt, waits }) =>
      JSON.stringify({ retries, deadlines, timeoutAt, ...(waits.length > 0 && { waits }) }),
    read: { 1: (data) => ({ type: 'DuesMoved', waits: [], ...parsed(data) }) as unknown as DuesMoved },
  },
  StepEntered: {
    v: 1,
    write: ({ input, request, ...entered }) => {
      const payload = 'value' in input ? `"input":${input.value}` : `"inputRef":${ref(input)}`;
      return (
        `{"step":${name(entered.step)},"node":${entered.node},"name":${name(entered.name)},"kind":${name(entered.kind)},` +
        `"parent":${name(entered.parent)},"slot":${entered.slot},"slots":${slots(entered.slots)},` +
        `"request":${request === null ? 'null' : requestText(request)},${policy(entered.policy)}${entered.computes ? '"computes":true,' : ''}"deadlineAt":${name(entered.deadlineAt)},` +
        `"retriesEndAt":${name(entered.retriesEndAt)},${payload}}`
      );
    },
    read: {
      1: (data) => {
        // Most are given what flows in, and name it.
        const isValue = data.includes('"input":');
        const { input, inputRef, ...stored } = isValue ? withPayloads(data, ['input']) : parsed(data);
        return {
          type: 'StepEntered',
          policy: null,
          computes: false,
          ...stored,
          input: inputRef ?? { value: input },
        } as StepEntered;
      },
    },
  },
  ValuesComputed: {
    v: 1,
    write: (event) =>
      `{"step":${name(event.step)}${rarely('request', event.request)}${rarely('slots', event.slots)}` +
      `${rarely('wait', event.wait)}${items(event.items)}}`,
    read: {
      1: (data) => {
        const isValue = data.includes('"items":');
        const { items: value, itemsRef, ...stored } = isValue ? withPayloads(data, ['items']) : parsed(data);
        const read = itemsRef ?? (value === undefined ? null : { value });
        return {
          type: 'ValuesComputed',
          request: null,
          slots: null,
          wait: null,
          ...stored,
          items: read,
        } as ValuesComputed;
      },
    },
  },
  SlotOpened: plain('SlotOpened'),
  WaitEnded: plain('WaitEnded'),
  StepCompleted: {
    v: 1,
    write: ({ step, endsSlot, edge: taken, output, mapped, as }) =>
      `{"step":${name(step)},"endsSlot":${endsSlot},${edge(taken)}${as === null ? '' : `"as":${name(as)},`}${completedOutput(output)}${mapped === null ? '' : `,"mapped":${mapped}`}}`,
    read: {
      1: (data) => {
        // As above: most name the answer, and nothing is made of it.
        const payloads = COMPLETED_PAYLOADS.filter((member) => data.includes(`"${member}":`));
        const read = payloads.length === 0 ? parsed(data) : withPayloads(data, payloads);
        const { output, outputRef, outputRefs, ...stored } = read;
        const elsewhere = outputRefs === undefined ? outputRef : { all: outputRefs };
        return {
          type: 'StepCompleted',
          edge: null,
          mapped: null,
          as: null,
          ...stored,
          output: elsewhere ?? { value: output },
        } as StepCompleted;
      },
    },
  },
  StepFailed: plain('StepFailed'),
  StepCancelled: plain('StepCancelled'),
  StepSkipped: plain('StepSkipped'),
  AttemptStarted: {
    v: 1,
    write: ({ step, attempt, dispatcher, boot }) =>
      `{"step":${name(step)},"attempt":${attempt},"dispatcher":${text(dispatcher)},"boot":${name(boot)}}`,
    read: plain('AttemptStarted').read,
  },
  AttemptSucceeded: {
    v: 1,
    write: ({ step, attempt, status, output }) =>
      `{"step":${name(step)},"attempt":${attempt},"status":${status},"output":${output}}`,
    read: { 1: (data) => ({ type: 'AttemptSucceeded', ...withPayloads(data, ['output']) }) as AttemptSucceeded },
  },
  AttemptFailed: plain('AttemptFailed'),
  AttemptOutcomeUnknown: plain('AttemptOutcomeUnknown'),
  RunArchived: plain('RunArchived'),
  // Never written: so an adapter shows what somebody else has.
  Foreign: plain('Foreign'),
};
const READERS: ReadonlyMap<string, Form<RunEvent>['read']> = new Map(
  Object.entries(FORMS).map(([type, { read }]) => [type, read]),
);

/** The types of all events of runs that this version knows. */
export const RUN_EVENT_TYPES: readonly string[] = Object.keys(FORMS);
