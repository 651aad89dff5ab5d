import { MetricsPage, NodeInfo } from '#runtime';
import { DocsController } from './docs/docs.controller.js';
import { OpenApiText } from './docs/openapi-text.js';
import { ProblemsController } from './docs/problems.controller.js';
import { HealthController } from './node/health.controller.js';
import { MetricsController } from './node/metrics.controller.js';
import { NodeController } from './node/node.controller.js';
import { Health } from './parts.js';
import { EventStreams } from './runs/event-streams.js';
import { RunReader } from './runs/run-reader.js';
import { RunsController } from './runs/runs.controller.js';
import { StartRunRoute } from './runs/start-run.js';
import { StepReader } from './steps/step-reader.js';
import { StepsController } from './steps/steps.controller.js';
import { WorkflowReader } from './workflows/workflow-reader.js';
import { WorkflowWriter } from './workflows/workflow-writer.js';
import { WorkflowsController } from './workflows/workflows.controller.js';

/** Every controller of the app, for its module and for its document. */
export const CONTROLLERS = [
  WorkflowsController,
  RunsController,
  StepsController,
  NodeController,
  HealthController,
  MetricsController,
  ProblemsController,
  DocsController,
] as const;

/** All that the controllers are given: the document needs their names, though it never calls them. */
export const CONTROLLER_NEEDS = [
  WorkflowReader,
  WorkflowWriter,
  StartRunRoute,
  RunReader,
  StepReader,
  EventStreams,
  Health,
  NodeInfo,
  MetricsPage,
  OpenApiText,
] as const;
