package main

// A measure compares a candidate with a reference.
type measure struct {
	name   string
	sides  [2]side // the reference, then the candidate
	checks []check
}

// A check is a figure of both sides, with the goal for the ratio of candidate
// to reference: 0 for none.
type check struct {
	figure figure
	goal   float64
}

// A side is a server and the load on it.
type side struct {
	server string
	load   string
}

// A figure is what counts of a run.
type figure struct {
	name string
	key  string
	unit string
	// less says that less is better.
	less bool
}

var (
	// perCPU is what the server does for a second of its CPU. On a machine
	// that is not idle it tells more than the rate, which depends on who else
	// wants the core.
	perCPU = figure{name: "per CPU second", key: "per_cpu_second", unit: "/CPU s"}
	cpu    = figure{name: "CPU time", key: "cpu_us", unit: "us CPU", less: true}
	p50    = figure{name: "median latency", key: "p50_ms", unit: "ms p50", less: true}
	p99    = figure{name: "p99 latency", key: "p99_ms", unit: "ms p99", less: true}
	memory = figure{name: "memory", key: "bytes_per_connection", unit: "B", less: true}
)

const (
	sat1k   = "-scenario broadcast -n 1000 "
	sat5k   = "-scenario broadcast -n 5000 -warmup 3s "
	slow    = "-scenario broadcast -n 1000 -rate 20 "
	echoes  = "-scenario echo -n 100 "
	idles   = "-scenario idle -n 9000 -stats /stats "
	setUps  = "-scenario connect -n 4000 "
	returns = "-scenario reconnect -dialect classic "
)

// measures are those of the project's goals, and the peers.
var measures = []measure{
	{"broadcast to 1,000 WebSockets, classic", pair("coder", sat1k, sat1k+"-dialect classic"), []check{{perCPU, 20}}},
	{"broadcast to 5,000 WebSockets, classic", pair("coder", sat5k, sat5k+"-dialect classic"), []check{{perCPU, 16}}},
	{"broadcast to 1,000 WebSockets, core JSON", pair("coder", sat1k, sat1k+"-dialect core"), []check{{perCPU, 20}}},
	{"broadcast to 1,000 WebSockets, core MessagePack", pair("coder", sat1k, sat1k+"-dialect core-msgpack"), []check{{perCPU, 20}}},
	{"20 broadcasts a second to 1,000", pair("coder", slow, slow+"-dialect classic"), []check{{cpu, .7}, {p50, .7}, {p99, .7}}},
	{"call echo, classic", pair("coder", echoes, echoes+"-dialect classic"), []check{{perCPU, 1.15}, {p99, .75}}},
	{"call echo, core JSON", pair("coder", echoes, echoes+"-dialect core"), []check{{perCPU, 1.15}}},
	{"memory of an idle connection", pair("direct", idles, idles+"-dialect classic"), []check{{memory, .5}}},
	{"connections set up, classic", pair("coder", setUps, setUps+"-dialect classic"), []check{{perCPU, .75}}},
	{"connections set up, core", pair("coder", setUps, setUps+"-dialect core"), []check{{perCPU, .75}}},
	{"broadcast to 1,000 event streams", pair("events", sat1k+"-transport sse", sat1k+"-transport sse -dialect classic"), []check{{perCPU, 10}}},
	{"broadcast to 1,000 polls", pair("polls", sat1k+"-transport lp", sat1k+"-transport lp -dialect classic"), []check{{perCPU, .6}}},
	{"10,000 reconnects with 100 messages each, and one at a time",
		[2]side{{"hubwire", returns + "-n 100"}, {"hubwire", returns + "-n 9000"}}, []check{{cpu, 1.2}}},
	{"publish to 10 of 10,000 connections, and of 10",
		[2]side{{"hubwire", "-scenario broadcast -dialect classic -n 10 -groups 1"}, {"hubwire", "-scenario broadcast -dialect classic -n 9000 -groups 900"}}, []check{{cpu, 1.3}}},
	{"lxzan/gws broadcasting to 1,000", pair2("coder", "gws", sat1k), []check{{perCPU, 0}}},
	{"socket.io broadcasting to 1,000", [2]side{{"coder", sat1k}, {"node/socketio", sat1k + "-dialect socketio"}}, []check{{perCPU, 0}}},
	{"ws broadcasting to 1,000", pair2("coder", "node/ws", sat1k), []check{{perCPU, 0}}},
	{"lxzan/gws echoing", pair2("coder", "gws", echoes), []check{{perCPU, 0}}},
	{"socket.io echoing", [2]side{{"coder", echoes}, {"node/socketio", echoes + "-dialect socketio"}}, []check{{perCPU, 0}}},
}

func pair(reference, its, ours string) [2]side { return [2]side{{reference, its}, {"hubwire", ours}} }

func pair2(reference, peer, load string) [2]side { return [2]side{{reference, load}, {peer, load}} }
