import { Module } from '@nestjs/common';
import { HttpModule } from '../http/http.module.js';
import { CataloguePlans } from './catalogue-plans.js';
import { WorkflowReader } from './workflow-reader.js';
import { WorkflowWriter } from './workflow-writer.js';
import { WorkflowsController } from './workflows.controller.js';

/** Workflows: published, drafted, read, archived; and their plans, for who starts runs. */
@Module({
  imports: [HttpModule],
  controllers: [WorkflowsController],
  providers: [WorkflowReader, WorkflowWriter, CataloguePlans],
  exports: [CataloguePlans],
})
export class WorkflowsModule {}
