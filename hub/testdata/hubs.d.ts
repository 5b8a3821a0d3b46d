// The hubs of a Hubwire server, and the types of what goes over the wire.
// Written by the server: change the Go types instead.

/** Hub "daily-news": `connection.hub<DailyNewsHub>("daily-news")`. */
export interface DailyNewsHub {
  /** What the page may call. */
  server: {
    item(): Cookie;
    latest(): Item;
  };
  /** What the page may call and then reads: `hub.stream(...)`. */
  streams: {
    ticks(...rest: number[]): AsyncIterable<Stage | null>;
    watch(arg1: string): AsyncIterable<Item>;
  };
  // Left out, since pages cannot send streams: file.
  /** What the server calls in the page. */
  client: {
    published(arg1: string): void;
    [method: string]: (...args: any[]) => any;
  };
}

/** Hub "shop": `connection.hub<ShopHub>("shop")`. */
export interface ShopHub {
  /** What the page may call. */
  server: {
    find(arg1: number): Order | null;
    import(arg1: string): number;
    list(arg1: string[] | null, arg2: number | null): PageOfOrder;
    place(arg1: Order): void;
    stock(): { [key: string]: number } | null;
    tag(arg1: number, ...rest: string[]): void;
    "shop.totals"(): PairOfStringAndListItem;
  };
  /** What the server calls in the page. */
  client: {
    changed(arg1: Order): void;
    confirm(arg1: string): boolean;
    notes(...rest: string[]): void;
    restocked(arg1: string, arg2: string, arg3: { [key: string]: number } | null): void;
    "shop.renamed"(arg1: string | null, arg2: string | null): void;
  };
  /** What methods report while they run: `hub.with({ progress })`. */
  progress: {
    import: Stage;
  };
}

export interface Address {
  street: string;
  lines?: string[];
}

export interface Cookie {
  Name: string;
  Value: string;
  Quoted: boolean;
  Path: string;
  Domain: string;
  Expires: string;
  RawExpires: string;
  MaxAge: number;
  Secure: boolean;
  HttpOnly: boolean;
  SameSite: number;
  Partitioned: boolean;
  Raw: string;
  Unparsed: string[] | null;
}

export interface Item {
  Name: string;
}

export interface Order {
  created: string;
  signed?: string;
  id: string;
  items: Item[] | null;
  prices?: { [key: string]: number };
  floors: { [key: number]: string[] | null } | null;
  parent?: Order;
  ship: Address | null;
  note?: string;
  image: string | null;
  extra: unknown;
  any: unknown;
  from: string;
  wait: number;
  exact: number;
  at: number[];
  size: { W: number; H: number };
  nothing: { [key: string]: never };
  matrix: ((number | null)[] | null)[] | null;
  tree: Tree | null;
  labels: { [key: string]: boolean } | null;
  "-": boolean;
  "odd-name": number;
  Plain: number;
}

export interface PageOfOrder {
  items: Order[] | null;
  next?: number;
}

export interface PairOfStringAndListItem {
  first: string;
  second: Item[] | null;
}

export interface Stage {
  done: number;
  label: string;
}

export type Tree = (Tree | null)[];
