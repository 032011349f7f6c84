import { deviceName } from "../../profile/device-name.ts";

/** Where a passkey is kept, by the identifier that the authenticator gives of its model. */
const KEEPERS: Readonly<Record<string, string>> = {
  "08987058-cadc-4b81-b6e1-30de50dcbe96": "Windows Hello",
  "9ddd1817-af5a-4672-a2b9-3e3dd95000a9": "Windows Hello",
  "6028b017-b1d4-4c02-b4b3-afcdafc96bb2": "Windows Hello",
  "ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4": "Google Password Manager",
  "adce0002-35bc-c60a-648b-0b25f1f05503": "Chrome, Mac",
  "fbfc3007-154e-4ecc-8c0b-6e020557d7bd": "iCloud Keychain",
  "dd4ec289-e01d-41c9-bb89-70fa845d4bf2": "iCloud Keychain",
  "bada5566-a7aa-401f-bd96-45619a55120d": "1Password",
  "d548826e-79b4-db40-a3d8-11116f7e8349": "Bitwarden",
  "531126d6-e717-415c-9320-3d9aa6981239": "Dashlane",
  "53414d53-554e-4700-0000-000000000000": "Samsung Pass",
};

const MAX_NAME_LENGTH = 60;

/** A first name for a passkey: who keeps it, or the browser it was made in. */
export function defaultName(aaguid: string, userAgent: string | undefined): string {
  return KEEPERS[aaguid] ?? deviceName(userAgent) ?? "Passkey";
}

/** A name as somebody typed it, fit to be shown; `undefined` when there is nothing to show. */
export function cleanName(name: string): string | undefined {
  const visible = name.replace(/[\p{Cc}\p{Cf}]/gu, "").trim();
  const shown = [...visible].slice(0, MAX_NAME_LENGTH).join("");
  return shown === "" ? undefined : shown;
}
