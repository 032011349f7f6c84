import { describe } from "node:test";
import { openStorage } from "./index.ts";
import { storageSuite } from "./suite.ts";
import { openEmptyPostgres, postgresUrl } from "./testing.ts";

storageSuite("SQLite", () => openStorage("sqlite::memory:"));

const url = postgresUrl();
if (url) storageSuite("PostgreSQL", () => openEmptyPostgres(url));
else describe("storage contract on PostgreSQL", { skip: "BEHALF_TEST_POSTGRES is not set" }, () => undefined);
