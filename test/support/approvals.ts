import assert from "node:assert/strict";
import type { Person } from "./person.ts";
import type { Page } from "./user-agent.ts";

/** Opens the newest request in a person's inbox and answers it; the page that asked, and what came after. */
export async function answerNewest(
  issuer: string,
  person: Person,
  decision: "approve" | "deny",
): Promise<{ asked: Page; answered: Page }> {
  const inbox = await person.agent.open(`${issuer}approvals`);
  const path = /href="(\/approvals\/apr_[^"]+)"/.exec(inbox.text)?.[1];
  assert.ok(path, `nothing waits for an answer:\n${inbox.text}`);
  const asked = await person.agent.open(new URL(path, issuer).href);
  return { asked, answered: await person.agent.submit(asked, { decision }) };
}

/** As {@link answerNewest}, once something waits for an answer; at most ten seconds. */
export async function answerWhenAsked(
  issuer: string,
  person: Person,
  decision: "approve" | "deny",
): Promise<void> {
  const deadline = Date.now() + 10_000;
  for (;;) {
    const inbox = await person.agent.open(`${issuer}approvals`);
    if (inbox.text.includes('href="/approvals/apr_')) break;
    if (Date.now() > deadline) throw new Error("nothing was asked within ten seconds");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await answerNewest(issuer, person, decision);
}
