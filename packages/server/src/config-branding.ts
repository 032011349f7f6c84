import { readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";
import type { BrandingConfig, Parsed } from "./config-schema.ts";

/** A picture goes into each page. */
const MAX_PICTURE_BYTES = 64 * 1024;
const PNG = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
/** What may stand before the element: a byte order mark, a declaration, comments, a document type. */
const SVG =
  /^\uFEFF?\s*(<\?xml[^>]*\?>\s*)?(<!--[\s\S]*?-->\s*)*(<!DOCTYPE svg[^>[]*>\s*)?(<!--[\s\S]*?-->\s*)*<svg[\s>]/i;

/** Reads the pictures of the branding; adds what is wrong with them to `problems`. */
export function resolveBranding(
  branding: Parsed["branding"],
  baseDir: string,
  problems: string[],
): BrandingConfig {
  const { name, colors } = branding;
  const picture = (key: "logoFile" | "favicon") => {
    const file = branding[key];
    if (file === undefined) return undefined;
    const found = readPicture(resolve(baseDir, file));
    if ("problem" in found) problems.push(`branding.${key}: ${found.problem}`);
    return "address" in found ? found.address : undefined;
  };
  return {
    name,
    logo: picture("logoFile"),
    favicon: picture("favicon"),
    colours: colors && { main: colors.main, mainDark: colors.mainDark ?? colors.main },
  };
}

/**
 * A picture as a `data:` address. Pages show it in `<img>` alone, where an SVG runs no script and loads nothing.
 */
function readPicture(path: string): { address: string } | { problem: string } {
  let bytes: Buffer;
  try {
    if (statSync(path).size > MAX_PICTURE_BYTES) return { problem: `the file ${path} has more than 64 KiB` };
    bytes = readFileSync(path);
  } catch {
    // Whatever the reason, the operator looks at the file.
    return { problem: `the file ${path} cannot be read` };
  }
  const type = bytes.subarray(0, PNG.length).equals(PNG)
    ? "image/png"
    : SVG.test(bytes.toString("utf8"))
      ? "image/svg+xml"
      : undefined;
  if (!type) return { problem: `the file ${path} is neither SVG nor PNG` };
  return { address: `data:${type};base64,${bytes.toString("base64")}` };
}
