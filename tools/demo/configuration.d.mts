export function writeConfiguration(options: { ports: Record<string, number>; dataDir: string }): Promise<{
  issuer: string;
  assistantUrl: string;
  shopUrl: string;
  calendarUrl: string;
  mailboxUrl: string;
}>;
