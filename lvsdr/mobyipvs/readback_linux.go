package mobyipvs

import (
	"cmp"
	"errors"
	"io/fs"
	"net/netip"
	"slices"

	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// An object is what a command is about: a service, or one of its real servers.
type object struct {
	service ipvs.ID
	server  netip.AddrPort
}

func objectOf(c ipvs.Command) object {
	o := object{service: c.Service.ID}
	if o.service.FWMark != 0 { // of which the family alone counts
		o.service = ipvs.ID{FWMark: o.service.FWMark, Addr: unspecified(o.service.Addr)}
	}
	if c.Op >= ipvs.AddDestination {
		o.server = netip.AddrPortFrom(c.Destination.Addr, c.Destination.Port)
	}
	return o
}

func unspecified(a netip.Addr) netip.Addr {
	if a.Is6() {
		return netip.IPv6Unspecified()
	}
	return netip.IPv4Unspecified()
}

// errNotSo says that a command was acknowledged and did nothing.
var errNotSo = errors.New("acknowledged, but not so when read back")

// readBack compares the last command about each object with the table.
func (v *View) readBack(commands []ipvs.Command, result *ipvs.ApplyError) error {
	refused := map[int]bool{}
	for _, r := range result.Refused {
		refused[r.Index] = true
	}
	last := map[object]int{}
	gone := map[ipvs.ID]int{} // services removed after what was done to their real servers
	for i, c := range commands {
		if refused[i] {
			continue
		}
		last[objectOf(c)] = i
		if c.Op == ipvs.RemoveService {
			gone[objectOf(c).service] = i
		}
	}
	table, err := v.touched(last)
	if err != nil {
		return err
	}
	for i, c := range commands {
		if refused[i] || last[objectOf(c)] != i || gone[objectOf(c).service] > i {
			continue
		}
		if found, ok := table[objectOf(c)]; !found.shows(c, ok) {
			result.Refused = append(result.Refused, &ipvs.CommandError{Index: i, Command: c, Err: errNotSo})
		}
	}
	slices.SortFunc(result.Refused, func(a, b *ipvs.CommandError) int { return cmp.Compare(a.Index, b.Index) })
	return nil
}

// A row is a service of the table, or one of its real servers.
type row struct {
	service     ipvs.Service
	destination ipvs.Destination
}

// touched reads the services that the objects belong to, with their real servers
// where one of the objects is a real server.
func (v *View) touched(objects map[object]int) (map[object]row, error) {
	table := map[object]row{}
	services, err := v.services(ipvs.Plain)
	if err != nil {
		return nil, err
	}
	for _, s := range services {
		table[object{service: s.ID}] = row{service: s}
	}
	read := map[ipvs.ID]bool{}
	for o := range objects {
		if o.server == (netip.AddrPort{}) || read[o.service] {
			continue
		}
		read[o.service] = true
		servers, err := v.destinations(o.service, ipvs.Plain)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, d := range servers {
			table[object{o.service, netip.AddrPortFrom(d.Addr, d.Port)}] = row{destination: d}
		}
	}
	return table, nil
}

// shows tells whether the table, where the row is there or not, is as the command
// left it.
func (r row) shows(c ipvs.Command, there bool) bool {
	switch c.Op {
	case ipvs.RemoveService, ipvs.RemoveDestination:
		return !there
	case ipvs.AddService, ipvs.SetService:
		return there && sameService(r.service, *c.Service)
	}
	return there && sameDestination(r.destination, *c.Destination)
}

func sameService(got, want ipvs.Service) bool {
	if want.Persistence > 0 {
		want.Flags |= ipvs.Persistent
	}
	mask := cmp.Or(want.Netmask, want.Addr.BitLen())
	return got.Scheduler == want.Scheduler && got.Flags == want.Flags&^hashed &&
		(want.Flags&ipvs.Persistent == 0 || got.Persistence == want.Persistence && got.Netmask == mask)
}

// sameDestination knows that the kernel makes a real server with one of the host's own
// addresses a LocalNode.
func sameDestination(got, want ipvs.Destination) bool {
	return (got.Forwarding == want.Forwarding || got.Forwarding == ipvs.LocalNode) && got.Weight == want.Weight &&
		got.UpperThreshold == want.UpperThreshold && got.LowerThreshold == want.LowerThreshold
}
