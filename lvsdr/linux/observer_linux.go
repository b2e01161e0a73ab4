package linux

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/lvsdr/toolkit/lvsdr/filter"
	"github.com/lvsdr/toolkit/lvsdr/firewall"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// linuxObserver looks at the network namespace of the calling thread. It has the
// kernel load no module: it reads files of /proc and rtnetlink, which are always
// there.
type linuxObserver struct{}

// procNet is where a network namespace's files are; /proc/net is that of the
// process's first thread.
const procNet = "/proc/thread-self/net/"

// maxConnections is how many connections are read at the most, in reading time. They
// come in the order of their hash, so that these are as good as a random sample. To read
// n takes the kernel n*n steps through memory: for each 4 KiB it looks for its place again
// from the start (ip_vs_conn_array in net/netfilter/ipvs/ip_vs_conn.c).
const (
	maxConnections = 1 << 16
	readingTime    = 500 * time.Millisecond
)

// Connections implements [host.Observer].
func (linuxObserver) Connections(ctx context.Context) ([]ipvs.Connection, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := os.Open(procNet + "ip_vs_conn")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	began := time.Now()
	all, err := ipvs.ReadConnections(f, func(have int) bool {
		// A look at the clock for some four pages.
		return have < maxConnections && (have%256 != 0 || ctx.Err() == nil && time.Since(began) < readingTime)
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	return all, ctx.Err()
}

// Rules implements [host.Observer].
func (linuxObserver) Rules(ctx context.Context) (*filter.Ruleset, error) {
	return filter.Load(ctx)
}

// RouteOf implements [host.Observer].
func (linuxObserver) RouteOf(ctx context.Context, q host.RouteQuery) (host.Route, error) {
	return routeOf(ctx, q)
}

// Local implements [host.Observer].
func (linuxObserver) Local(ctx context.Context, link string) ([]netip.Prefix, error) {
	l, err := linkByName(ctx, link)
	if err != nil {
		return nil, err
	}
	local := &netlink.Route{LinkIndex: l.Attrs().Index, Table: unix.RT_TABLE_LOCAL, Type: unix.RTN_LOCAL}
	const match = netlink.RT_FILTER_OIF | netlink.RT_FILTER_TABLE | netlink.RT_FILTER_TYPE
	var all []netip.Prefix
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		routes, err := dump(ctx, func() ([]netlink.Route, error) {
			return netlink.RouteListFiltered(family, local, match)
		})
		if err != nil {
			return nil, fmt.Errorf("local routes of %s: %w", link, err)
		}
		for _, r := range routes {
			if r.Dst == nil {
				continue
			}
			addr, ok := netip.AddrFromSlice(r.Dst.IP)
			if ones, _ := r.Dst.Mask.Size(); ok {
				all = append(all, netip.PrefixFrom(addr.Unmap(), ones))
			}
		}
	}
	return all, nil
}

// ARPDropped implements [host.Observer].
func (linuxObserver) ARPDropped(ctx context.Context) ([]netip.Addr, error) {
	return firewall.ARPDropped(ctx)
}
