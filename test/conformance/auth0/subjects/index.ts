import type { Subject } from "../harness/subject.ts";
import { subject as nodeAuth0 } from "./node-auth0.ts";
import { subject as serverJs } from "./server-js.ts";

/** Every package of the table, in its order. */
export const subjects: readonly Subject[] = [serverJs, nodeAuth0];
