package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// workers is how many connections are being set up at a time.
const workers = 32

func (r *run) dialer() *dialer { return &dialer{addr: r.addr, binary: r.dialect.binary} }

// group is the group that is sent to, for 0, or another one.
func (r *run) group(i int) string {
	if r.groups == 0 {
		return everyone
	}
	return "g" + strconv.Itoa(i%r.groups)
}

// groupsOf are the groups of one connection.
func (r *run) groupsOf(i int) []string {
	if r.members == 0 {
		return []string{r.group(i)}
	}
	var list []string
	if i < r.members {
		list = append(list, r.group(0))
	}
	for g := i + 1; g < r.groups; g += r.n {
		list = append(list, r.group(g))
	}
	return list
}

// receivers is how many get a broadcast.
func (r *run) receivers() int {
	switch {
	case r.members > 0:
		return r.members
	case r.groups > 0:
		return (r.n + r.groups - 1) / r.groups
	}
	return r.n
}

// setUp opens n connections, which join their group if they are subscribers of
// a server with groups, and gives them to the loop.
func (r *run) setUp(n int, role string, join bool) ([]*conn, error) {
	var (
		mu    sync.Mutex
		wg    sync.WaitGroup
		first error
		next  int
		conns = make([]*conn, 0, n)
	)
	for range min(workers, n) {
		wg.Go(func() {
			d := r.dialer()
			mu.Lock()
			defer mu.Unlock()
			for next < n && first == nil {
				i := next
				next++
				mu.Unlock()
				c, err := r.open(d, i, role, join)
				mu.Lock()
				if err != nil && first == nil {
					first = fmt.Errorf("connection %d: %w", i, err)
				}
				if err == nil {
					conns = append(conns, c)
				}
			}
			if d.beside != nil {
				_ = d.beside.Close()
			}
		})
	}
	wg.Wait()
	return conns, first
}

func (r *run) open(d *dialer, i int, role string, join bool) (*conn, error) {
	started := time.Now()
	transport := r.transport
	if role == publisher {
		transport = "ws"
	}
	c, err := r.dialect.open(d, transport, role)
	if err != nil {
		return nil, err
	}
	c.started = started
	if !join || r.dialect.join == nil {
		return c, nil
	}
	for _, group := range r.groupsOf(i) {
		if err := c.say(d, r.dialect.join(nil, uint32(i+1), group)); err != nil {
			return nil, err
		}
		if c.framing == socket {
			if _, err := c.await(r.dialect.joined); err != nil {
				return nil, err
			}
		}
	}
	return c, nil
}

func (r *run) adopt(conns ...*conn) error {
	r.loop.ping, r.loop.pong = r.dialect.ping, r.dialect.pong
	for _, c := range conns {
		if err := r.loop.add(c); err != nil {
			return err
		}
	}
	return nil
}

// A flight is a broadcast on its way.
type flight struct {
	n    uint32
	left int
	at   time.Time
}

// flights are the broadcasts that not everybody has.
type flights struct {
	ring                 [1 << 12]flight
	last                 uint32
	out                  int
	delivered, completed uint64
}

func (f *flights) start(to int) uint32 {
	f.last++
	f.ring[f.last%uint32(len(f.ring))] = flight{f.last, to, time.Now()}
	f.out++
	return f.last
}

// arrived notes one delivery, and returns how long it took.
func (f *flights) arrived(n uint32, now time.Time) (time.Duration, bool) {
	fl := &f.ring[n%uint32(len(f.ring))]
	if fl.n != n || fl.left == 0 {
		return 0, false
	}
	f.delivered++
	if fl.left--; fl.left == 0 {
		f.out--
		f.completed++
	}
	return now.Sub(fl.at), true
}

// broadcast sends messages to all, or to one of several groups.
func broadcast(r *run) error {
	conns, err := r.setUp(r.n, subscriber, true)
	if err != nil {
		return err
	}
	receivers := r.receivers()
	pubs, err := r.setUp(1, publisher, false)
	if err != nil {
		return err
	}
	pub := pubs[0]
	if err := r.adopt(append(conns, pub)...); err != nil {
		return err
	}
	var f flights
	measuring, unknown := false, 0
	var now time.Time
	seen := func(n uint32) {
		took, ok := f.arrived(n, now)
		if !ok {
			unknown++
		} else if measuring {
			r.latency.add(took)
		}
	}
	r.loop.received = func(c *conn, message []byte, at time.Time) int {
		if c == pub {
			return 0
		}
		now = at
		return marks(message, seen)
	}
	var buf, message []byte
	publish := func(until time.Time) {
		due := time.Now()
		for t := due; t.Before(until) && r.loop.live > r.n; t = time.Now() {
			buf = buf[:0]
			for r.rate > 0 && !due.After(t) && f.out < len(f.ring)/2 || r.rate == 0 && f.out < r.window {
				n := f.start(receivers)
				putMark(r.text, n)
				message = r.dialect.publish(message[:0], n, r.group(0), r.text)
				buf = pub.frame(buf, message)
				if r.rate > 0 {
					due = due.Add(time.Duration(float64(time.Second) / r.rate))
				}
			}
			r.loop.write(pub, buf)
			wait := 50 * time.Millisecond
			if r.rate > 0 {
				wait = min(wait, max(due.Sub(t), 0))
			}
			r.loop.turn(wait)
		}
	}
	publish(time.Now().Add(r.warmup))
	m := r.measure()
	before := f.delivered
	measuring = true
	publish(time.Now().Add(r.duration))
	measuring = false
	m.done(f.delivered - before)
	for end := time.Now().Add(20 * time.Second); f.out > 0 && time.Now().Before(end); {
		r.loop.turn(50 * time.Millisecond)
	}
	r.out["server_memory"] = memory(r.pid)
	if f.out > 0 || unknown > 0 {
		return fmt.Errorf("%d broadcasts did not reach everybody, %d messages came twice", f.out, unknown)
	}
	return nil
}

// echo has each connection call a method, again as soon as it has the answer.
func echo(r *run) error {
	conns, err := r.setUp(r.n, caller, false)
	if err != nil {
		return err
	}
	if err := r.adopt(conns...); err != nil {
		return err
	}
	var (
		last      uint32
		calls     uint64
		measuring bool
		current   *conn
		now       time.Time
		buf       []byte
		message   []byte
	)
	call := func(c *conn) {
		last++
		c.call, c.started = last, time.Now()
		putMark(r.text, last)
		message = r.dialect.echo(message[:0], last, r.text)
		buf = c.frame(buf[:0], message)
		r.loop.write(c, buf)
	}
	answered := func(n uint32) {
		if n != current.call {
			return
		}
		if calls++; measuring {
			r.latency.add(now.Sub(current.started))
		}
		call(current)
	}
	r.loop.received = func(c *conn, message []byte, at time.Time) int {
		current, now = c, at
		return marks(message, answered)
	}
	for _, c := range conns {
		call(c)
	}
	spin := func(d time.Duration) {
		for end := time.Now().Add(d); time.Now().Before(end) && r.loop.live > 0; {
			r.loop.turn(50 * time.Millisecond)
		}
	}
	spin(r.warmup)
	m := r.measure()
	before := calls
	measuring = true
	spin(r.duration)
	m.done(calls - before)
	return nil
}

// idle has connections join and stay.
func idle(r *run) error {
	if _, err := r.fetchStats(); err != nil {
		return err
	}
	before := memory(r.pid)
	conns, err := r.setUp(r.n, subscriber, true)
	if err != nil {
		return err
	}
	if err := r.adopt(conns...); err != nil {
		return err
	}
	r.loop.received = func(*conn, []byte, time.Time) int { return 0 }
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); {
		r.loop.turn(50 * time.Millisecond)
	}
	if _, err := r.fetchStats(); err != nil {
		return err
	}
	stats, err := r.fetchStats()
	if err != nil {
		return err
	}
	r.out["bytes_per_connection"] = float64(memory(r.pid)-before) / float64(r.n)
	if n, ok := stats["goroutines"].(float64); ok {
		r.out["goroutines_per_connection"] = n / float64(r.n)
	}
	return nil
}

func (r *run) fetchStats() (stats map[string]any, err error) {
	if r.stats == "" {
		return nil, nil
	}
	resp, err := http.Get("http://" + r.addr + r.stats)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	return stats, json.NewDecoder(resp.Body).Decode(&stats)
}

// connect sets connections up.
func connect(r *run) error {
	m := r.measure()
	conns, err := r.setUp(r.n, subscriber, false)
	if err != nil {
		return err
	}
	m.done(uint64(len(conns)))
	return r.adopt(conns...)
}

// reconnect has all clients lose their transports, miss messages, and come back
// with their cursors at once. Of classic clients only.
func reconnect(r *run) error {
	conns, err := r.setUp(r.n, subscriber, true)
	if err != nil {
		return err
	}
	cursor := make([]string, len(conns))
	pubs, err := r.setUp(1, publisher, false)
	if err != nil {
		return err
	}
	pub := pubs[0]
	say := func(n uint32) error {
		putMark(r.text, n)
		if err := pub.say(nil, r.dialect.publish(nil, n, r.group(0), r.text)); err != nil {
			return err
		}
		_, err := pub.await(`"I":"` + strconv.Itoa(int(n)) + `"`)
		return err
	}
	if err := say(1); err != nil {
		return err
	}
	for i, c := range conns {
		got, err := c.await("~00000001")
		if err != nil {
			return err
		}
		cursor[i] = lastCursor(got)
		_ = c.nc.Close()
	}
	for n := range uint32(r.messages) {
		if err := say(n + 2); err != nil {
			return err
		}
	}
	m := r.measure()
	var wg sync.WaitGroup
	errs := make(chan error, len(conns))
	next := make(chan int)
	for range min(workers, len(conns)) {
		wg.Go(func() {
			d := r.dialer()
			for i := range next {
				c, err := d.transport("ws", "/signalr/reconnect?"+conns[i].query+"&messageId="+cursor[i])
				if err == nil {
					conns[i] = c
					_, err = c.await(fmt.Sprintf("~%08x", r.messages+1))
				}
				errs <- err
			}
		})
	}
	for i := range conns {
		next <- i
	}
	close(next)
	wg.Wait()
	m.done(uint64(len(conns)))
	for range conns {
		if err := <-errs; err != nil {
			return err
		}
	}
	return r.adopt(conns...)
}

// lastCursor returns the last cursor in frames of classic clients.
func lastCursor(b []byte) (cursor string) {
	for i := 0; i+5 < len(b); i++ {
		if string(b[i:i+5]) != `"C":"` {
			continue
		}
		end := i + 5
		for end < len(b) && b[end] != '"' {
			end++
		}
		cursor = string(b[i+5 : end])
	}
	return cursor
}
