package status

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// A Note is something that costs this director time or room, with what was seen, from
// where on it counts, and a command that changes it. Nothing is changed by looking.
type Note struct {
	About     string `json:"about"`     // "conn-table", for ever the same
	Text      string `json:"text"`      // what was seen and what it costs
	Value     uint64 `json:"value"`     // what was seen
	Threshold uint64 `json:"threshold"` // the note is made above it
	Command   string `json:"command"`
}

// tunings are the subjects of notes, in their order.
var tunings = []func(context.Context, *tuner) ([]Note, error){
	connTable, connTableOption, connTracking, trackedConnections, softnetDrops, softnetSqueezes, queues, neighbours, estimators, lro,
}

type tuner struct {
	host *host.Host
	st   *Status
	cpus uint64
}

// Tuning returns the notes on a host of which st was seen: none where there is no
// virtual service. What the kernel does not tell is left out.
func Tuning(ctx context.Context, h *host.Host, st *Status) ([]Note, error) {
	notes := []Note{}
	if len(st.Services) == 0 {
		return notes, nil
	}
	t := &tuner{host: h, st: st, cpus: uint64(runtime.NumCPU())}
	for _, look := range tunings {
		found, err := look(ctx, t)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		notes = append(notes, found...)
	}
	return notes, nil
}

// number reads a sysctl.
func (t *tuner) number(key string) (uint64, error) {
	text, err := t.host.Sysctl.Get(key)
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.TrimSpace(text), 10, 64)
}

// connTracking: net.ipv4.vs.conntrack has IPVS keep connection tracking's entries,
// which direct routing does not need.
func connTracking(_ context.Context, t *tuner) ([]Note, error) {
	on, err := t.number("net/ipv4/vs/conntrack")
	if err != nil || on == 0 {
		return nil, err
	}
	for _, s := range t.st.Services {
		if slices.ContainsFunc(s.RealServers, func(r RealServer) bool { return r.Forwarding == forwarding[ipvs.Masquerade] }) {
			return nil, nil // NAT's rules may want it
		}
	}
	return []Note{{"conntrack", "IPVS has connection tracking follow every connection (net.ipv4.vs.conntrack), which direct routing does not need",
		on, 0, "sysctl -w net.ipv4.vs.conntrack=0"}}, nil
}

// trackedConnections: a full table of connection tracking drops packets.
func trackedConnections(_ context.Context, t *tuner) ([]Note, error) {
	most, err := t.number("net/netfilter/nf_conntrack_max")
	if err != nil {
		return nil, err
	}
	n, err := t.number("net/netfilter/nf_conntrack_count")
	if limit := most / 4 * 3; err != nil || n <= limit {
		return nil, err
	}
	return []Note{{"conntrack-table", fmt.Sprintf("connection tracking follows %d connections of %d at most; when it is full, packets of new ones are dropped", n, most),
		n, most / 4 * 3, fmt.Sprintf("sysctl -w net.netfilter.nf_conntrack_max=%d", 4*most)}}, nil
}

// softnet sums a column of /proc/net/softnet_stat, a line a CPU
// (net/core/net-procfs.c).
func (t *tuner) softnet(column int) (sum uint64, err error) {
	data, err := t.host.Files.ReadFile("/proc/net/softnet_stat")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		if len(f) <= column {
			return 0, fmt.Errorf("/proc/net/softnet_stat: %q", line)
		}
		n, err := strconv.ParseUint(f[column], 16, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/net/softnet_stat: %w", err)
		}
		sum += n
	}
	return sum, nil
}

// The columns of /proc/net/softnet_stat.
const (
	processed = 0
	dropped   = 1
	squeezed  = 2
)

func softnetDrops(_ context.Context, t *tuner) ([]Note, error) {
	n, err := t.softnet(dropped)
	if err != nil || n == 0 {
		return nil, err
	}
	backlog, err := t.number("net/core/netdev_max_backlog")
	return []Note{{"softnet-drops", fmt.Sprintf("%d packets were dropped since the start because a CPU had more than %d waiting", n, backlog),
		n, 0, fmt.Sprintf("sysctl -w net.core.netdev_max_backlog=%d", 4*backlog)}}, err
}

// softnetSqueezes: the CPU had more packets to take than its turn allowed, in more
// than one of a thousand.
func softnetSqueezes(_ context.Context, t *tuner) ([]Note, error) {
	n, err := t.softnet(squeezed)
	if err != nil {
		return nil, err
	}
	all, err := t.softnet(processed)
	if err != nil || n <= all/1000 {
		return nil, err
	}
	budget, err := t.number("net/core/netdev_budget")
	return []Note{{"softnet-budget", fmt.Sprintf("a CPU's turn at the network ended %d times with packets left, for %d packets in all", n, all),
		n, all / 1000, fmt.Sprintf("sysctl -w net.core.netdev_budget=%d", 2*budget)}}, err
}

// queues: an interface that has fewer receive queues than the host has CPUs, and no
// packet steering (RPS), leaves the rest of the CPUs idle.
func queues(ctx context.Context, t *tuner) ([]Note, error) {
	links, err := t.vipLinks(ctx)
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
		if n := uint64(len(names)); n > 0 && n < t.cpus && !t.steered(link, names) {
			notes = append(notes, Note{"queues", fmt.Sprintf("%s has %d receive queues and this host %d CPUs: the others take no packets", link, n, t.cpus),
				n, t.cpus, fmt.Sprintf("ethtool -L %s combined %d || echo %x > /sys/class/net/%s/queues/rx-0/rps_cpus",
					link, t.cpus, uint64(1)<<min(t.cpus, 32)-1, link)})
		}
	}
	return notes, nil
}

func (t *tuner) steered(link string, queues []string) bool {
	return slices.ContainsFunc(queues, func(q string) bool {
		mask, err := t.host.Files.ReadFile("/sys/class/net/" + link + "/queues/" + q + "/rps_cpus")
		return err == nil && strings.Trim(string(mask), "0,\n") != ""
	})
}

// vipLinks are the interfaces with the VIPs of services that are hardware.
func (t *tuner) vipLinks(ctx context.Context) ([]string, error) {
	all, err := t.host.Links.Links(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, l := range all {
		carries := func(v VIP) bool { return v.Interface == l.Name }
		if l.Kind == "" && !l.Loopback && slices.ContainsFunc(t.st.VIPs, carries) {
			names = append(names, l.Name)
		}
	}
	return names, nil
}

// neighbours: a full table of neighbours leaves real servers unreached.
func neighbours(ctx context.Context, t *tuner) ([]Note, error) {
	all, err := t.host.Observer.Neighbours(ctx)
	if err != nil {
		return nil, err
	}
	var notes []Note
	for _, f := range []struct {
		name string
		is   func(netip.Addr) bool
	}{{"ipv4", netip.Addr.Is4}, {"ipv6", netip.Addr.Is6}} {
		var n uint64
		for _, e := range all {
			if f.is(e.Addr) && e.State != "PERMANENT" && e.State != "NOARP" {
				n++
			}
		}
		key := "net/" + f.name + "/neigh/default/gc_thresh3"
		most, err := t.number(key)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if limit := most / 4 * 3; n > limit {
			notes = append(notes, Note{"neighbours", fmt.Sprintf("%d %s neighbours of %d at most; when the table is full, new hosts are not reached", n, f.name, most),
				n, limit, fmt.Sprintf("sysctl -w net.%s.neigh.default.gc_thresh3=%d net.%s.neigh.default.gc_thresh2=%d", f.name, 4*most, f.name, 2*most)})
		}
	}
	return notes, nil
}

// mostEstimators is how many services and real servers have their rates worked out
// every two seconds without that being seen in the CPU's time.
const mostEstimators = 10_000

// estimators: kernels since 6.2 can leave the rates out (ip_vs_est.c).
func estimators(_ context.Context, t *tuner) ([]Note, error) {
	on, err := t.number("net/ipv4/vs/run_estimation")
	if err != nil || on == 0 {
		return nil, err
	}
	n := uint64(len(t.st.Services))
	for _, s := range t.st.Services {
		n += uint64(len(s.RealServers))
	}
	if n <= mostEstimators {
		return nil, nil
	}
	return []Note{{"estimation", fmt.Sprintf("the kernel works out the rates of %d services and real servers every two seconds; without it they read 0", n),
		n, mostEstimators, "sysctl -w net.ipv4.vs.run_estimation=0"}}, nil
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
				1, 0, "ethtool -K " + l.Name + " lro off"})
		}
	}
	return notes, nil
}
