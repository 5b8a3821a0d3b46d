package persistent

import (
	"sync"
	"time"
)

// workers are the goroutines that run the queues of an endpoint's connections,
// and whatever else is soon done.
// One that has nothing more to do waits for a moment for more, since its stack
// has grown: in a new goroutine a call spends a quarter of its time on that.
// The zero workers are ready for use.
type workers struct {
	mu     sync.Mutex
	idle   []chan job // the one that was at work last comes last
	spare  int        // of them, the first ones, nobody has needed for a while
	timer  *time.Timer
	closed bool
}

const (
	// maxIdleWorkers bounds how many wait for work, about 8 kB each.
	maxIdleWorkers = 64

	// workerPatience: they are let go after once to twice this time.
	workerPatience = time.Second
)

// A job is the first function for a queue, or one by itself. One without a
// function ends the worker.
type job struct {
	queue *Queue // nil for a function by itself
	first func()
	gone  *sync.WaitGroup // told of the end
}

// run has a worker do j.
func (p *workers) run(j job) {
	p.mu.Lock()
	n := len(p.idle)
	if n == 0 {
		p.mu.Unlock()
		go p.work(j)
		return
	}
	w := p.idle[n-1]
	p.idle = p.idle[:n-1]
	p.spare = min(p.spare, n-1)
	p.mu.Unlock()
	w <- j
}

// work does j and what comes after it.
func (p *workers) work(j job) {
	next := make(chan job, 1) // so that nobody waits for a worker to listen
	for {
		if j.queue != nil {
			j.queue.work(j.first)
		} else {
			j.first()
		}
		if !p.rest(next) {
			return
		}
		if j = <-next; j.first == nil {
			j.gone.Done()
			return
		}
	}
}

// rest makes a worker wait for work. It reports false if it is not needed.
func (p *workers) rest(next chan job) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.idle) >= maxIdleWorkers {
		return false
	}
	p.idle = append(p.idle, next)
	if p.timer == nil {
		p.timer = time.AfterFunc(workerPatience, p.sweep)
	}
	return true
}

// sweep lets those go that nobody has needed since the last time.
func (p *workers) sweep() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dismiss(p.spare)
	p.spare = len(p.idle)
	if p.spare == 0 || p.closed {
		p.timer = nil
		return
	}
	p.timer.Reset(workerPatience)
}

// dismiss ends the n that have been idle the longest. Called with mu held.
func (p *workers) dismiss(n int) *sync.WaitGroup {
	gone := new(sync.WaitGroup)
	gone.Add(n)
	for _, next := range p.idle[:n] {
		next <- job{gone: gone}
	}
	p.idle = append(p.idle[:0], p.idle[n:]...)
	p.spare = 0
	return gone
}

// close ends those that are idle, and from then on whoever becomes so.
func (p *workers) close() {
	p.mu.Lock()
	p.closed = true
	if p.timer != nil {
		p.timer.Stop()
	}
	gone := p.dismiss(len(p.idle))
	p.mu.Unlock()
	gone.Wait()
}
