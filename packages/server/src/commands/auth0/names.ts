import type { Entry } from "./read-tenant.ts";

/** Where auth0-deploy-cli writes what differs by environment: `##NAME##` or `@@NAME@@`. */
const PLACEHOLDER = /##[A-Za-z0-9_]+##|@@[A-Za-z0-9_]+@@/;

export const hasPlaceholder = (text: string): boolean => PLACEHOLDER.test(text);

/** A member that is a text with something in it. */
export function text(entry: Entry, name: string): string | undefined {
  const value = entry[name];
  return typeof value === "string" && value.trim() !== "" ? value.trim() : undefined;
}

/** A member that is a list: its texts. */
export function texts(entry: Entry, name: string): readonly string[] {
  const value = entry[name];
  return Array.isArray(value) ? value.filter((one) => typeof one === "string") : [];
}

/** A member that is a list: its objects. */
export function entries(entry: Entry, name: string): readonly Entry[] {
  const value = entry[name];
  return Array.isArray(value) ? value.filter((one) => typeof one === "object" && one !== null) : [];
}

/** A member that is an object; empty when it is none. */
export function entry(of: Entry, name: string): Entry {
  const value = of[name];
  // A JSON object: its members are unknown until they are looked at.
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Entry) : {};
}

/** A name made of lower-case letters, digits and dashes. */
export function slug(name: string): string {
  return name
    .normalize("NFKD")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, 64);
}
