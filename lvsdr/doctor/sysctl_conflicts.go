package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/boot"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/step"
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
	case boot.SysctlConf:
		return fmt.Sprintf("%s:%d sets %s to %s, not %s, whenever \"sysctl --system\" runs (at boot where systemd does not)",
			c.File, c.Line, c.Key, c.Value, c.Want)
	}
	return fmt.Sprintf("%s:%d sets %s to %s, not %s, at boot", c.File, c.Line, c.Key, c.Value, c.Want)
}

// SysctlConflicts returns what defeats the sysctls of a role that has been set up
// on the host: a file that is read after lvsdr's at boot, and an interface's value
// of arp_ignore or arp_announce that outdoes conf/all, now or at boot. It changes
// nothing. A host without lvsdr's drop-in for the role has no conflicts.
func SysctlConflicts(ctx context.Context, h *host.Host, role string) ([]SysctlConflict, error) {
	dropIn, err := step.SysctlDropIn(h, role)
	if err != nil || !dropIn.There {
		return nil, err
	}
	atBoot, err := boot.ReadSysctls(h.Files)
	if err != nil {
		return nil, err
	}
	links, err := h.Links.Links(ctx)
	if err != nil {
		return nil, err
	}
	var all []SysctlConflict
	for _, s := range dropIn.Sysctls(role) {
		value := dropIn.Set[s.Key]
		if last, ok := atBoot.Last(s.Key); ok && !s.Serves(last.Value) {
			all = append(all, conflict(s.Key, value, last))
		}
		keys := linkKeys(s, links)
		all = append(all, linkConflicts(s, atBoot, value, keys)...)
		live, err := liveConflicts(s, h, atBoot, value, keys)
		if err != nil {
			return nil, err
		}
		all = append(all, live...)
	}
	return all, nil
}

func conflict(key, want string, a boot.Assignment) SysctlConflict {
	return SysctlConflict{Key: host.SysctlName(key), Want: want, Value: a.Value, File: a.File, Line: a.Line}
}

// linkKeys are the interfaces' own values of a key under conf/all, and conf/default,
// which interfaces to come begin with; none for another key.
func linkKeys(s step.Sysctl, links []host.Link) []string {
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
func linkConflicts(s step.Sysctl, atBoot boot.Sysctls, all string, keys []string) (conflicts []SysctlConflict) {
	for _, key := range keys {
		if last, ok := atBoot.Last(key); ok && !s.Serves(larger(all, last.Value)) {
			conflicts = append(conflicts, conflict(key, all, last))
		}
	}
	return conflicts
}

// liveConflicts are those of the keys that outdo conf/all on the running kernel,
// and that no line of the boot's gives such a value.
func liveConflicts(s step.Sysctl, h *host.Host, atBoot boot.Sysctls, all string, keys []string) ([]SysctlConflict, error) {
	var conflicts []SysctlConflict
	for _, key := range keys {
		live, err := h.Sysctl.Get(key)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		last, ok := atBoot.Last(key)
		if told := ok && !s.Serves(larger(all, last.Value)); err == nil && !told && !s.Serves(larger(all, live)) {
			conflicts = append(conflicts, SysctlConflict{Key: host.SysctlName(key), Want: all, Value: live})
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
