import {
  ForbiddenException,
  HttpException,
  Injectable,
  type CallHandler,
  type CanActivate,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { APP_GUARD, APP_INTERCEPTOR } from '@nestjs/core';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { Observable } from 'rxjs';
import { startTestApi, type TestApi } from '../../testing/test-api.js';
import { PROBLEM_TYPE } from './problems.js';

let api: TestApi;
afterEach(() => api.stop());

/** Refuses every request as `refusal` says: by `false`, which Nest makes a 403 of, or by what it throws. */
const guardThat = (refusal: () => boolean) => {
  @Injectable()
  class Guard implements CanActivate {
    canActivate(): boolean {
      return refusal();
    }
  }
  return { provide: APP_GUARD, useClass: Guard };
};

const seen: string[] = [];
@Injectable()
class Watch implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const { method, routeOptions } = context
      .switchToHttp()
      .getRequest<{ method: string; routeOptions: { url: string } }>();
    seen.push(`${method} ${routeOptions.url}`);
    return next.handle();
  }
}

/** A good request to every route of the app. */
const requests = (): { readonly route: string; readonly url: string; readonly init: RequestInit }[] =>
  api.adapter.routes.entries().flatMap(({ url, methods }) =>
    methods.map((method) => {
      const takesBody = method === 'POST' || method === 'PUT';
      const headers = {
        'content-type': 'application/json',
        'idempotency-key': `${method} ${url}`.replaceAll(' ', '-'),
      };
      return {
        route: `${method} ${url}`,
        url: `${api.url}${url.replace(/:(\w+)/g, 'some-$1').replace('*', 'swagger-ui.css')}`,
        init: { method, ...(takesBody ? { headers, body: '{"workflow":"welcome"}' } : {}) },
      };
    }),
  );

describe('the one pipeline of all routes', () => {
  it('refuses every request by a guard of the app, starts among them', async () => {
    api = await startTestApi({ unplanned: true, providers: [guardThat(() => false)] });
    expect(requests().map(({ route }) => route)).toEqual(
      expect.arrayContaining(['POST /v1/runs', 'GET /livez', 'GET /docs/*', 'DELETE /v1/workflows/:name']),
    );
    for (const { route, url, init } of requests()) {
      const answer = await fetch(url, init);
      expect([route, answer.status, answer.headers.get('content-type')]).toEqual([route, 403, PROBLEM_TYPE]);
      if (init.method !== 'HEAD') {
        expect([route, await answer.json()]).toEqual([
          route,
          expect.objectContaining({ status: 403, code: 'forbidden' }),
        ]);
      }
    }
    expect(await api.engine.load('welcome' as never)).toBeNull();
  });

  it('shows every request to an interceptor of the app', async () => {
    api = await startTestApi({ providers: [{ provide: APP_INTERCEPTOR, useClass: Watch }] });
    seen.length = 0;
    for (const { url, init } of requests()) await (await fetch(url, { ...init, redirect: 'manual' })).text();
    expect(seen).toEqual(requests().map(({ route }) => route));
  });

  it.each([
    [400, 'bad-request'],
    [401, 'unauthorized'],
    [402, 'request-refused'],
    [403, 'forbidden'],
    [405, 'method-not-allowed'],
    [406, 'not-acceptable'],
    [408, 'request-timeout'],
    [409, 'conflict'],
    [410, 'request-refused'],
    [411, 'request-refused'],
    [412, 'precondition-failed'],
    [413, 'payload-too-large'],
    [414, 'uri-too-long'],
    [415, 'unsupported-media-type'],
    [417, 'expectation-failed'],
    [418, 'request-refused'],
    [421, 'request-refused'],
    [422, 'request-refused'],
    [428, 'request-refused'],
    [429, 'too-many-requests'],
    [431, 'header-too-large'],
    [451, 'request-refused'],
    [500, 'internal-error'],
    [501, 'request-failed'],
    [502, 'request-failed'],
    [503, 'overloaded'],
    [504, 'request-failed'],
    [507, 'storage-full'],
  ])('answers an HttpException of status %i with that status, as %s', async (status, code) => {
    const refuse = () => {
      throw new HttpException('Said by a guard.', status);
    };
    api = await startTestApi({ unplanned: true, providers: [guardThat(refuse)] });
    const headers = { 'content-type': 'application/json', 'idempotency-key': 'k' };
    const answer = await fetch(`${api.url}/v1/runs`, { method: 'POST', headers, body: '{"workflow":"welcome"}' });
    expect([answer.status, answer.headers.get('content-type')]).toEqual([status, PROBLEM_TYPE]);
    const detail = status >= 500 ? expect.any(String) : 'Said by a guard.';
    expect(await answer.json()).toMatchObject({ status, code, detail, type: `/problems/${code}` });
  });

  it('says of a refusal what the exception says', async () => {
    const refuse = () => {
      throw new ForbiddenException('Not from here.');
    };
    api = await startTestApi({ unplanned: true, providers: [guardThat(refuse)] });
    expect(await (await fetch(`${api.url}/v1/node`)).json()).toMatchObject({
      code: 'forbidden',
      detail: 'Not from here.',
    });
  });
});
