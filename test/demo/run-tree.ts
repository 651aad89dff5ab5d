import type { AttemptShape, RunShape, StepShape } from '../support/shapes.js';
import { bold, cyan, dim, duration, green, padded, red, yellow } from './terminal.js';

const LABEL_WIDTH = 30;
const FATE_WIDTH = 42;
const BAR_WIDTH = 28;

/** A run as a tree: each step with its attempts, how long each took, and where it lies in the time of the run. */
export const runTree = (name: string, run: RunShape): readonly string[] => {
  const span: Span = { fromMs: Date.parse(run.createdAt), toMs: Date.parse(run.finishedAt ?? run.createdAt) };
  const head = `${bold(name)}  ${coloured(run.status)} in ${duration(span.toMs - span.fromMs)}  ${dim(`run ${run.id}`)}`;
  return [head, ...branches(run.steps, '', span)];
};

type Span = { readonly fromMs: number; readonly toMs: number };

const branches = (steps: readonly StepShape[], indent: string, span: Span): readonly string[] =>
  steps.flatMap((step, index) => {
    const last = index === steps.length - 1;
    const below = `${indent}${last ? '   ' : '│  '}`;
    return [
      stepLine(step, `${indent}${last ? '└─ ' : '├─ '}`, span),
      ...attemptLines(step, below, span),
      ...branches(step.steps, below, span),
    ];
  });

const stepLine = (step: StepShape, lead: string, span: Span): string => {
  const label = padded(dim(lead) + (step.type === 'step' ? step.name : `${step.name} ${dim(step.type)}`), LABEL_WIDTH);
  const fromMs = Date.parse(step.enteredAt ?? '');
  const toMs = Date.parse(step.finishedAt ?? '');
  const took = Number.isNaN(toMs - fromMs) ? '' : duration(toMs - fromMs);
  return `${label}${padded(coloured(step.status), FATE_WIDTH)}${took.padStart(8)}  ${step.type === 'step' ? '' : bar(fromMs, toMs, span, '─', dim)}`.trimEnd();
};

const attemptLines = (step: StepShape, below: string, span: Span): readonly string[] =>
  step.attempts.map((attempt) => {
    const label = padded(`${dim(below)}  attempt ${attempt.number}`, LABEL_WIDTH);
    const fromMs = Date.parse(attempt.startedAt);
    const toMs = Date.parse(attempt.endedAt ?? '');
    const took = Number.isNaN(toMs) ? '' : duration(toMs - fromMs);
    const ink = attempt.outcome === 'succeeded' ? green : red;
    return `${label}${padded(fate(attempt), FATE_WIDTH)}${took.padStart(8)}  ${bar(fromMs, toMs, span, '━', ink)}`.trimEnd();
  });

const fate = (attempt: AttemptShape): string => {
  const status = attempt.status === null ? '' : `${attempt.status} `;
  if (attempt.outcome === 'succeeded') return green(`${status}succeeded`);
  const again =
    attempt.retryAt === null || attempt.endedAt === null
      ? ''
      : `, again in ${duration(Date.parse(attempt.retryAt) - Date.parse(attempt.endedAt))}`;
  return `${red(`${status}${attempt.error?.name ?? attempt.outcome}`)}${yellow(again)}`;
};

const coloured = (status: string): string => {
  if (status === 'completed') return green(status);
  if (status === 'failed' || status === 'timed-out') return red(status);
  return status === 'running' ? cyan(status) : yellow(status);
};

/** Where a stretch of time lies in the whole run. */
const bar = (fromMs: number, toMs: number, span: Span, mark: string, ink: (text: string) => string): string => {
  if (Number.isNaN(fromMs) || Number.isNaN(toMs)) return '';
  const cell = (ms: number): number =>
    Math.floor((BAR_WIDTH * (ms - span.fromMs)) / Math.max(1, span.toMs - span.fromMs));
  const from = Math.min(Math.max(0, cell(fromMs)), BAR_WIDTH - 1);
  const to = Math.min(Math.max(from + 1, cell(toMs)), BAR_WIDTH);
  return `${dim('·'.repeat(from))}${ink(mark.repeat(to - from))}${dim('·'.repeat(BAR_WIDTH - to))}`;
};
