import { endOfValue, isLongerThan, type JsonText, type StepKey } from '#domain';

/** `slim` has no payloads, and the steps that were entered; `full` has payloads, and the steps that may still come. */
export type RunView = 'slim' | 'full';

/** Of a payload in the document of a run; the whole is fetched by itself. */
const SHOWN_BYTES_MAX = 16 * 1024;
/** What is no longer is written out wherever it flows: the note that it was shown before is hardly shorter. */
const REPEATED_CHARS_MAX = 1_024;
/** The one member of an object that stands where a payload would. */
const CUT = 'stepwell:cut';

type StepMember = 'input' | 'output' | 'mapped';

/** A payload and which it is: the same payload has the same place in the run's stream, however often it is shown. */
export type ShownPayload = {
  readonly revision: number;
  readonly pointer: string;
  readonly text: JsonText;
};

/**
 * Writes the payloads of one document of a run, each large one once. `step` and `member` say where: `null` is the run itself,
 * whose id as people see it stands in the addresses of what is cut.
 */
export class PayloadTexts {
  /** What to write where a payload stands again. */
  private readonly shown = new Map<string, string>();

  constructor(
    readonly view: RunView,
    private readonly run: string,
  ) {}

  /** A payload that is never cut: that of a step which is asked for alone, and the output that somebody has waited for. */
  whole(payload: ShownPayload, step: StepKey | null, member: StepMember): string {
    if (this.view === 'slim') return 'null';
    if (payload.text.length > REPEATED_CHARS_MAX) this.remember(payload, step, member);
    return payload.text;
  }

  /** The run's own: as it is, or cut; never by another place. */
  ofRun(payload: ShownPayload, member: 'input' | 'output' | 'variables'): string {
    const { text } = payload;
    if (this.view === 'slim') return 'null';
    if (text.length > REPEATED_CHARS_MAX && member !== 'variables') this.remember(payload, null, member);
    return this.asIsOrCut(payload);
  }

  /** A step's payload: as it is, or cut, or by where it was shown. */
  ofStep(payload: ShownPayload, step: StepKey, member: StepMember): string {
    const { text } = payload;
    if (this.view === 'slim') return 'null';
    if (text.length > REPEATED_CHARS_MAX) {
      const again = this.shown.get(idOf(payload));
      if (again !== undefined) return again;
      this.remember(payload, step, member);
    }
    return this.asIsOrCut(payload);
  }

  private asIsOrCut(payload: ShownPayload): string {
    const { text } = payload;
    if (!isLongerThan(text, SHOWN_BYTES_MAX) && !looksCut(text)) return text;
    // Half a character may stand at the end of the cut.
    const begins = JSON.stringify(text.slice(0, SHOWN_BYTES_MAX).toWellFormed());
    return this.cut(payload, `"begins":${begins},"sameAs":null`);
  }

  private remember(payload: ShownPayload, step: StepKey | null, member: StepMember): void {
    const id = idOf(payload);
    if (this.shown.has(id)) return;
    const sameAs = `{"step":${JSON.stringify(step)},"member":"${member}"}`;
    this.shown.set(id, this.cut(payload, `"begins":null,"sameAs":${sameAs}`));
  }

  private cut(payload: ShownPayload, shown: string): string {
    const whole = JSON.stringify(payloadPath(this.run, payload));
    return `{"${CUT}":{"bytes":${Buffer.byteLength(payload.text)},${shown},"whole":${whole}}}`;
  }
}

/** The address of a payload: `GET` gives the whole of it. */
const payloadPath = (run: string, { revision, pointer }: ShownPayload): string =>
  `/v1/runs/${run}/payloads/${revision}?pointer=${encodeURIComponent(pointer).replaceAll('%2F', '/')}`;

const idOf = ({ revision, pointer }: ShownPayload): string => `${revision}${pointer}`;

/** Whether a payload is an object that could be taken for a cut of ours: it is shown as one, so that all of them are. */
const looksCut = (text: string): boolean => {
  if (!text.startsWith('{"')) return false;
  const first = text.charCodeAt(2);
  if (first !== 0x73 && first !== 0x5c) return false; // "s", or the beginning of an escape
  return JSON.parse(text.slice(1, endOfValue(text, 1))) === CUT;
};
