// Asks for one mail in a committed transaction, says so and waits to be killed: it never delivers anything.
import { loadConfig, openServices } from "@behalf/server";

const [file = "", to = "", code = ""] = process.argv.slice(2);
const { storage, messages } = await openServices(loadConfig(file));
await storage.transaction((tx) =>
  messages.mail(tx, {
    to,
    language: "en",
    template: "login_code",
    values: { code, path: "/login" },
    expiresAt: Date.now() + 600_000,
  }),
);
process.stdout.write("committed\n");
setInterval(() => undefined, 60_000);
