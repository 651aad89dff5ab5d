import { z } from 'zod';
import { CancelRequest } from '../runs/run-queries.js';
import { StartRequest } from '../runs/start-request.js';
import {
  AttemptShape,
  ErrorShape,
  EventListShape,
  EventShape,
  RequestShape,
  RunListItemShape,
  RunListShape,
  RunShape,
  StartedShape,
  StepShape,
  WaitShape,
} from './run-schemas.js';
import {
  LivenessShape,
  NodeShape,
  ProblemHelpShape,
  ProblemListShape,
  ProblemShape,
  ReadinessShape,
} from './service-schemas.js';

/** Every schema that has a name in the document. */
export const COMPONENTS = {
  StartRequest,
  CancelRequest,
  StartedRun: StartedShape,
  Run: RunShape,
  Step: StepShape,
  StepRequest: RequestShape,
  Attempt: AttemptShape,
  Wait: WaitShape,
  Error: ErrorShape,
  RunList: RunListShape,
  RunListItem: RunListItemShape,
  Event: EventShape,
  EventList: EventListShape,
  Problem: ProblemShape,
  ProblemHelp: ProblemHelpShape,
  ProblemList: ProblemListShape,
  Node: NodeShape,
  Readiness: ReadinessShape,
  Liveness: LivenessShape,
  OpenApi: z.looseObject({ openapi: z.string() }),
} as const satisfies Record<string, z.ZodType>;
