import { Inject, Injectable } from '@nestjs/common';
import { definitionSchema } from '#domain';
import type { Config } from '#runtime';
import { CONFIG } from '../../../modules/src/tokens.js';

/** The JSON Schema of definitions under the limits of this process, as text. */
@Injectable()
export class DefinitionSchemaText {
  readonly text: string;

  constructor(@Inject(CONFIG) { limits }: Config) {
    this.text = JSON.stringify(definitionSchema(limits));
  }
}
