import { Module, type DynamicModule } from '@nestjs/common';
import { DispatcherModule, type DispatcherParts } from '../../dispatcher/src/dispatcher.module.js';
import { ProjectorModule, type ProjectorParts } from '../../projector/src/projector.module.js';
import {
  WorkflowApiModule,
  type HttpAdapter,
  type WorkflowApiParts,
} from '../../workflow-api/src/workflow-api.module.js';

/** The three apps in one process: the same modules, handed the same store. */
@Module({})
export class StandaloneModule {
  static with(parts: WorkflowApiParts & DispatcherParts & ProjectorParts, http: HttpAdapter): DynamicModule {
    return {
      module: StandaloneModule,
      imports: [ProjectorModule.with(parts), DispatcherModule.with(parts), WorkflowApiModule.with(parts, http)],
    };
  }
}
