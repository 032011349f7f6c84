import { tool } from "ai";
import { z } from "zod";
import type { DocumentSearch } from "../documents/search.ts";

export interface DocumentsOutput {
  /** How many documents this user may read; nothing is said about others. */
  readable: number;
  passages: { document: string; heading: string; text: string; score: number }[];
}

/** Answers from the company's documents, of which only those are searched that this user may read. */
export function askMyDocuments(search: DocumentSearch, userId: string) {
  return tool({
    description:
      "Searches the company's documents (policies, handbook, budgets, the user's own leave statement) that the user may read, and returns the best passages.",
    inputSchema: z.object({ question: z.string().min(1).max(500) }),
    execute: async ({ question }): Promise<DocumentsOutput> => search(userId, question),
  });
}
