import type { Batch, RunListQuery, StepListQuery } from '../view-store.js';

export type ThreadOptions = { readonly folder: string };

export type Question =
  | { readonly type: 'checkpoint' }
  | { readonly type: 'apply'; readonly batch: Batch }
  | { readonly type: 'list-runs'; readonly query: RunListQuery }
  | { readonly type: 'list-steps'; readonly query: StepListQuery }
  | { readonly type: 'parked' }
  | { readonly type: 'stop' };

export type Request = Question & { readonly id: number };

export type Reply =
  | { readonly ready: true }
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: unknown };
