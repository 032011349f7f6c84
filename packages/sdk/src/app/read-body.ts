import { BehalfError } from "../errors.ts";

/**
 * The body as text.
 * @throws BehalfError `session.body_too_large`
 */
export async function readBody(request: Request, maxBytes: number): Promise<string> {
  if (!request.body) return "";
  const decoder = new TextDecoder();
  let bytes = 0;
  let text = "";
  for await (const chunk of request.body) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) {
      throw new BehalfError("session.body_too_large", `The body has more than ${maxBytes} bytes.`);
    }
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}
