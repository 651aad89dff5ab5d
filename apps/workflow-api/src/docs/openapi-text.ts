/** The OpenAPI document of the running server as JSON text, made when it is first asked for. */
export class OpenApiText {
  readonly #create: () => Promise<object>;
  #text: Promise<string> | null = null;

  constructor(create: () => Promise<object>) {
    this.#create = create;
  }

  text(): Promise<string> {
    return (this.#text ??= this.#create().then((document) => JSON.stringify(document)));
  }
}
