import { startPostgres } from "./postgres.ts";

/** Runs a PostgreSQL server until its standard input closes; prints the address. Used by `npm test`. */
const server = await startPostgres();
process.stdout.write(`${server.url}\n`);
const stop = async () => {
  await server.stop();
  process.exit(0);
};
process.stdin.resume().once("end", stop);
process.once("SIGTERM", stop);
process.once("SIGINT", stop);
