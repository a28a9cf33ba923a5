/** Who is calling: established once per connection, by the transport, never by what a message says. */
export type Principal =
  | {
      /** A process of this host, attested by the kernel when it connected. */
      readonly kind: "local-user";
      readonly uid: number;
      readonly gid: number;
      /** The process that connected; it may have passed the connection on since. */
      readonly pid: number;
    }
  | {
      /** Holder of a client certificate that the client CA has signed. */
      readonly kind: "certificate";
      /** Distinguished name, as `CN=ci,O=Example`: parts in the certificate's order, values escaped (RFC 2253). */
      readonly subject: string;
    }
  | {
      readonly kind: "anonymous";
      readonly via: AnonymousTransport;
    };

export type AnonymousTransport = "tls" | "loopback";

/** The name that owns resources and that policies match: stable across connections of the same caller. */
export function principalName(principal: Principal): string {
  switch (principal.kind) {
    case "local-user":
      return `uid:${principal.uid}`;
    case "certificate":
      return `cert:${principal.subject}`;
    case "anonymous":
      return `anonymous:${principal.via}`;
  }
}
