import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const inFolder = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** Bundles the page's script and style sheet into `dist/`; nothing is loaded from elsewhere. */
await build({
  entryPoints: {
    chat: inFolder("client/main.tsx"),
    close: inFolder("client/close.ts"),
    style: inFolder("client/style.css"),
  },
  outdir: inFolder("../dist"),
  bundle: true,
  format: "esm",
  target: "es2022",
  jsx: "automatic",
  minify: true,
  legalComments: "linked",
  define: { "process.env.NODE_ENV": '"production"' },
  logLevel: "warning",
});
