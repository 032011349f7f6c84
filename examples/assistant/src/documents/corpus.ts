import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** A document before it is embedded. */
export interface SourceDocument {
  /** The id of the FGA object `doc:<id>`. */
  id: string;
  title: string;
  /** `everyone`, `group:<name>` or `user:<id>`: who is its viewer or owner. */
  access: string;
  sections: { heading: string; text: string }[];
  /** Changes whenever anything above does. */
  digest: string;
}

/** Reads the markdown files of a folder. @throws Error naming the file that cannot be used */
export function readCorpus(folder: string): SourceDocument[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith(".md"))
    .sort()
    .map((file) => parseDocument(file.slice(0, -3), readFileSync(join(folder, file), "utf8")));
}

/** Front matter with `title` and `access`, then sections that begin with `## `. */
export function parseDocument(id: string, source: string): SourceDocument {
  const match = /^---\n([\s\S]*?)\n---\n([\s\S]*)$/.exec(source.replaceAll("\r\n", "\n"));
  const front = new Map((match?.[1] ?? "").split("\n").map((line) => splitAt(line, ":")));
  const title = front.get("title");
  const access = front.get("access");
  if (!title || !access || !/^(everyone|(group|user):[\w-]+)$/.test(access)) {
    throw new Error(
      `The document ${id} needs front matter with a title and access (everyone or group:name).`,
    );
  }
  const sections = (match?.[2] ?? "")
    .split(/^## /m)
    .map((section) => splitAt(section.trim(), "\n"))
    .filter(([heading, text]) => heading && text)
    .map(([heading, text]) => ({ heading, text: text.replace(/\s+/g, " ") }));
  return sealDocument({ id, title, access, sections });
}

function sealDocument(document: Omit<SourceDocument, "digest">): SourceDocument {
  const digest = createHash("sha256").update(JSON.stringify(document)).digest("base64url");
  return { ...document, digest };
}

function splitAt(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text.trim(), ""] : [text.slice(0, at).trim(), text.slice(at + 1).trim()];
}

const ENTITLED_DAYS = 28;
const MONTHS = ["March", "April", "May", "July", "August", "September", "October"];

/**
 * A person's own leave statement: the same each time, and another for everybody else. It stands for the
 * personal papers that every company has.
 */
export function leaveStatement(userId: string): SourceDocument {
  const seed = createHash("sha256").update(`leave of ${userId}`).digest();
  const carriedOver = (seed[0] ?? 0) % 6;
  const taken = 3 + ((seed[1] ?? 0) % 17);
  const month = MONTHS[(seed[2] ?? 0) % MONTHS.length] ?? "May";
  const left = ENTITLED_DAYS + carriedOver - taken;
  return sealDocument({
    id: `leave-${createHash("sha256").update(userId).digest("hex").slice(0, 16)}`,
    title: "Your leave statement",
    access: `user:${userId}`,
    sections: [
      {
        heading: "Leave days left this year",
        text: `You have ${left} days of leave left this year. You began with ${ENTITLED_DAYS} days and carried ${carriedOver} over from last year; ${taken} days are taken or booked. Your next booked leave begins in ${month}.`,
      },
    ],
  });
}
