import { createServer, type IncomingMessage } from "node:http";

export type Handler = (request: Request) => Promise<Response>;

/** Serves a web-standard handler on loopback; resolves with how to stop it. */
export async function serve(address: string, handler: Handler): Promise<() => void> {
  const { port, hostname } = new URL(address);
  const server = createServer(async (incoming, outgoing) => {
    try {
      const response = await handler(await toRequest(address, incoming));
      outgoing.writeHead(response.status, headersOf(response));
      outgoing.end(await response.text());
    } catch (error) {
      console.error(error);
      outgoing.writeHead(500).end();
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(Number(port), hostname, resolve);
  });
  return () => {
    server.close();
    server.closeAllConnections();
  };
}

async function toRequest(address: string, incoming: IncomingMessage): Promise<Request> {
  const headers = new Headers();
  for (const [name, value] of Object.entries(incoming.headers))
    for (const one of [value ?? []].flat()) headers.append(name, one);
  const { method = "GET" } = incoming;
  const chunks: Uint8Array[] = [];
  for await (const chunk of incoming) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  const hasBody = method !== "GET" && method !== "HEAD" && body.length > 0;
  return new Request(new URL(incoming.url ?? "/", address), {
    method,
    headers,
    ...(hasBody ? { body } : {}),
  });
}

/** Cookies stay apart; everything else is one line each. */
function headersOf(response: Response): Record<string, string | string[]> {
  return { ...Object.fromEntries(response.headers), "set-cookie": response.headers.getSetCookie() };
}
