import { Module, type DynamicModule } from '@nestjs/common';
import { HttpModule } from '../http/http.module.js';
import { DefinitionSchemaText } from './definition-schema-text.js';
import { DocsController } from './docs.controller.js';
import { OpenApiText } from './openapi-text.js';
import { ProblemsController } from './problems.controller.js';

/** What is told of the API: the OpenAPI document, Swagger UI, what a problem means. */
@Module({ imports: [HttpModule], controllers: [ProblemsController, DocsController], providers: [DefinitionSchemaText] })
export class DocsModule {
  static of(describe: () => Promise<object>): DynamicModule {
    return { module: DocsModule, providers: [{ provide: OpenApiText, useFactory: () => new OpenApiText(describe) }] };
  }
}
