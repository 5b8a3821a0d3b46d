package persistent

import (
	"errors"
	"slices"

	"github.com/hubwire/hubwire/persistent/dialect"
	"github.com/hubwire/hubwire/persistent/messagelog"
)

// attach makes x the exchange of the connection. What the client missed since
// its cursor comes first, and everything after it follows, in one order.
//
// A client that gives a request up and makes another can be faster than the
// server is with the first one. The request that came last wins.
func (c *Conn) attach(x dialect.Exchange, ticket uint64) (*attachment, error) {
	e := c.endpoint
	from, gap := c.out.place(), false
	if x.Cursor != "" {
		var err error
		if from, gap, err = e.place(x.Cursor); err != nil {
			return nil, err
		}
	}
	a := newAttachment(c, x, from)
	if err := e.admitExchange(a, x, ticket); err != nil {
		a.end(err)
		return a, nil
	}
	back := x.Reconnect || !x.Connect && c.start.unknown()
	var denied []string
	if back {
		denied = e.rejoin(c, x, from, gap)
	}
	r, err := e.switchTo(a, x.Admission.Topics, ticket)
	if err != nil {
		a.end(err)
		return a, nil
	}
	if r.before != nil {
		e.spawn(func() { r.before.end(errReplaced) })
	}
	missed, lost, err := e.missed(c, r, denied)
	if err != nil {
		e.opts.Logger.Error("hubwire: cannot read the message log", "connection", c.id, "err", err)
		lost = true
	}
	gap = gap || lost
	if gap {
		e.counters.gaps.Add(1)
		e.opts.Logger.Warn("hubwire: a returning client may have missed messages", "connection", c.id, "cursor", x.Cursor, "head", e.log.Head())
	}
	c.out.release(a, missed, gap)
	c.attached(a)
	if back {
		c.raiseReconnected(Missed{Gap: gap})
	}
	return a, nil
}

// place returns where in the log a client with the cursor is. Gap says that it
// comes from a log that this one knows nothing of.
func (e *Endpoint) place(cursor string) (seq uint64, gap bool, err error) {
	at, err := messagelog.ParseCursor(cursor)
	if err != nil {
		return 0, false, errBadCursor
	}
	if at.Epoch != e.log.Epoch() {
		return e.delivered.Load(), true, nil
	}
	if at.Seq > e.log.Head() { // not delivered: a fast client may be ahead of the fan-out
		return 0, false, errBadCursor
	}
	return at.Seq, false, nil
}

// A resumption is the stretch of the log that a client missed, with the groups
// that it was in at the end of it, and the exchange that came before.
type resumption struct {
	from, upTo uint64
	topics     []string
	groups     []string
	before     *attachment
}

// tooLate returns why an exchange is over before it began, or nil. Called with
// mu held.
func (e *Endpoint) tooLate(c *Conn, ticket uint64) error {
	switch {
	case e.phase == closed:
		return errGoingAway
	case e.conns[c.id] != c:
		return errStopped
	case ticket < c.newest:
		return errReplaced
	}
	return nil
}

// admitExchange makes the request of a that of its connection, with what it is
// admitted to.
func (e *Endpoint) admitExchange(a *attachment, x dialect.Exchange, ticket uint64) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.tooLate(a.conn, ticket); err != nil {
		return err
	}
	a.conn.newest = ticket
	a.conn.request.Store(x.Request)
	e.admit(a.conn, x.Admission)
	return nil
}

// switchTo makes a the attachment of its connection. Everything after the
// resumption that it returns waits in the outbox from here on.
func (e *Endpoint) switchTo(a *attachment, topics []string, ticket uint64) (resumption, error) {
	c := a.conn
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.tooLate(c, ticket); err != nil {
		return resumption{}, err
	}
	c.began(a)
	return resumption{
		from:   a.from,
		upTo:   e.delivered.Load(),
		topics: topics,
		groups: c.groups,
		before: c.out.attach(a),
	}, nil
}

// missed returns the entries of a resumption. Groups are followed through their
// changes: a message counts if the connection was a member at that place of the
// log. What was sent to a denied group is left out.
func (e *Endpoint) missed(c *Conn, r resumption, denied []string) ([]*messagelog.Entry, bool, error) {
	if r.from >= r.upTo {
		return nil, false, nil
	}
	own := []messagelog.Span{{Topic: c.topic[0], After: r.from, UpTo: r.upTo}}
	direct, gap, err := e.log.Read(own)
	if err != nil {
		return nil, true, err
	}
	spans := own
	for _, name := range r.topics {
		spans = append(spans, messagelog.Span{Topic: name, After: r.from, UpTo: r.upTo})
	}
	for _, s := range memberships(r, direct) {
		if !slices.Contains(denied, s.Topic) {
			s.Topic = GroupTopic(s.Topic)
			spans = append(spans, s)
		}
	}
	entries := direct
	if len(spans) > 1 {
		var lost bool
		if entries, lost, err = e.log.Read(spans); err != nil {
			return nil, true, err
		}
		gap = gap || lost
	}
	entries = slices.DeleteFunc(entries, func(m *messagelog.Entry) bool { return slices.Contains(m.Except, c.id) })
	return entries, gap, nil
}

// memberships returns for which stretches of r the connection was in which
// group, given its own entries of that time. Topic is the group's name.
func memberships(r resumption, own []*messagelog.Entry) []messagelog.Span {
	changes := slices.DeleteFunc(slices.Clone(own), func(m *messagelog.Entry) bool { return !m.Change() })
	groups := r.groups
	if len(changes) > 0 {
		groups = before(changes[0])
	}
	since := make(map[string]uint64, len(groups))
	for _, g := range groups {
		since[g] = r.from
	}
	var spans []messagelog.Span
	for _, m := range changes {
		if _, in := since[m.Join]; m.Join != "" && !in {
			since[m.Join] = m.Seq
		}
		if from, in := since[m.Leave]; m.Leave != "" && in {
			spans = append(spans, messagelog.Span{Topic: m.Leave, After: from, UpTo: m.Seq})
			delete(since, m.Leave)
		}
	}
	for g, from := range since {
		spans = append(spans, messagelog.Span{Topic: g, After: from, UpTo: r.upTo})
	}
	return spans
}

// before returns the groups before the change m.
func before(m *messagelog.Entry) []string {
	if m.Leave != "" {
		return append(slices.Clip(m.Groups), m.Leave)
	}
	return slices.DeleteFunc(slices.Clone(m.Groups), func(g string) bool { return g == m.Join })
}

// rejoin asks the application which groups a returning client is to be in, and
// sees to it. It returns the names of those that it may not be in any more.
func (e *Endpoint) rejoin(c *Conn, x dialect.Exchange, from uint64, gap bool) (denied []string) {
	was := c.Groups()
	restored := c.start.unknown()
	if restored {
		if !c.returns {
			was = e.groupsSince(c, x.Groups, from, gap)
		}
	}
	var want []string
	err := e.guard("rejoining groups", func() error {
		want = e.app.Rejoining(c, c.Request(), slices.Clone(was))
		return nil
	})
	if err != nil {
		want = nil
	}
	if restored {
		e.restore(c, was, want)
	}
	for _, g := range was {
		if !slices.Contains(want, g) {
			denied = append(denied, g)
		}
	}
	if !restored {
		e.regroup(c, was, want, denied)
	}
	return denied
}

// groupsSince returns the groups of a client that proved to be in some at its
// cursor, after the changes that it has not seen.
func (e *Endpoint) groupsSince(c *Conn, groups []string, from uint64, gap bool) []string {
	if gap {
		return groups
	}
	own, _, err := e.log.Read([]messagelog.Span{{Topic: c.topic[0], After: from, UpTo: e.delivered.Load()}})
	if err != nil {
		return groups
	}
	groups = slices.Clip(groups)
	for _, m := range own {
		if m.Change() {
			groups = changed(groups, m)
		}
	}
	return groups
}

// restore puts a connection that was found to be in some groups into those that
// it is to be in. What has changed since it was looked at counts.
func (e *Endpoint) restore(c *Conn, was, want []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.conns[c.id] != c {
		return
	}
	var groups []string
	for _, g := range want {
		left := c.returns && slices.Contains(was, g) && !slices.Contains(c.groups, g)
		if !left && !slices.Contains(groups, g) {
			groups = append(groups, g)
		}
	}
	for _, g := range c.groups {
		if joined := !slices.Contains(was, g); joined && !slices.Contains(groups, g) {
			groups = append(groups, g)
		}
	}
	c.groups = slices.Clip(groups[:min(len(groups), e.opts.MaxGroups)])
	for _, g := range c.groups {
		e.subscribe(c, GroupTopic(g))
	}
}

// regroup takes a live connection out of the denied groups, and into those that
// the application added.
func (e *Endpoint) regroup(c *Conn, was, want, denied []string) {
	var errs []error
	for _, g := range denied {
		errs = append(errs, e.Leave(c.id, g))
	}
	for _, g := range want {
		if !slices.Contains(was, g) {
			errs = append(errs, e.Join(c.id, g))
		}
	}
	if err := errors.Join(errs...); err != nil {
		e.opts.Logger.Warn("hubwire: cannot change the groups of a returning client", "connection", c.id, "err", err)
	}
}
