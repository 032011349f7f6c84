import { AsyncLocalStorage } from "node:async_hooks";
import { type Colour, inkOn, readableOn } from "./colours.ts";

/** Whose pages these are. */
export interface Brand {
  readonly name: string;
  /** A `data:` address of a picture; pages load nothing. */
  readonly logo?: string | undefined;
  /** As `logo`. */
  readonly favicon?: string | undefined;
  /** Of buttons and links, on light and dark pages. Absent: those of tokens.ts. */
  readonly colours?: { readonly main: Colour; readonly mainDark: Colour } | undefined;
}

export const DEFAULT_BRAND: Brand = { name: "Behalf" };

/** What the colours of tokens.ts lie on, and the ink there: `--paper`, `--ground`, `--quote`, `--ink`. */
const LIGHT = { backs: ["#ffffff", "#f3f4f7", "#eef1f7"], ink: "#16181d" };
const DARK = { backs: ["#1a1d24", "#101217", "#232833"], ink: "#eceef3" };

/**
 * The brand is the deployment's and each page's alike, so it goes with the request, as its id does, in place of
 * going through every slice that shows a page. A server sets it around its handlers.
 */
const current = new AsyncLocalStorage<Brand>();

export function withBrand<T>(brand: Brand, work: () => T): T {
  return current.run(brand, work);
}

export const currentBrand = (): Brand => current.getStore() ?? DEFAULT_BRAND;

/** A customer's name, logo and colour in place of the deployment's; what the customer has not given stays. */
export function brandOf(organization: {
  readonly displayName: string;
  readonly branding: { readonly logo?: string | undefined; readonly colour?: string | undefined };
}): Brand {
  const { displayName, branding } = organization;
  const base = currentBrand();
  const { colour } = branding;
  return {
    ...base,
    name: displayName,
    // Another's logo beside the name would be wrong.
    logo: branding.logo?.startsWith("data:") ? branding.logo : undefined,
    colours: colour === undefined ? base.colours : { main: colour, mainDark: colour },
  };
}

/** The brand's colours as custom properties, each with what can be read on it; empty for those of tokens.ts. */
export function brandStyles({ colours }: Brand): string {
  if (!colours) return "";
  const tokens = (main: Colour, on: typeof LIGHT) =>
    `--main: ${main}; --main-ink: ${inkOn(main)}; --link: ${readableOn(main, on.backs, on.ink)};`;
  return `:root { ${tokens(colours.main, LIGHT)} }
@media (prefers-color-scheme: dark) { :root { ${tokens(colours.mainDark, DARK)} } }`;
}
