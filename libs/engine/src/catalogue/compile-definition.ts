import {
  compileTree,
  type CompileLimits,
  type DefinitionFormat,
  type DefinitionSource,
  type Finding,
  type Plan,
} from '#domain';
import { APPEND_BYTES_MAX } from '#event-store';
import { canonicalJson, sha256Hex } from '#runtime';
import { toStoredPlan } from './stored-plan.js';

/** For the envelope and the members beside the document. */
const EVENT_SLACK_BYTES = 64 * 1024;

/** A definition's body: parsed once, at the edge; the text is kept as it came. */
export type DefinitionBody = {
  readonly document: unknown;
  /** The document once more, with a `NumberAsWritten` where JavaScript would write a number in another way. Absent: there is none. */
  readonly written?: unknown;
  readonly text: string;
  readonly format: DefinitionFormat;
};

export type CompiledDefinition =
  | {
      readonly status: 'compiled';
      readonly plan: Plan;
      readonly source: Omit<DefinitionSource, 'plan'>;
      /** Warnings alone. */
      readonly findings: readonly Finding[];
    }
  | { readonly status: 'invalid'; readonly findings: readonly Finding[] };

/** Compiles a definition into what is stored of it. Total: what cannot be stored is a finding too. */
export const compileDefinition = (body: DefinitionBody, limits: CompileLimits): CompiledDefinition => {
  const { document, written = document, text, format } = body;
  const tooLarge = sizeFinding(text, limits);
  if (tooLarge !== null) return { status: 'invalid', findings: [tooLarge] };
  const { plan, tags, description, findings } = compileTree(document, limits, written);
  if (plan === null) return { status: 'invalid', findings };
  const planBytes = Buffer.byteLength(JSON.stringify(toStoredPlan(plan)));
  if (planBytes > limits.definitionMaxBytes) {
    const detail = `The plan of this definition takes ${planBytes} bytes in the log, at most ${limits.definitionMaxBytes} are allowed`;
    return { status: 'invalid', findings: [...findings, largeDocument(detail)] };
  }
  const contentHash = sha256Hex(canonicalJson(written));
  return { status: 'compiled', plan, source: { contentHash, format, document: text, description, tags }, findings };
};

const sizeFinding = (text: string, limits: CompileLimits): Finding | null => {
  const bytes = Buffer.byteLength(text);
  if (bytes > limits.definitionMaxBytes) {
    return largeDocument(`The definition takes ${bytes} bytes, at most ${limits.definitionMaxBytes} are allowed`);
  }
  // Quotes and line ends take two bytes each inside the event.
  const storedMaxBytes = APPEND_BYTES_MAX - EVENT_SLACK_BYTES;
  if (bytes * 2 < storedMaxBytes) return null;
  const storedBytes = Buffer.byteLength(JSON.stringify(text));
  if (storedBytes <= storedMaxBytes) return null;
  return largeDocument(
    `The definition takes ${storedBytes} bytes in the log, with quotes and line ends escaped, at most ${storedMaxBytes} are allowed`,
  );
};

const largeDocument = (detail: string): Finding => ({ severity: 'error', pointer: '', detail, suggestion: null });
