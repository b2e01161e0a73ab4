package doctor

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// dropsARP tells whether rules of the packet filter keep this host from answering
// ARP for the address and from asking in its name.
func (e *Exam) dropsARP(ctx context.Context, ip netip.Addr) (bool, error) {
	dropped, err := e.seen.arpDropped.get(ctx, func() ([]netip.Addr, error) { return e.Host.Observer.ARPDropped(ctx) })
	if errors.Is(err, host.ErrNoView) {
		return false, nil
	}
	return slices.Contains(dropped, ip), err
}

// legacyARP tells whether the old arptables is in use, whose rules are not read. The
// file is there when its module is loaded, and names its tables.
func (e *Exam) legacyARP() bool {
	tables, err := e.Host.Files.ReadFile("/proc/thread-self/net/arp_tables_names")
	return err == nil && slices.Contains(strings.Fields(string(tables)), "filter")
}

// silence is the command that keeps a real server quiet about a VIP that it does not
// have yet, empty where it is so already.
func (e *Exam) silence(ctx context.Context, vip netip.Addr) (string, error) {
	if vip.Is6() {
		return "", nil
	}
	fronts, err := e.fronts(ctx, vip)
	if err != nil {
		return "", err
	}
	command := ""
	for _, f := range fronts {
		one, err := e.silenceOn(f.link.Name)
		if err != nil {
			return "", err
		}
		command = commands(command, one)
	}
	return command, nil
}

// silenceOn is the same for what comes in by one interface.
func (e *Exam) silenceOn(link string) (string, error) {
	ignore, err := e.effective("arp_ignore", link)
	if err != nil {
		return "", err
	}
	command := ""
	if ignore.answers([]host.Address{{}}) {
		if command, err = e.countAs(ignore, "1"); err != nil {
			return "", err
		}
	}
	announce, err := e.effective("arp_announce", link)
	if err != nil || announce.value == "2" {
		return command, err
	}
	announced, err := e.countAs(announce, "2")
	return commands(command, announced), err
}
