/** `#rrggbb`, in either case. */
export type Colour = string;

/** What text needs. @see WCAG 2.2 success criterion 1.4.3 */
const READABLE = 4.5;

/**
 * Contrast of two colours, from 1 to 21.
 * @see WCAG 2.2 section "contrast ratio"
 */
export function contrast(one: Colour, other: Colour): number {
  const [light, dark] = [luminance(one), luminance(other)].toSorted((a, b) => b - a) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}

/**
 * Black or white, whichever reads better on a colour. One of the two always reaches 4.5:1: where black on it falls
 * short, white on it reaches 21 / 4.5 = 4.67.
 */
export function inkOn(back: Colour): Colour {
  return contrast("#ffffff", back) >= contrast("#000000", back) ? "#ffffff" : "#000000";
}

/** The colour itself where it can be read on all of `backs`, else the nearest mixture with `ink` that can. */
export function readableOn(colour: Colour, backs: readonly Colour[], ink: Colour): Colour {
  const steps = 20;
  for (let step = 0; step < steps; step++) {
    const mixed = mix(colour, ink, step / steps);
    if (backs.every((back) => contrast(mixed, back) >= READABLE)) return mixed;
  }
  return ink;
}

function mix(from: Colour, to: Colour, share: number): Colour {
  const parts = channels(from).map((value, i) =>
    Math.round(value + ((channels(to)[i] ?? 0) - value) * share)
      .toString(16)
      .padStart(2, "0"),
  );
  return `#${parts.join("")}`;
}

/** @see WCAG 2.2 section "relative luminance" */
function luminance(colour: Colour): number {
  const [red = 0, green = 0, blue = 0] = channels(colour).map((value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function channels(colour: Colour): number[] {
  return [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16));
}
