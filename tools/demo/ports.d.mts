export function freePorts(): Promise<Record<string, number>>;
