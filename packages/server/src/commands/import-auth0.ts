import { dirname, resolve } from "node:path";
import { importConfiguration } from "./auth0/import-configuration.ts";
import { importOrganizations } from "./auth0/import-organizations.ts";
import { importUsers } from "./auth0/import-users.ts";
import { readExport, type Tenant } from "./auth0/read-tenant.ts";
import { createReport, type Report } from "./auth0/report.ts";
import { CONFIG_OPTION, type Command, CommandError } from "./command.ts";
import { configPath, withServices } from "./services.ts";

/** Something was not taken, wholly or in part. */
const EXIT_INCOMPLETE = 3;

export const importAuth0: Command = {
  name: "import auth0",
  summary: "Take over clients, APIs, roles, connections, organizations and users of an Auth0 tenant.",
  operands: ["folder or file"],
  options: {
    ...CONFIG_OPTION,
    out: {
      value: "<folder>",
      help: "where entries for behalf.yaml and their secrets go (default: auth0-import)",
    },
    "dry-run": { help: "write nothing, say the same" },
  },
  notes:
    "Exit codes: 0 all was taken, 3 something was not, 1 could not run. A second run changes nothing.\n" +
    "docs/guides/migrate-from-auth0.md says what is taken.",
  async run(args, context) {
    const dryRun = args.flag("dry-run");
    const path = resolve(context.cwd, args.operand("folder or file"));
    const { tenant, userFiles } = open(path);
    const { output } = context;
    const report = createReport(output);
    const withoutPassword = new Set<string>();
    return withServices(args, context, async (services) => {
      let file: string | undefined;
      if (tenant) {
        reportRest(tenant, report);
        const outDir = resolve(context.cwd, args.text("out") ?? "auth0-import");
        const baseDir = dirname(configPath(args, context));
        file = importConfiguration(tenant, { config: services.config, baseDir, outDir, report, dryRun });
        const databases = new Set(tenant.sections.databases.map(({ name }) => String(name)));
        await importOrganizations(tenant.sections.organizations, { services, databases, report, dryRun });
      }
      const seen = new Map<string, string>();
      for (const one of userFiles)
        await importUsers(one, { services, report, output, dryRun, withoutPassword, seen });
      output.result(summaryOf(report, file, withoutPassword.size, dryRun), {
        summary: true,
        dry_run: dryRun,
        counts: report.counts,
        file: file ?? null,
        without_password: withoutPassword.size,
      });
      return report.isIncomplete ? EXIT_INCOMPLETE : 0;
    });
  },
};

function open(path: string) {
  try {
    return readExport(path);
  } catch (error) {
    throw new CommandError(error instanceof Error ? error.message : "The export cannot be read.");
  }
}

function reportRest(tenant: Tenant, report: Report): void {
  for (const { file, problem } of tenant.broken) report.add("file", file, "refused", [problem]);
  for (const { name, count } of tenant.unread)
    report.add("section", name, "refused", [`${count} in it, which are not taken`]);
}

function summaryOf(
  report: Report,
  file: string | undefined,
  withoutPassword: number,
  dryRun: boolean,
): string {
  const lines = Object.entries(report.counts).map(([kind, counts]) => {
    const parts = Object.entries(counts).filter(([, count]) => count > 0);
    return `  ${kind.padEnd(14)} ${parts.map(([state, count]) => `${count} ${state}`).join(", ")}`;
  });
  return [
    dryRun ? "Nothing was written. It would be:" : "Done:",
    ...lines,
    ...(withoutPassword > 0
      ? [`${withoutPassword} people have no password here and reset it, or log in by a code.`]
      : []),
    ...(file === undefined
      ? []
      : [`Put the entries of ${file} into the configuration, then run this again.`]),
  ].join("\n");
}

export const importCommands: readonly Command[] = [importAuth0];
