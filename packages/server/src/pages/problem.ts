import { html, raw } from "hono/html";
import type { Html } from "./layout.ts";

const ID = "problem";

/** What was wrong with the last try: said at once by a screen reader, and named by the fields it is about. */
export function alert(problem: string | undefined): Html {
  return problem ? html`<p class="alert" role="alert" id="${ID}">${problem}</p>` : html``;
}

/**
 * Attributes of a field that the problem is about; nothing without a problem.
 * @see WCAG 2.2 success criteria 3.3.1 and 4.1.2
 */
export function problemWith(problem: string | undefined): ReturnType<typeof raw> | "" {
  return problem ? raw(`aria-invalid="true" aria-describedby="${ID}"`) : "";
}
