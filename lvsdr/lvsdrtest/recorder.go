package lvsdrtest

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// A Recorder stands between a role and a host, in memory or real: it writes down
// every edit as the command a person would have typed, counts the edits, and
// fails calls on demand. It may be used by several goroutines at once.
type Recorder struct {
	host *host.Host

	mu    sync.Mutex
	log   []string
	edits int
	limit int // edits that still succeed; below 0: any number
	fails []failure
}

// failure is an error for the calls whose name or command begins so.
type failure struct {
	call string
	err  error
}

// Interrupted is the error of the edits that [Recorder.FailAfter] refuses.
var Interrupted error = interrupted{}

type interrupted struct{}

func (interrupted) Error() string { return "interrupted by the test" }

// Record returns a Recorder around h. Its Host has the same Runtime as h.
func Record(h *host.Host) *Recorder {
	r := &Recorder{limit: -1}
	r.host = h.Through(r.read)
	reads := *r.host // what is no edit
	r.host.Files = recFiles{reads.Files, r, h.Files}
	r.host.Sysctl = recSysctl{reads.Sysctl, r, h.Sysctl}
	r.host.Modules = recModules{reads.Modules, r, h.Modules}
	r.host.Links = recLinks{reads.Links, r, h.Links}
	r.host.Routes = recRoutes{reads.Routes, r, h.Routes}
	r.host.IPVS = recIPVS{reads.IPVS, r, h.IPVS}
	if h.Sync != nil {
		r.host.Sync = recSync{reads.Sync, r, h.Sync}
	}
	if h.Keepalived != nil {
		r.host.Keepalived = recKeepalived{reads.Keepalived, r, h.Keepalived}
	}
	if h.VRRP != nil {
		r.host.VRRP = recVRRP{reads.VRRP, r, h.VRRP}
	}
	if h.Packages != nil {
		r.host.Packages = recPackages{reads.Packages, r, h.Packages}
	}
	for i, f := range h.Firewalls {
		r.host.Firewalls[i] = recFirewall{r.host.Firewalls[i], r, f}
	}
	return r
}

// Host returns the host to give to a role. It is the same one every time.
func (r *Recorder) Host() *host.Host { return r.host }

// Edits counts the calls that were to change something, failed ones too. A batch
// of IPVS commands counts as many as it has.
func (r *Recorder) Edits() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.edits
}

// Log returns the edits that succeeded, as commands.
func (r *Recorder) Log() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.log)
}

// FailAfter lets n more edits succeed and fails all those after them with
// [Interrupted], as if the process had been killed there. A negative n heals.
func (r *Recorder) FailAfter(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.limit = n
}

// Fail makes every call fail with err whose name ("Links.Addresses",
// "Sysctl.Set", any view's method) or, of an edit, whose command as in
// [Recorder.Log] ("sysctl -w net.ipv4.ip_forward", "ipvsadm -A") begins with
// call; an empty call is every edit. A nil err heals that one.
func (r *Recorder) Fail(call string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fails = slices.DeleteFunc(r.fails, func(f failure) bool { return f.call == call })
	if err != nil {
		r.fails = append(r.fails, failure{call, err})
	}
}

// read makes a call that changes nothing, unless it is to fail.
func (r *Recorder) read(_ context.Context, call string, do func() error) error {
	if err := r.failing(call); err != nil {
		return err
	}
	return do()
}

// failing returns the error injected into a call that changes nothing.
func (r *Recorder) failing(call string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range r.fails {
		if f.call != "" && strings.HasPrefix(call, f.call) {
			return f.err
		}
	}
	return nil
}

// edit counts and logs an edit, unless it is to fail.
func (r *Recorder) edit(call, command string, do func() error) error {
	if err := r.admit(call, command); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log = append(r.log, command)
	return nil
}

// admit counts an edit and tells whether it may happen.
func (r *Recorder) admit(call, command string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.edits++
	for _, f := range r.fails {
		if strings.HasPrefix(call, f.call) || strings.HasPrefix(command, f.call) {
			return f.err
		}
	}
	switch {
	case r.limit == 0:
		return Interrupted
	case r.limit > 0:
		r.limit--
	}
	return nil
}
