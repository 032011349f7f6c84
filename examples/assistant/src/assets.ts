import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { SettingsError } from "./settings.ts";

/** A file that the page loads; its address changes with its content, so it may be cached for ever. */
export interface Asset {
  path: string;
  type: string;
  body: string;
}

const DIST = new URL("../dist/", import.meta.url);

/** The built client. @throws SettingsError when it has not been built */
export function loadAssets(): { script: Asset; style: Asset; close: Asset } {
  return {
    script: load("chat.js", "text/javascript; charset=utf-8"),
    style: load("style.css", "text/css; charset=utf-8"),
    close: load("close.js", "text/javascript; charset=utf-8"),
  };
}

function load(name: string, type: string): Asset {
  const file = new URL(name, DIST);
  if (!existsSync(file)) {
    const command = "node examples/assistant/src/build.ts";
    throw new SettingsError([`${fileURLToPath(file)} is missing; build the page with: ${command}`]);
  }
  const body = readFileSync(file, "utf8");
  const digest = createHash("sha256").update(body).digest("base64url").slice(0, 12);
  return { path: `/assets/${digest}-${name}`, type, body };
}
