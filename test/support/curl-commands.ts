/** The curl commands in the fenced shell blocks of a page, each as one text. */
export const curlCommands = (page: string): string[] =>
  [...page.matchAll(/^```sh\n([\s\S]*?)^```/gm)]
    .flatMap(([, block = '']) => commandsOf(block))
    .filter((line) => line.startsWith('curl '));

/** Lines, but for those that a quote or a backslash goes on from. */
const commandsOf = (block: string): string[] => {
  const commands: string[] = [];
  let open = '';
  for (const line of block.split('\n')) {
    open += open === '' ? line : `\n${line}`;
    if (open.split("'").length % 2 === 0 || open.endsWith('\\')) continue;
    commands.push(open.replaceAll('\\\n', ' '));
    open = '';
  }
  return commands;
};

/** What a shell and curl make of a command, as far as our pages go: no quotes but single ones, few options. */
export const curlRequest = (command: string) => {
  const words = [...command.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? '').slice(1);
  const headers: Record<string, string> = {};
  let method = 'GET';
  let body: string | undefined;
  let url = '';
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    if (word === '-X') method = words.shift() ?? '';
    else if (word === '-d' || word === '--data-binary') body = words.shift();
    else if (word === '-H') {
      const [name = '', ...value] = (words.shift() ?? '').split(': ');
      headers[name] = value.join(': ');
    } else if (word !== '-N') url = word;
  }
  return { method, url, headers, body };
};
