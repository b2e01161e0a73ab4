package step

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// sysctlLook is what the step sees: the values that matter now, and the values
// before, as the drop-in and the ledger know them.
type sysctlLook struct {
	h      *host.Host
	role   string
	wanted []Sysctl
	live   map[string]string // without the keys that the kernel does not have
	file   DropIn
	ledger map[string]string // values before of keys
	links  []string
}

// sysctlKey is the ledger's key of a value before a set-up with [host.Host.Runtime]:
// "sysctls net/ipv4/ip_forward".
func sysctlKey(key string) string { return Sysctls + " " + key }

func (s sysctls) look(ctx context.Context, h *host.Host) (*sysctlLook, error) {
	l := &sysctlLook{h: h, role: s.role, wanted: s.wanted, live: map[string]string{}}
	var err error
	if l.file, err = SysctlDropIn(h, s.role); err != nil {
		return nil, err
	}
	if l.ledger, err = LedgerOf(h, s.role).ReadStep(Sysctls); err != nil {
		return nil, err
	}
	if h.Image {
		return l, l.readImage()
	}
	if l.wants(host.IPForward) {
		if l.links, err = forwardingLinks(ctx, h); err != nil {
			return nil, err
		}
	}
	return l, l.readLive()
}

func forwardingLinks(ctx context.Context, h *host.Host) ([]string, error) {
	links, err := h.Links.Links(ctx)
	if err != nil {
		return nil, err
	}
	names := []string{"default"}
	for _, link := range links {
		names = append(names, link.Name)
	}
	return names, nil
}

func (l *sysctlLook) readLive() error {
	keys := l.before()
	for _, s := range l.wanted {
		keys[s.Key] = ""
	}
	for _, link := range l.links {
		keys["net/ipv4/conf/"+link+"/forwarding"] = ""
	}
	keys["net/ipv4/conf/all/accept_redirects"] = ""
	for key := range keys {
		value, err := l.h.Sysctl.Get(key)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		l.live[key] = value
	}
	return nil
}

// before returns the values before that are on record. The drop-in is older than
// the ledger, or as old.
func (l *sysctlLook) before() map[string]string {
	all := maps.Clone(l.ledger)
	maps.Copy(all, l.file.before)
	return all
}

func (l *sysctlLook) wants(key string) bool {
	for _, s := range l.wanted {
		if s.Key == key {
			return true
		}
	}
	return false
}

// sideEffect tells whether the kernel overwrites the key when ip_forward changes,
// and what switching that off leaves behind (net/ipv4/devinet.c,
// inet_forward_change).
func sideEffect(key string) (off string, ok bool) {
	if key == "net/ipv4/conf/all/accept_redirects" {
		return "1", true
	}
	return "0", strings.HasPrefix(key, "net/ipv4/conf/") && strings.HasSuffix(key, "/forwarding")
}

// unrecorded returns the values before that have to be on record when s is set
// and are not yet: of ip_forward also what switching it off again would not bring
// back by itself.
func (l *sysctlLook) unrecorded(s Sysctl, recorded map[string]string) map[string]string {
	values := map[string]string{}
	if value, ok := l.live[s.Key]; ok {
		values[s.Key] = value
	}
	if s.Key == host.IPForward && l.live[host.IPForward] == "0" {
		for key, value := range l.live {
			if off, ok := sideEffect(key); ok && value != off {
				values[key] = value
			}
		}
	}
	maps.DeleteFunc(values, func(key, _ string) bool { _, known := recorded[key]; return known })
	return values
}

// ours tells whether lvsdr has set the key to what it is now.
func (l *sysctlLook) ours(key string) bool {
	value, ok := l.live[key]
	if !ok {
		return false
	}
	if set, ok := l.file.Set[key]; ok {
		return value == set
	}
	s, ok := ofKey(l.role, key)
	return ok && value == s.Value
}

// sets returns the changes that set what is wanted.
func (l *sysctlLook) sets() []Change {
	var changes []Change
	for _, s := range l.wanted {
		if value, ok := l.live[s.Key]; !ok || !s.Serves(value) {
			changes = append(changes, Change{
				Step: Sysctls, Op: Set, Object: host.SysctlName(s.Key), From: value, To: s.Value,
				Do: func(ctx context.Context) error { return l.set(ctx, s) },
			})
		}
	}
	return changes
}

func (l *sysctlLook) set(ctx context.Context, s Sysctl) error {
	if l.h.Runtime {
		if err := l.remember(ctx, s); err != nil {
			return err
		}
	}
	err := l.h.Sysctl.Set(s.Key, s.Value)
	if errors.Is(err, fs.ErrNotExist) && strings.HasPrefix(s.Key, "net/ipv4/vs/") {
		return fmt.Errorf("%w: ip_vs is not loaded, or this is a container with a user namespace "+
			"of its own, from which the kernel hides it: set the host up instead", err)
	}
	return err
}

// remember puts the value before in the ledger, unless the drop-in has it. It
// looks again, because the keys of IPVS appear with the module.
func (l *sysctlLook) remember(ctx context.Context, s Sysctl) error {
	now, err := sysctls{l.role, l.wanted}.look(ctx, l.h)
	if err != nil {
		return err
	}
	lines := map[string]string{}
	for key, value := range now.unrecorded(s, now.before()) {
		lines[sysctlKey(key)] = value
	}
	return LedgerOf(l.h, l.role).Remember(lines)
}
