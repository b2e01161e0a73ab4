//go:build linux

package lab

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// A Visitor is who asks for the VIP: a [Host], or a client of package fleet.
type Visitor interface {
	Get(ctx context.Context, url string) (string, error)
	Dial(ctx context.Context, network, addr string) (net.Conn, error)
}

// An Outage is what the clients of a VIP have seen while something was done to its cluster.
type Outage struct {
	Gap    time.Duration // the longest time between two pages
	Since  time.Time     // when that began
	Idle   time.Duration // of it, how long the machine itself gave nobody a turn
	Made   int           // requests that would wait for long, as a browser does
	Failed []error       // those of them that failed
	Kept   int           // connections that were open all the time
	Broken []error       // those of them that broke
	Stood  time.Duration // the longest time for which the machine itself gave nobody a turn
}

// A Watch makes connections to a VIP all the time, and keeps some.
type Watch struct {
	visitor Visitor
	vip     netip.Addr
	kept    []*KeptConnection
	ctx     context.Context //nolint:containedctx // that of the test, which outlasts a request under way
	stop    context.CancelFunc
	wait    sync.WaitGroup

	mu    sync.Mutex
	pause time.Duration // between two of each
	last  time.Time     // of the page before
	idle  time.Duration // since then, without a turn
	seen  Outage
}

const (
	keptConnections = 4
	// impatient is how long the one waits who tells for how long there is no service.
	impatient = 500 * time.Millisecond
	// patient is how long those wait who tell what fails.
	patient = 15 * time.Second
	pause   = 50 * time.Millisecond
)

// WatchVIP asks the VIP's port 80 for page after page, each on a connection of its own, and
// does not wait long: that tells for how long there is no service. Two others ask as a
// browser does, which waits for retransmissions: that tells what fails. Four connections
// are kept. The caller stops it.
func WatchVIP(ctx context.Context, v Visitor, vip netip.Addr) (*Watch, error) {
	going, stop := context.WithCancel(ctx)
	w := &Watch{visitor: v, vip: vip, ctx: ctx, stop: stop, pause: pause}
	for range keptConnections {
		k, err := Keep(ctx, v, netip.AddrPortFrom(vip, 80))
		if err != nil {
			w.Stop()
			return nil, err
		}
		w.kept = append(w.kept, k)
	}
	w.seen.Kept = len(w.kept)
	w.always(going, func() bool { w.page(impatient); return true })
	for range 2 {
		w.always(going, func() bool { w.request(); return true })
	}
	w.always(going, func() bool { w.sleep(); return true })
	for _, k := range w.kept {
		w.always(going, func() bool { return w.ask(k) })
	}
	return w, nil
}

// Kept are the client's ends of the connections that are kept.
func (w *Watch) Kept() []netip.AddrPort {
	var ends []netip.AddrPort
	for _, k := range w.kept {
		ends = append(ends, k.LocalAddr().(*net.TCPAddr).AddrPort())
	}
	return ends
}

// Stop ends it and returns what was seen.
func (w *Watch) Stop() Outage {
	w.stop()
	w.wait.Wait()
	for _, k := range w.kept {
		k.Close()
	}
	return w.seen
}

// always calls do again and again until the watch ends.
func (w *Watch) always(ctx context.Context, do func() (goesOn bool)) {
	w.wait.Add(1)
	go func() {
		defer w.wait.Done()
		for ctx.Err() == nil && do() {
			time.Sleep(w.pauses())
		}
	}()
}

// Every has each of them pause for so long, and takes the time without service anew: what
// a guest does besides is slow while it is asked all the time.
func (w *Watch) Every(pause time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pause, w.last, w.idle, w.seen.Gap = pause, time.Time{}, 0, 0
}

// Often is the pause that is there without [Watch.Every].
func (w *Watch) Often() { w.Every(pause) }

func (w *Watch) pauses() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pause
}

func (w *Watch) get(most time.Duration) error {
	ctx, cancel := context.WithTimeout(w.ctx, most)
	defer cancel()
	_, err := w.visitor.Get(ctx, "http://"+w.vip.String()+"/")
	return err
}

func (w *Watch) page(most time.Duration) {
	if w.get(most) != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	if gap := now.Sub(w.last); !w.last.IsZero() && gap > w.seen.Gap {
		w.seen.Gap, w.seen.Since, w.seen.Idle = gap, w.last, w.idle
	}
	w.last, w.idle = now, 0
}

func (w *Watch) request() {
	err := w.get(patient)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen.Made++
	if err != nil {
		w.seen.Failed = append(w.seen.Failed, err)
	}
}

func (w *Watch) sleep() {
	asleep := time.Now()
	time.Sleep(pause)
	w.mu.Lock()
	defer w.mu.Unlock()
	stood := time.Since(asleep) - pause
	w.idle += stood
	w.seen.Stood = max(w.seen.Stood, stood)
}

func (w *Watch) ask(k *KeptConnection) bool {
	_, err := k.Ask()
	if err == nil {
		return true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen.Broken = append(w.seen.Broken, err)
	return false
}

// A KeptConnection stays open from one request of HTTP to the next.
type KeptConnection struct {
	net.Conn
	read *bufio.Reader
}

// Keep opens a connection and has it answer once. The caller closes it.
func Keep(ctx context.Context, v Visitor, addr netip.AddrPort) (*KeptConnection, error) {
	conn, err := v.Dial(ctx, "tcp", addr.String())
	if err != nil {
		return nil, err
	}
	k := &KeptConnection{conn, bufio.NewReader(conn)}
	if _, err := k.Ask(); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return k, nil
}

// Ask requests the page and returns it. It waits until TCP has tried for the seventh time
// (after 0.2 s, 0.4 s more, … 12.8 s more).
func (k *KeptConnection) Ask() (string, error) {
	if err := k.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return "", err
	}
	if _, err := fmt.Fprint(k, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		return "", err
	}
	answer, err := http.ReadResponse(k.read, nil)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = errors.New(answer.Status)
	}
	return string(body), err
}
