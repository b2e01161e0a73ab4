//go:build linux

package fleet_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/lab"
	"github.com/lvsdr/toolkit/lvsdr/lab/fleet"
)

var (
	vip = netip.MustParseAddr("10.10.10.22")
	rip = netip.MustParsePrefix("10.10.10.31/24")
)

const web = "http://10.10.10.22/"

// program is the lvsdr that machines get, built once; a guest has one installed.
var program = sync.OnceValues(func() (string, error) {
	if lab.Guest.Missing() == nil {
		return exec.LookPath("lvsdr")
	}
	cmd := exec.Command("go", "build", "-buildvcs=false", "-trimpath", "-o", built+"/", "github.com/lvsdr/toolkit/cmd/lvsdr")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return filepath.Join(built, "lvsdr"), nil
})

var built string // the folder of it

func TestMain(m *testing.M) {
	var err error
	if built, err = os.MkdirTemp("", "lvsdr-fleet-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(built)
	os.Exit(code)
}

// suites runs the test on every Debian.
func suites(t *testing.T, test func(t *testing.T, suite string)) {
	lab.Need(t, lab.Fleet)
	t.Parallel() // machines wait more than they work
	for _, suite := range fleet.Suites {
		t.Run(suite, func(t *testing.T) {
			t.Parallel()
			test(t, suite)
		})
	}
}

// A site is one real server with lvsdr installed, and a client that sends it what
// is for the VIP.
type site struct {
	*testing.T
	fleet  *fleet.Fleet
	server *fleet.Machine
	client *fleet.Client
	kind   fleet.Network // of the server
	since  time.Time     // when the last step of a test ended
}

// newFleet makes a fleet that is closed with the test.
func newFleet(t *testing.T, suite string) *fleet.Fleet {
	t.Helper()
	tree, err := fleet.Tree(t.Context(), os.Getenv("LVSDR_FLEET"), suite)
	must(t, err)
	f, err := fleet.New(t.Context(), tree)
	must(t, err)
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// newSite makes a site whose machine is off.
func newSite(t *testing.T, suite string, kind fleet.Network) *site {
	t.Helper()
	lab.Need(t, lab.Fleet)
	ctx := t.Context()
	f := newFleet(t, suite)
	s := &site{T: t, fleet: f}
	var err error
	s.server, err = f.Add(ctx, "dev-2", kind, rip)
	must(t, err)
	s.client, err = f.Client(ctx, "client", netip.MustParsePrefix("10.10.10.100/24"))
	must(t, err)
	bin, err := program()
	must(t, err)
	must(t, s.server.Install(bin, "/usr/bin/lvsdr"))
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (s *site) on() {
	s.Helper()
	start := time.Now()
	must(s.T, s.server.On(s.Context()))
	s.Logf("%s is up after %.1f s", s.server.Name, time.Since(start).Seconds())
	must(s.T, s.client.Director(s.Context(), vip, s.server))
}

// run runs lines of shell on the server, each of which must succeed.
func (s *site) run(line string) string {
	s.Helper()
	out, err := s.server.Run(s.Context(), "sh", "-ec", line)
	must(s.T, err)
	return out
}

// served fails when a client that is sent to the server by its MAC address is not
// served from the VIP.
func (s *site) served(when string) {
	s.Helper()
	who, err := s.client.Get(s.Context(), web)
	if err != nil || who != s.server.Name {
		s.Errorf("%s: %q, %v\n%s", when, who, err, s.state())
	}
}

// unserved is the opposite.
func (s *site) unserved(when string) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), time.Second)
	defer cancel()
	if who, err := s.client.Get(ctx, web); err == nil {
		s.Errorf("%s: served by %q", when, who)
	}
}

// state is what one looks at when something is wrong.
func (s *site) state() string {
	out, _ := s.server.Run(context.Background(), "sh", "-c",
		"ip -br address; nft list ruleset; systemctl --no-pager status 'lvsdr*'; journalctl --no-pager -b -u 'lvsdr*' | tail -20")
	return out
}

// snapshot is what set-up may change, and what teardown has to give back: addresses,
// routes, rules, sysctls, rules of the firewall, units, and the files of /etc.
func (s *site) snapshot() string {
	s.Helper()
	return s.run(`{ ip -o address | sed 's/ valid_lft.*//'; ip rule; ip route show table all; } | grep -v fe80: # it comes late
for key in ip_forward conf/all conf/default conf/lo conf/eth0; do grep -rH . /proc/sys/net/ipv4/$key || :; done
nft list ruleset | sed 's/counter packets [0-9]* bytes [0-9]*/counter/'
systemctl list-unit-files --no-legend; systemctl list-units --all --no-legend 'lvsdr*'; ls /run/lvsdr 2>&1 || :
find /etc \( -type f -exec sha256sum {} + \) -o \( -type l -printf '%p -> %l\n' \) | sort`)
}

// same fails with the lines that differ.
func (s *site) same(before, after string) {
	s.Helper()
	if sha256.Sum256([]byte(before)) == sha256.Sum256([]byte(after)) {
		return
	}
	count := map[string]int{}
	for line := range strings.Lines(before) {
		count[line]--
	}
	for line := range strings.Lines(after) {
		count[line]++
	}
	for line, n := range count {
		if n != 0 {
			s.Errorf("%+d %s", n, line)
		}
	}
}

// kept is a connection that stays open: it must answer for as long as it is asked.
type kept struct {
	s      *site
	stop   chan struct{}
	result chan error
	asked  int
}

// keep opens a connection through the VIP that asks ten times a second.
func (s *site) keep() *kept {
	s.Helper()
	k := &kept{s: s, stop: make(chan struct{}), result: make(chan error, 1)}
	conn, err := s.client.Dial(s.Context(), "tcp", vip.String()+":80")
	must(s.T, err)
	go func() {
		defer conn.Close()
		answer := make([]byte, 64<<10)
		for {
			select {
			case <-k.stop:
				k.result <- nil
				return
			case <-time.After(100 * time.Millisecond):
			}
			conn.SetDeadline(time.Now().Add(20 * time.Second))
			_, err := conn.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
			n := 0
			if err == nil {
				n, err = conn.Read(answer)
			}
			if err == nil && !strings.HasPrefix(string(answer[:n]), "HTTP/1.1 200") {
				err = errors.New(string(answer[:n]))
			}
			if err != nil {
				k.result <- err
				return
			}
			k.asked++
		}
	}()
	return k
}

// unbroken ends the connection and fails when it was broken.
func (k *kept) unbroken(what string) {
	k.s.Helper()
	close(k.stop)
	if err := <-k.result; err != nil {
		k.s.Errorf("%s broke a kept connection after %d requests: %v", what, k.asked, err)
	}
	k.s.Logf("%s: a kept connection was served %d times", what, k.asked)
}

// traffic is requests over new connections, one after the other.
type traffic struct {
	s                *site
	cancel           context.CancelFunc
	done             chan struct{}
	requests, failed int
	slowest          time.Duration
	last             error
}

// traffic begins them. Each waits for a minute at the most: where the machine is busy, a
// firewall is without its rules for many seconds, and TCP sends its SYN after 1, 3, 7, 15 and 31.
func (s *site) traffic() *traffic {
	ctx, cancel := context.WithCancel(s.Context())
	r := &traffic{s: s, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		for ctx.Err() == nil {
			start := time.Now()
			of, stop := context.WithTimeout(s.Context(), time.Minute)
			_, err := s.client.Get(of, web)
			stop()
			r.requests++
			r.slowest = max(r.slowest, time.Since(start))
			if err != nil {
				r.failed++
				r.last = err
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	return r
}

// end ends them and fails when more of them failed than may.
func (r *traffic) end(what string, may int) {
	r.s.Helper()
	r.cancel()
	<-r.done
	r.s.Logf("%s: %d of %d requests over new connections failed, the slowest took %.2f s", what, r.failed, r.requests, r.slowest.Seconds())
	if r.failed > may || r.requests == 0 {
		r.s.Errorf("%s: %d of %d requests failed, %d may: %v\n%s", what, r.failed, r.requests, may, r.last, r.s.state())
	}
}

// through runs lines on the server while a connection is kept and others are made,
// and fails when one of them suffers.
func (s *site) through(lines ...string) {
	s.Helper()
	for _, line := range lines {
		k, r := s.keep(), s.traffic()
		s.run(line)
		time.Sleep(300 * time.Millisecond)
		r.end(line, 0)
		k.unbroken(line)
		s.served("after " + line)
	}
}

// nothingDue fails when set-up has something to do.
func (s *site) nothingDue(when string) {
	s.Helper()
	if plan := s.run("lvsdr plan realserver --vip 10.10.10.22"); !strings.Contains(plan, "nothing to do") {
		s.Errorf("%s set-up has to do: %s", when, plan)
	}
}
