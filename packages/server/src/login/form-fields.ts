import { httpError } from "../http/errors.ts";
import { readText } from "../http/limits.ts";

const FORM_TYPE = /^application\/x-www-form-urlencoded\s*(;|$)/i;
/** The forms have a few short fields, and an address to go on to. */
const MAX_FORM_BYTES = 16 * 1024;

/**
 * The fields of a posted form, each once: of two answers neither counts.
 * @throws ApiError `request.unsupported_media_type`, `request.too_large`, `request.invalid`
 */
export async function readFields(request: Request): Promise<FormData> {
  if (!FORM_TYPE.test(request.headers.get("content-type") ?? ""))
    throw httpError("request.unsupported_media_type");
  const form = new FormData();
  for (const [name, value] of new URLSearchParams(await readText(request, MAX_FORM_BYTES))) {
    if (form.has(name)) throw httpError("request.invalid", { detail: "A field appears twice." });
    form.append(name, value);
  }
  return form;
}
