package persistent

import "sync"

// A Queue runs functions in the order in which they were added, at most Width
// at the same time, on goroutines that exist only while there is work. The zero
// Queue is ready for use and runs one function at a time.
type Queue struct {
	// Width is how many functions may run at once, 1 if it is less.
	Width int

	// Max bounds the functions that Offer lets wait. 0 means no bound.
	Max int

	workers *workers // nil for goroutines that end with the work

	mu      sync.Mutex
	waiting []func()
	running int
	idle    chan struct{} // non-nil while somebody waits for the end of the work
}

// Do adds f.
func (q *Queue) Do(f func()) { q.add(f, 0) }

// Offer adds f unless Max functions are waiting. It reports whether it did.
func (q *Queue) Offer(f func()) bool { return q.add(f, q.Max) }

// Run adds f and returns when it has run: on the calling goroutine, if it need
// not wait for others.
func (q *Queue) Run(f func()) {
	q.mu.Lock()
	if q.running < max(q.Width, 1) {
		q.running++
		q.mu.Unlock()
		defer q.pass()
		f()
		return
	}
	done := make(chan struct{})
	q.waiting = append(q.waiting, func() {
		defer close(done)
		f()
	})
	q.mu.Unlock()
	<-done
}

// pass has a goroutine run what waits behind Run.
func (q *Queue) pass() {
	if f := q.next(); f != nil {
		q.start(f)
	}
}

func (q *Queue) add(f func(), limit int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.running < max(q.Width, 1) {
		q.running++
		q.start(f)
		return true
	}
	if limit > 0 && len(q.waiting) >= limit {
		return false
	}
	q.waiting = append(q.waiting, f)
	return true
}

// start has a goroutine do the work that begins with f.
func (q *Queue) start(f func()) {
	if q.workers != nil {
		q.workers.run(job{queue: q, first: f})
	} else {
		go q.work(f)
	}
}

// work runs f and then whatever waits, and ends when nothing does.
func (q *Queue) work(f func()) {
	for f != nil {
		f()
		f = q.next()
	}
}

func (q *Queue) next() func() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		q.waiting = nil
		q.running--
		if q.running == 0 && q.idle != nil {
			close(q.idle)
			q.idle = nil
		}
		return nil
	}
	f := q.waiting[0]
	q.waiting[0] = nil
	q.waiting = q.waiting[1:]
	return f
}

// Idle returns a channel that is closed when nothing runs or waits, at once if
// that is so already.
func (q *Queue) Idle() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.running == 0 {
		done := make(chan struct{})
		close(done)
		return done
	}
	if q.idle == nil {
		q.idle = make(chan struct{})
	}
	return q.idle
}
