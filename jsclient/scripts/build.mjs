// npm run build: writes dist, which is committed and embedded by the Go package.
import { join } from "node:path";
import { bundle, root, weigh } from "./bundle.mjs";

const dist = join(root, "dist");
await bundle(dist);
weigh(dist);
