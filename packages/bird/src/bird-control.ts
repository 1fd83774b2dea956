/** How BIRD as a whole is doing. Times are as BIRD prints them, in its local time. */
export interface BirdStatus {
  readonly version: string;
  readonly routerId: string;
  readonly currentTime: string;
  readonly lastReboot: string;
  readonly lastReconfiguration: string;
  /** After a restart, until all neighbours have told their routes: the kernel keeps the old ones meanwhile. */
  readonly recovering: boolean;
  /** BIRD's closing words: `Daemon is up and running`, `Reconfiguration in progress`, … */
  readonly message: string;
}

/** One protocol instance, a line of `show protocols`. */
export interface BirdProtocol {
  readonly name: string;
  /** `BGP`, `Kernel`, `Device`, … */
  readonly proto: string;
  readonly table: string;
  /** `up`, `start`, `stop`, `down`. */
  readonly state: string;
  /** As BIRD prints it; a date and a time with the formats that we configure. */
  readonly since: string;
  /** For BGP its state and the last error. */
  readonly info: string;
}

/** A BGP protocol with what `show protocols all` adds. */
export interface BgpSessionState extends BirdProtocol {
  readonly neighbourAddress: string;
  readonly neighbourAs: number;
  /** `Idle`, `Connect`, `Active`, `OpenSent`, `OpenConfirm`, `Established`, `Close`; `Passive` and `Down` are BIRD's own. */
  readonly bgpState: string;
  readonly lastError: string | undefined;
  /** Routes of all channels; undefined while no channel is up. */
  readonly routes: { readonly imported: number; readonly exported: number } | undefined;
}

/** A route that BIRD knows. */
export interface BirdRoute {
  /** A CIDR. */
  readonly destination: string;
  /** `unicast`, `blackhole`, `unreachable`, `prohibit`. */
  readonly kind: string;
  /** The protocol that told it. */
  readonly from: string;
  /** The best one of its destination, which is what others and the kernel are told. */
  readonly primary: boolean;
  /** Of a unicast route; several when it has several ways. */
  readonly nexthops: readonly { readonly gateway: string | undefined; readonly interfaceName: string }[];
}

/** BIRD's control socket. Every call may throw BirdError. */
export interface BirdControl {
  status(): Promise<BirdStatus>;
  protocols(): Promise<BirdProtocol[]>;
  bgpSessions(): Promise<BgpSessionState[]>;
  /** The routes of all tables. */
  routes(): Promise<BirdRoute[]>;
  /**
   * Reads the configuration file again: what did not change goes on undisturbed, changed filters are applied to all
   * routes without an end of the session. BirdError Refused if the file does not parse; BIRD keeps the old one then.
   */
  configure(): Promise<void>;
  /** Ends BIRD: neighbours are told, so they drop our routes; those in the kernel stay (`persist`). */
  shutdown(): Promise<void>;
}
