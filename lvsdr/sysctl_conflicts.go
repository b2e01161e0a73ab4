package lvsdr

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// A SysctlConflict is a setting that defeats what a role has set of /proc/sys.
type SysctlConflict struct {
	Key   string `json:"key"`   // dotted, as in sysctl.d(5): the key of the other setting
	Want  string `json:"want"`  // the value the role needs
	Value string `json:"value"` // the value that comes of it
	// File and Line are where the value is set at boot; empty and 0 when it is
	// the running kernel's and no file sets it.
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
}

// String tells it to a person.
func (c SysctlConflict) String() string {
	switch c.File {
	case "":
		return fmt.Sprintf("%s is %s on the running kernel and defeats %s", c.Key, c.Value, c.Want)
	case sysctlConf:
		return fmt.Sprintf("%s:%d sets %s to %s, not %s, whenever \"sysctl --system\" runs (at boot where systemd does not)",
			c.File, c.Line, c.Key, c.Value, c.Want)
	}
	return fmt.Sprintf("%s:%d sets %s to %s, not %s, at boot", c.File, c.Line, c.Key, c.Value, c.Want)
}

// SysctlConflicts returns what defeats the sysctls of a role that has been set up
// on the host: a file that is read after lvsdr's at boot, and an interface's value
// of arp_ignore or arp_announce that outdoes conf/all, now or at boot. It changes
// nothing. A host without lvsdr's drop-in for the role has no conflicts.
func SysctlConflicts(ctx context.Context, h *Host, role string) ([]SysctlConflict, error) {
	data, err := h.Files.ReadFile(sysctlDropIn(role))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	boot, err := readBootSysctls(h.Files)
	if err != nil {
		return nil, err
	}
	links, err := h.Links.Links(ctx)
	if err != nil {
		return nil, err
	}
	set := parseDropIn(string(data)).set
	var all []SysctlConflict
	for _, s := range roleSysctls(role) {
		value, ours := set[s.Key]
		if !ours {
			continue
		}
		if last, ok := boot.last(s.Key); ok && !s.serves(last.value) {
			all = append(all, conflict(s.Key, value, last))
		}
		keys := s.linkKeys(links)
		all = append(all, s.linkConflicts(boot, value, keys)...)
		live, err := s.liveConflicts(h, boot, value, keys)
		if err != nil {
			return nil, err
		}
		all = append(all, live...)
	}
	return all, nil
}

func conflict(key, want string, a assignment) SysctlConflict {
	return SysctlConflict{Key: sysctlDotted(key), Want: want, Value: a.value, File: a.file, Line: a.line}
}

// linkKeys are the interfaces' own values of a key under conf/all, and conf/default,
// which interfaces to come begin with; none for another key.
func (s sysctl) linkKeys(links []Link) []string {
	const before = "net/ipv4/conf/all/"
	name, ok := strings.CutPrefix(s.Key, before)
	if !ok {
		return nil
	}
	keys := []string{"net/ipv4/conf/default/" + name}
	for _, link := range links {
		if !link.Loopback {
			keys = append(keys, "net/ipv4/conf/"+link.Name+"/"+name)
		}
	}
	return keys
}

// linkConflicts are the lines that give one of the keys, at boot, a value that
// outdoes that of conf/all.
func (s sysctl) linkConflicts(boot bootSysctls, all string, keys []string) (conflicts []SysctlConflict) {
	for _, key := range keys {
		if last, ok := boot.last(key); ok && !s.serves(larger(all, last.value)) {
			conflicts = append(conflicts, conflict(key, all, last))
		}
	}
	return conflicts
}

// liveConflicts are those of the keys that outdo conf/all on the running kernel,
// and that no line of the boot's gives such a value.
func (s sysctl) liveConflicts(h *Host, boot bootSysctls, all string, keys []string) ([]SysctlConflict, error) {
	var conflicts []SysctlConflict
	for _, key := range keys {
		live, err := h.Sysctl.Get(key)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		last, ok := boot.last(key)
		if told := ok && !s.serves(larger(all, last.value)); err == nil && !told && !s.serves(larger(all, live)) {
			conflicts = append(conflicts, SysctlConflict{Key: sysctlDotted(key), Want: all, Value: live})
		}
	}
	return conflicts, nil
}

// larger is how the kernel joins conf/all with an interface's value. A value that
// is no number the kernel does not take.
func larger(all, link string) string {
	a, errA := strconv.Atoi(all)
	b, errB := strconv.Atoi(link)
	if errA == nil && errB == nil && b > a {
		return link
	}
	return all
}
