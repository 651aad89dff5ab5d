import type { StepKey } from '#domain';
import type { ParkedRun } from '#engine';
import { sha256Hex } from '#runtime';
import { PayloadTexts, type RunView, type ShownPayload } from './payload-json.js';
import type { ShownRun } from './shown-runs.js';
import { stepsMembers, stepText, stepTree } from './step-json.js';
import { errorText, instantText, textOrNull, waitingText } from './waiting-json.js';

/** So many of what its steps wait for stand in the document of a run. */
const WAITS_SHOWN_MAX = 100;

/**
 * A run as the JSON text of the API. Assembled from stored payload text: no payload is parsed or serialised again, and a
 * run of three steps takes some microseconds. `slim` shows the steps that were entered, `full` those that may still come too.
 * `output`: whether the run's own is whole, however long. Of many steps the first are shown, and how many there are.
 */
export const runText = (shown: ShownRun, view: RunView = 'full', output: 'cut' | 'whole' = 'cut'): string => {
  const { history } = shown;
  const { started } = history;
  const payloads = new PayloadTexts(view, started.id);
  const input = { revision: 0, pointer: '/input', text: started.input };
  const variables = { revision: 0, pointer: '/variables', text: started.variables };
  return (
    `{"id":"${started.id}` +
    `","key":${textOrNull(started.key)}` +
    `,"workflow":${textOrNull(started.workflow)}` +
    `,"version":${JSON.stringify(started.version)}` +
    // Names, of letters, digits, "_" and "-" alone.
    `,"namespace":"${started.namespace}"` +
    `,"queue":"${started.queue}"` +
    `,"tags":${JSON.stringify(started.tags)}` +
    `,"variables":${payloads.ofRun(variables, 'variables')}` +
    `,"correlationId":${textOrNull(started.correlationId)}` +
    `,"requestor":${textOrNull(started.requestor)}` +
    `,"duplicateStarts":{"count":${history.duplicates.count},"refused":${history.duplicates.refused}}` +
    `,"status":"${history.status}` +
    `","reason":${textOrNull(history.reason)}` +
    `,"input":${payloads.ofRun(input, 'input')}` +
    `,"output":${history.output === null ? 'null' : outputText(history.output, payloads, output)}` +
    `,"error":${errorText(history.error)}` +
    `,"createdAt":"${history.startedAt}` +
    `","finishedAt":${instantText(history.finishedAt)}` +
    `,"resolved":${history.status === 'completed' || history.status === 'cancelled'}` +
    `,"parent":null,"revision":${history.revision}` +
    `,"parked":${parkedText(shown.parked)}` +
    `,"waiting":${waitingText(shown.waits.slice(0, WAITS_SHOWN_MAX))}` +
    `,"waitingTotal":${shown.waits.length}` +
    `,${stepsMembers(null, stepTree(shown, view, payloads))}` +
    '}'
  );
};

const outputText = (output: ShownPayload, payloads: PayloadTexts, shown: 'cut' | 'whole'): string =>
  shown === 'whole' ? payloads.whole(output, null, 'output') : payloads.ofRun(output, 'output');

/** One step with its attempts and the steps below it; `null` when the run has not entered it. */
export const stepDocument = (shown: ShownRun, key: StepKey): string | null => {
  const step = shown.history.steps.get(key);
  const payloads = new PayloadTexts('full', shown.history.started.id);
  return step === undefined ? null : stepText(step, stepTree(shown, 'full', payloads), true);
};

const parkedText = (parked: ParkedRun | null): string =>
  parked === null ? 'null' : `{"since":"${parked.since}","reason":${JSON.stringify(parked.reason)}}`;

/**
 * The entity tag of a run's document. The revision says all of it but what its steps wait for and whether it is parked, which may
 * change without an event.
 */
export const runTag = (
  { revision }: { readonly revision: number },
  { waits, parked }: Pick<ShownRun, 'waits' | 'parked'>,
  view: RunView,
): string => {
  if (waits.length === 0 && parked === null) return `"${revision}-${view}"`;
  const waiting = `${parkedText(parked)}${waits.length}${waitingText(waits.slice(0, WAITS_SHOWN_MAX))}`;
  return `"${revision}-${view}-${sha256Hex(waiting).slice(0, 16)}"`;
};

/** A tag of any view of a run says its revision; what its steps waited for is no part of what was seen of it. */
export const RUN_TAG = /^"(0|[1-9]\d{0,8})-(?:full|slim)(?:-[0-9a-f]{16})?"$/;
