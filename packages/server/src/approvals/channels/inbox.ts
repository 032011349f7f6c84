import type { Channel } from "./index.ts";

/** The page `/approvals`: the user finds what waits there, so nothing is sent. */
export const inbox: Channel = { name: "inbox" };
