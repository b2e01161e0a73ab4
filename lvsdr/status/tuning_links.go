package status

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// queues: an interface that has fewer receive queues than the host has CPUs, and no
// packet steering (RPS), leaves the rest of the CPUs idle.
func queues(ctx context.Context, t *tuner) ([]Note, error) {
	links, err := t.vipLinks(ctx)
	if err != nil {
		return nil, err
	}
	cpus, err := t.cpus()
	if err != nil {
		return nil, err
	}
	var notes []Note
	for _, link := range links {
		names, err := t.host.Files.ReadDir("/sys/class/net/" + link + "/queues")
		if err != nil {
			continue // it has none, or the kernel does not tell
		}
		names = slices.DeleteFunc(names, func(n string) bool { return !strings.HasPrefix(n, "rx-") })
		if n := len(names); n > 0 && n < len(cpus) && !t.steered(link, names) {
			notes = append(notes, Note{"queues", fmt.Sprintf("this host has %d CPUs, and %s receive queues for %d: the others take no packets off it. "+
				"The first half of the command gives it more where its driver can, which may take the link down for a moment; else the second has the CPUs pass packets on", len(cpus), link, n),
				uint64(len(cpus)), uint64(n), fmt.Sprintf("%s || for q in %srx-*; do echo %s > $q/rps_cpus; done",
					host.ShellLine("ethtool", "-L", link, "combined", strconv.Itoa(len(cpus))), host.ShellWord("/sys/class/net/"+link+"/queues/"), cpuMask(cpus))})
		}
	}
	return notes, nil
}

// cpus are the numbers of the host's CPUs that are on.
func (t *tuner) cpus() (all []int, err error) {
	data, err := t.host.Files.ReadFile("/sys/devices/system/cpu/online")
	if errors.Is(err, fs.ErrNotExist) {
		data, err = fmt.Appendf(nil, "0-%d", runtime.NumCPU()-1), nil
	}
	if err != nil {
		return nil, err
	}
	for part := range strings.SplitSeq(strings.TrimSpace(string(data)), ",") { // "0-3,8"
		from, to, isRange := strings.Cut(part, "-")
		first, err := strconv.Atoi(from)
		last := first
		if isRange && err == nil {
			last, err = strconv.Atoi(to)
		}
		if err != nil {
			return nil, fmt.Errorf("/sys/devices/system/cpu/online: %q: %w", data, err)
		}
		for n := first; n <= last; n++ {
			all = append(all, n)
		}
	}
	return all, nil
}

// cpuMask is a set of CPUs as rps_cpus takes it: hexadecimal, by 32 with commas between.
func cpuMask(cpus []int) string {
	words := make([]uint32, slices.Max(cpus)/32+1)
	for _, n := range cpus {
		words[len(words)-1-n/32] |= 1 << (n % 32)
	}
	text := fmt.Sprintf("%x", words[0])
	for _, w := range words[1:] {
		text += fmt.Sprintf(",%08x", w)
	}
	return text
}

func (t *tuner) steered(link string, queues []string) bool {
	return slices.ContainsFunc(queues, func(q string) bool {
		mask, err := t.host.Files.ReadFile("/sys/class/net/" + link + "/queues/" + q + "/rps_cpus")
		return err == nil && strings.Trim(string(mask), "0,\n") != ""
	})
}

// vipLinks are the interfaces of hardware with the VIPs of services, or with a bond or
// bridge above that has them.
func (t *tuner) vipLinks(ctx context.Context) ([]string, error) {
	all, err := t.host.Links.Links(ctx)
	if err != nil {
		return nil, err
	}
	masters := map[string]string{}
	for _, l := range all {
		masters[l.Name] = l.Master
	}
	var names []string
	for _, l := range all {
		if l.Kind != "" || l.Loopback {
			continue
		}
		for name := l.Name; name != ""; name = masters[name] {
			if slices.ContainsFunc(t.st.VIPs, func(v VIP) bool { return v.Interface == name }) {
				names = append(names, l.Name)
				break
			}
		}
	}
	return names, nil
}

func lro(ctx context.Context, t *tuner) ([]Note, error) {
	links, err := t.host.Links.Links(ctx)
	if err != nil {
		return nil, err
	}
	var notes []Note
	for _, l := range links {
		if l.LRO && l.Up {
			notes = append(notes, Note{"lro", l.Name + " merges packets that it receives (LRO), which do not fit on the way to the real servers",
				1, 0, host.ShellLine("ethtool", "-K", l.Name, "lro", "off")})
		}
	}
	return notes, nil
}
