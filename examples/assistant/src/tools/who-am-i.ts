import { tool } from "ai";
import { z } from "zod";
import type { Person } from "../people.ts";

export interface WhoAmIOutput {
  userId: string;
  name: string;
  email: string | null;
  issuer: string;
}

/** Who is logged in: the claims of the session's verified ID token. */
export function whoAmI(person: Person, issuer: string) {
  return tool({
    description: "Tells who the user is: name, email address and user id of the current login.",
    inputSchema: z.object({}),
    execute: async (): Promise<WhoAmIOutput> => ({
      userId: person.id,
      name: person.name,
      email: person.email ?? null,
      issuer,
    }),
  });
}
