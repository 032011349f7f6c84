export function buildWhatIsStale(say: (line: string) => void, fail: (line: string) => never): Promise<void>;
