/**
 * What a log-in was proven by, in the words of an organization's connections. A second factor of our own is none:
 * it says nothing about where the person comes from.
 */
export function connectionsOf(methods: readonly string[]): readonly string[] {
  return methods.flatMap((method) => {
    if (method.startsWith("connection:")) return method.slice("connection:".length);
    if (method === "email-code" || method === "sms-code") return "code";
    return method === "password" || method === "passkey" ? method : [];
  });
}
