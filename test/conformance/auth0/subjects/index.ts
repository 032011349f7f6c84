import type { Subject } from "../harness/subject.ts";
import { ai, aiLangchain, aiLlamaindex, aiVercel } from "./ai.ts";
import { subject as api } from "./api.ts";
import { subject as nextjs } from "./nextjs.ts";
import { subject as nodeAuth0 } from "./node-auth0.ts";
import { subject as serverJs } from "./server-js.ts";
import { subject as spaJs } from "./spa-js.ts";

/** Every package of the table, in its order. */
export const subjects: readonly Subject[] = [
  ai,
  aiVercel,
  aiLangchain,
  aiLlamaindex,
  nextjs,
  serverJs,
  spaJs,
  nodeAuth0,
  api,
];
