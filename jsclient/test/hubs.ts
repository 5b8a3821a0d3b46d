// Compiled, not run: a program against the types that the server writes (hub/typescript_test.go).
import { HubConnection } from "hubwire";
import type { DailyNewsHub, Item, Order, ShopHub } from "../../hub/testdata/hubs.d.ts";

const connection = new HubConnection("/signalr");
const shop = connection.hub<ShopHub>("shop");
const news = connection.hub<DailyNewsHub>("daily-news");

export async function program(): Promise<void> {
  shop.on("changed", (order) => order.items?.map((item) => item.Name.length));
  shop.on("notes", (...texts) => texts.join());
  shop.on("restocked", (item, at, left) => left?.[item]?.toFixed() ?? new Date(at));
  shop.on("shop.renamed", (from, to) => (from ?? "").length + (to ?? "").length);
  shop.on("confirm", async (text) => text.length > 0);
  await connection.start();

  const order: Order | null = await shop.server.find(7);
  if (!order) return;
  const id: string = order.id;
  const prices: number[] = Object.values(order.prices ?? {});
  const nested: number | undefined = order.tree?.[0]?.length;
  const first: number | null | undefined = order.matrix?.[0]?.[0];
  const signed: string | undefined = order.parent?.signed;
  const width: number = order.size.W + order.at[0]! + order["odd-name"];
  order.extra satisfies unknown;

  const { items, next = 0 } = await shop.server.list(["new"], null);
  const most: Order | undefined = items?.[next];
  await shop.invoke("tag", 7);
  await shop.invoke("tag", 7, "red", id, "blue");
  const total: Item[] | null = (await shop.server["shop.totals"]()).second;
  const n: number = await shop.with({ progress: ({ done, label }) => done + label.length }).server.import("file");

  news.on("published", (headline) => headline.length);
  news.on("whatever", (anything) => anything);
  for await (const item of news.stream("watch", "all")) item.Name.length;
  const ticks = news.with({ signal: AbortSignal.timeout(1000), buffer: 10 }).stream("ticks", 1, 2);
  const tick: string | undefined = (await ticks.next()).value?.label;
  await ticks.return();
  const latest: Item = await news.server.latest();
  console.log(prices, nested, first, signed, width, most, total, n, latest, tick);
}

export async function mistakes(order: Order): Promise<void> {
  // @ts-expect-error no such method
  await shop.server.fnid(7);
  // @ts-expect-error an argument is missing
  await shop.invoke("list", ["new"]);
  // @ts-expect-error an argument of the wrong type
  await shop.server.tag(7, 8);
  // @ts-expect-error a member is missing
  await shop.server.place({ ...order, ship: { lines: [] } });
  // @ts-expect-error nothing may have been found
  (await shop.server.find(7)).note;
  // @ts-expect-error the server has no such call
  shop.on("change", () => {});
  // @ts-expect-error the server waits for a yes or no
  shop.on("confirm", () => "yes");
  // @ts-expect-error the server waits for one answer, however late
  shop.on("confirm", async () => 1);
  // @ts-expect-error streams to the server are not for this client
  await news.server.file("all");
  // @ts-expect-error nor by this way
  news.stream("file", "all");
  // @ts-expect-error what streams has no result
  await news.invoke("watch", "all");
  // @ts-expect-error what has a result does not stream
  news.stream("latest");
  // @ts-expect-error an argument of the wrong type
  news.stream("ticks", "1");
  // @ts-expect-error a tick may be nothing
  for await (const tick of news.stream("ticks")) tick.label;
  // @ts-expect-error a hub without streams
  shop.stream("find", 7);
  // @ts-expect-error a stream is not awaited but read
  for (const item of news.stream("watch", "all")) item.Name;
  // @ts-expect-error what the server reports is no number
  shop.with({ progress: (percent: number) => percent });
  // @ts-expect-error the handler takes an order
  shop.on("changed", (id: string) => id);
}
