import { Module } from '@nestjs/common';
import { DocsModule } from './docs/docs.module.js';
import { createOpenApiDocument, type OpenApiDocument } from './docs/openapi-document.js';
import { NodeModule } from './node/node.module.js';
import { RunsModule } from './runs/runs.module.js';
import { StepsModule } from './steps/steps.module.js';
import { WorkflowsModule } from './workflows/workflows.module.js';

export { createApiAdapter, openApi } from './http/api-adapter.js';
export { TriggerModule } from './runs/trigger.module.js';

const FEATURES = [WorkflowsModule, RunsModule, StepsModule, NodeModule];

/** The OpenAPI document of all endpoints. */
export const describeApi = (): Promise<OpenApiDocument> => createOpenApiDocument([...FEATURES, DocsModule]);

/** The HTTP API. */
@Module({ imports: [...FEATURES, DocsModule.of(describeApi)] })
export class WorkflowApiModule {}
