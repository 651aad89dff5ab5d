/** The OpenAPI document of the running server as JSON text, made when it is first asked for. */
export abstract class OpenApiText {
  abstract text(): Promise<string>;
}
