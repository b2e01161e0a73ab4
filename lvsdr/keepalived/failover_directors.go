package keepalived

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
)

// directors are those that were given, or else those between which the advertisements go.
func (im *importer) directors() []cluster.Director {
	own, peers, from := im.addressed()
	if len(im.given) > 0 {
		return im.known(own, peers, from)
	}
	priority := cluster.DefaultPriority
	if len(im.instances) > 0 {
		d := find(im.instances[0].Directive, "priority")
		if n, ok := im.number(d, d.arg(), 254); ok && n > 0 {
			priority = n
		}
	}
	switch {
	case !own.IsValid():
		return nil
	case len(peers) == 0:
		return withPriority([]netip.Addr{own}, []int{priority})
	}
	return im.ordered(own, priority, peers, from)
}

// addressed are this director's own address and the others', and where those stand. Of
// instances of both families those of the first one's are taken: the others are the same
// directors'.
func (im *importer) addressed() (own netip.Addr, peers []netip.Addr, from Directive) {
	for _, i := range im.instances {
		if !own.IsValid() {
			own = i.Source
		}
		for _, p := range i.Peers {
			if !slices.Contains(peers, p) && p != own && (!own.IsValid() || p.Is4() == own.Is4()) {
				peers, from = append(peers, p), find(i.Directive, "unicast_peer")
			}
		}
	}
	return own, peers, from
}

// known are the directors that were given, this one with the priority that the file says.
func (im *importer) known(own netip.Addr, peers []netip.Addr, from Directive) []cluster.Director {
	all := slices.Clone(im.given)
	at := func(a netip.Addr) int {
		return slices.IndexFunc(all, func(d cluster.Director) bool { return d.Address == a })
	}
	for _, p := range peers {
		if at(p) < 0 {
			im.lost(from, "unicast_peer %s is left out: it is none of the directors that were named", p)
		}
	}
	if len(im.instances) == 0 {
		return all
	}
	priority := find(im.instances[0].Directive, "priority")
	n, err := strconv.Atoi(priority.arg())
	switch i := at(own); {
	case err != nil:
	case i >= 0 && all[i].Priority == nil:
		all[i].Priority = &n
	case !slices.Contains(cluster.Config{Directors: all, VRRP: &cluster.VRRP{}}.Priorities(), n):
		im.note(priority, "priority %d: none of the directors that were named has it", n)
	}
	return all
}

// ordered puts this director before the others where it is the master or has at least
// the usual priority, else behind them. The others' priorities are not in its file.
func (im *importer) ordered(own netip.Addr, priority int, peers []netip.Addr, from Directive) []cluster.Director {
	const apart = 10
	master := find(im.instances[0].Directive, "state").arg() == "MASTER"
	addresses, priorities := []netip.Addr{}, []int{}
	var told []string
	first := master || priority >= cluster.DefaultPriority
	for i, p := range peers {
		n := max(1, priority-apart*(i+1))
		if !first {
			n = min(254, priority+apart*(len(peers)-i))
		}
		addresses, priorities = append(addresses, p), append(priorities, n)
		told = append(told, p.String()+" is given "+strconv.Itoa(n))
	}
	if first {
		addresses, priorities = slices.Insert(addresses, 0, own), slices.Insert(priorities, 0, priority)
	} else {
		addresses, priorities = append(addresses, own), append(priorities, priority)
	}
	im.remark(from, !master || len(peers) > 1, "the priority of another director stands in its own file: %s; correct it where that is not so", []any{strings.Join(told, ", ")})
	return withPriority(addresses, priorities)
}

// withPriority lists directors, without their priorities where these are the usual ones.
func withPriority(addresses []netip.Addr, priorities []int) []cluster.Director {
	c := cluster.Config{VRRP: &cluster.VRRP{}}
	for _, a := range addresses {
		c.Directors = append(c.Directors, cluster.Director{Address: a})
	}
	if slices.Equal(c.Priorities(), priorities) {
		return c.Directors
	}
	for i := range c.Directors {
		c.Directors[i].Priority = &priorities[i]
	}
	return c.Directors
}
