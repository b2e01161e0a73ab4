package main

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/doctor"
)

// watch tells on a terminal which checks are still running, when an exam takes
// longer than a moment. The caller calls done when it has ended: the line goes.
func (s *session) watch(e *doctor.Exam) (done func()) {
	if !s.sys.watched || s.quiet {
		return func() {}
	}
	w := &watcher{}
	e.Watch = w.note
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		s.follow(w, end)
	}()
	return func() {
		close(end)
		<-ended
	}
}

// clearLine takes the line that is rewritten away.
const clearLine = "\r\x1b[K"

// follow rewrites one line until the end.
func (s *session) follow(w *watcher, end <-chan struct{}) {
	next, shown := time.NewTimer(s.sys.silence), false
	defer next.Stop()
	for {
		select {
		case <-end:
			if shown {
				fmt.Fprint(s.stderr, clearLine)
			}
			return
		case <-next.C:
			fmt.Fprint(s.stderr, clearLine+w.line())
			shown = true
			next.Reset(s.sys.silence / 4)
		}
	}
}

// watcher knows which checks are running.
type watcher struct {
	mu      sync.Mutex
	running []string
}

func (w *watcher) note(c *doctor.Check, running bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if running {
		w.running = append(w.running, c.Code)
		return
	}
	i := slices.Index(w.running, c.Code)
	w.running = slices.Delete(w.running, i, i+1)
}

func (w *watcher) line() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return fitted("still looking: " + strings.Join(w.running, ", "))
}

// fitted fits a terminal.
func fitted(line string) string {
	if len(line) > 78 {
		line = line[:76] + " …"
	}
	return line
}
