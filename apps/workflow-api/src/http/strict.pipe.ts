import { Injectable, type ArgumentMetadata, type PipeTransform } from '@nestjs/common';
import { z } from 'zod';
import { parseJsonText, parseQuery, parseValue } from './json-body.js';

/** Parses every parameter that has a schema, once: what comes out is a command's part, or a problem is thrown. */
@Injectable()
export class StrictPipe implements PipeTransform {
  transform(given: unknown, { type, schema, data }: ArgumentMetadata): unknown {
    if (!(schema instanceof z.ZodType)) return given;
    if (type === 'query') return parseQuery(schema, given);
    if (type !== 'body') return parseParameter(schema, data ?? 'parameter', given);
    // The body comes as bytes; one that was not sent is left to the schema.
    const bytes = Buffer.isBuffer(given) && given.length > 0 ? given : null;
    return parseValue(schema, bytes === null ? undefined : parseJsonText(bytes).value);
  }
}

const parseParameter = (schema: z.ZodType, name: string, given: unknown): unknown =>
  Object.values(parseQuery(z.object({ [name]: schema }), { [name]: given }))[0];
