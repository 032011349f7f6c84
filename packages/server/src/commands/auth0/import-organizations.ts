import { ApiError } from "../../http/errors.ts";
import type { CommandServices } from "../command.ts";
import { entries, entry, text } from "./names.ts";
import type { Entry } from "./read-tenant.ts";
import type { Report } from "./report.ts";

const NAME = /^(?!org_)[a-z0-9][a-z0-9_-]{0,49}$/;
const COLOUR = /^#[0-9a-f]{6}$/i;
const MAX_METADATA = { members: 25, name: 64, value: 500 };
/** What a database of passwords is here. */
const PASSWORD = "password";

/** Makes the organizations that are not there, with the connections by which their members log in. */
export async function importOrganizations(
  organizations: readonly Entry[],
  given: {
    readonly services: Pick<CommandServices, "organizations">;
    readonly databases: ReadonlySet<string>;
    readonly report: Report;
    readonly dryRun: boolean;
  },
): Promise<void> {
  const { manage, settings } = given.services.organizations;
  for (const organization of organizations) {
    const name = text(organization, "name") ?? "";
    if (!NAME.test(name)) {
      given.report.add("organization", name, "refused", [
        "the name must be lower-case letters, digits, - _ (at most 50), not beginning with org_",
      ]);
      continue;
    }
    const notes: string[] = ["members are not exported: add them, or let them join as they log in"];
    const known = await manage.get(name).catch(unlessUnknown);
    const body = bodyOf(organization, name, notes);
    if (!known && !given.dryRun) await manage.create(body);
    const wanted = connectionsOf(organization, given.databases);
    const current = known ? await settings.connections(name) : [];
    if (current.length === 0 && wanted.length > 0 && !given.dryRun)
      await settings.setConnections(name, wanted).catch((error) => {
        if (!ApiError.is(error)) throw error;
        const names = wanted.map(({ connection }) => connection).join(", ");
        notes.push(`not all of ${names} is a connection here: add them, then import again`);
      });
    const isThere = known !== undefined && (current.length > 0 || wanted.length === 0);
    given.report.add("organization", name, isThere ? "there" : "partly", isThere ? [] : notes);
  }
}

function bodyOf(organization: Entry, name: string, notes: string[]) {
  const branding = entry(organization, "branding");
  const colour = text(entry(branding, "colors"), "primary");
  if (text(branding, "logo_url")) notes.push("the logo is not taken: pages load nothing from elsewhere");
  const given = Object.entries(entry(organization, "metadata"));
  const fit = given.filter(
    (pair): pair is [string, string] =>
      typeof pair[1] === "string" &&
      pair[0].length <= MAX_METADATA.name &&
      pair[1].length <= MAX_METADATA.value,
  );
  const metadata = Object.fromEntries(fit.slice(0, MAX_METADATA.members));
  if (Object.keys(metadata).length < given.length) notes.push("metadata beyond the limits is not taken");
  return {
    name,
    display_name: (text(organization, "display_name") ?? name).slice(0, 200),
    branding: colour && COLOUR.test(colour) ? { colour } : {},
    metadata,
  };
}

/** By name; a connection may be nested, as the API writes it. */
function connectionsOf(organization: Entry, databases: ReadonlySet<string>) {
  return entries(organization, "connections").flatMap((one) => {
    const name = text(one, "name") ?? text(entry(one, "connection"), "name");
    if (name === undefined) return [];
    const connection = databases.has(name) ? PASSWORD : name;
    return [{ connection, auto_membership: one["assign_membership_on_login"] === true }];
  });
}

function unlessUnknown(error: unknown): undefined {
  if (ApiError.is(error) && error.code === "organization.unknown") return undefined;
  throw error;
}
