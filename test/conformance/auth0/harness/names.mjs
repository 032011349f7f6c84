// Lets a process find one host name on this machine, as a line in the hosts file would, and changes nothing on the
// machine: loaded with `--import`, or called.
import dns from "node:dns";

/** From now on `name` is 127.0.0.1 in this process. */
export function resolveHere(name) {
  const lookup = dns.lookup;
  dns.lookup = (host, options, callback) =>
    host === name ? lookup("127.0.0.1", options, callback) : lookup(host, options, callback);
}

if (process.env.HOST_ON_THIS_MACHINE) resolveHere(process.env.HOST_ON_THIS_MACHINE);
