package step

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// A serviceEdit is what a change of the IPVS table carries as its Data.
type serviceEdit struct {
	command ipvs.Command
	target  *serviceTarget
	live    *ipvs.Entry // the service before all edits, nil when it was not there
	drained bool        // its connections had their time to end

	step *services
	host *host.Host
}

// do makes the change on its own.
func (e *serviceEdit) do(ctx context.Context) error { return e.step.applyOne(ctx, e.host, e) }

// A serviceDiff collects what makes live services into targets: everything that
// adds first, everything that removes last.
type serviceDiff struct {
	step        *services // nil where the changes are only counted
	host        *host.Host
	adds, drops []Change
	edits       []serviceEdit // room for those of the changes

	said     *ipvs.Destination // the one described last
	settings string            // and how
}

func (d *serviceDiff) changes() []Change { return append(d.adds, d.drops...) }

// compare adds what is due to make live, nil when it is not there, into t.
func (d *serviceDiff) compare(t *serviceTarget, live *ipvs.Entry) {
	before := len(d.adds) + len(d.drops)
	defer func() {
		if t.back && d.step != nil && len(d.adds)+len(d.drops) == before {
			d.strike(t, live)
		}
	}()
	switch {
	case t.gone && live == nil:
		return
	case t.gone:
		d.drop(t, live, ipvs.Command{Op: ipvs.RemoveService, Service: &t.Service},
			Change{Op: Remove, Object: t.ID.String(), From: describeService(&live.Service) + describeActive(live.Destinations...)})
		return
	case live == nil:
		d.add(t, live, ipvs.Command{Op: ipvs.AddService, Service: &t.Service},
			Change{Op: Add, Object: t.ID.String(), To: describeService(&t.Service)})
	case fallsBack(t, live):
		d.compareDestinations(t, live)
		d.endFallBack(t, live)
		return
	case !sameService(&t.Service, &live.Service):
		command, change := setService(t, live)
		d.add(t, live, command, change)
	}
	d.compareDestinations(t, live)
}

func setService(t *serviceTarget, live *ipvs.Entry) (ipvs.Command, Change) {
	return ipvs.Command{Op: ipvs.SetService, Service: &t.Service},
		Change{Op: Set, Object: t.ID.String(), From: describeService(&live.Service), To: describeService(&t.Service)}
}

// fallsBack tells whether the service has the flag that keeps a hash scheduler from
// refusing the clients of real servers that are idle, and is not to have it any more.
func fallsBack(t *serviceTarget, live *ipvs.Entry) bool {
	return live.Scheduler == t.Scheduler && cluster.HashScheduler(t.Scheduler) &&
		live.Flags&ipvs.Sched1 != 0 && t.Flags&ipvs.Sched1 == 0
}

// endFallBack takes the flag away when no real server is idle any more: behind their
// changes, and behind the removals where there are some.
func (d *serviceDiff) endFallBack(t *serviceTarget, live *ipvs.Entry) {
	command, change := setService(t, live)
	if n := len(d.drops); n > 0 && d.drops[n-1].Data.(*serviceEdit).target == t {
		d.drop(t, live, command, change)
		return
	}
	d.add(t, live, command, change)
}

// strike is for a service that is as before again, given back by a run that was
// broken off or by somebody else: nothing of it is lvsdr's any more.
func (d *serviceDiff) strike(t *serviceTarget, live *ipvs.Entry) {
	d.drop(t, live, ipvs.Command{Service: &t.Service}, Change{Op: Remove, Object: "record of " + t.ID.String()})
}

func (d *serviceDiff) compareDestinations(t *serviceTarget, live *ipvs.Entry) {
	if live != nil && slices.EqualFunc(t.Destinations, live.Destinations, sameServerAndSettings) {
		return // the same in the same order, as nearly always
	}
	var have map[netip.AddrPort]*ipvs.Destination
	if live != nil {
		have = make(map[netip.AddrPort]*ipvs.Destination, len(live.Destinations))
		for i := range live.Destinations {
			have[server(&live.Destinations[i])] = &live.Destinations[i]
		}
	}
	for i := range t.Destinations {
		want := &t.Destinations[i]
		old := have[server(want)]
		delete(have, server(want))
		switch {
		case old == nil:
			d.add(t, live, ipvs.Command{Op: ipvs.AddDestination, Service: &t.Service, Destination: want},
				Change{Op: Add, Object: destinationObject(t, want), To: d.describe(want)})
		case !sameDestination(want, old):
			d.add(t, live, ipvs.Command{Op: ipvs.SetDestination, Service: &t.Service, Destination: want},
				Change{Op: Set, Object: destinationObject(t, want), From: describeDestination(old), To: describeDestination(want)})
		}
	}
	if len(have) == 0 {
		return
	}
	for i := range live.Destinations {
		old := &live.Destinations[i]
		if have[server(old)] == nil {
			continue
		}
		from := describeDestination(old) + describeActive(*old)
		d.drop(t, live, ipvs.Command{Op: ipvs.RemoveDestination, Service: &t.Service, Destination: old},
			Change{Op: Remove, Object: destinationObject(t, old), From: from})
	}
}

// describeActive tells how many connections there are, when there are any.
func describeActive(all ...ipvs.Destination) string {
	n := 0
	for _, d := range all {
		n += int(d.Active)
	}
	if n == 0 {
		return ""
	}
	return ", " + strconv.Itoa(n) + " active connections"
}

func (d *serviceDiff) add(t *serviceTarget, live *ipvs.Entry, cmd ipvs.Command, c Change) {
	d.adds = append(d.adds, d.change(t, live, cmd, c))
}

func (d *serviceDiff) drop(t *serviceTarget, live *ipvs.Entry, cmd ipvs.Command, c Change) {
	d.drops = append(d.drops, d.change(t, live, cmd, c))
}

func (d *serviceDiff) change(t *serviceTarget, live *ipvs.Entry, cmd ipvs.Command, c Change) Change {
	c.Step = Service
	if len(d.edits) == cap(d.edits) {
		d.edits = make([]serviceEdit, 0, 16) // those before stay where they are
	}
	d.edits = append(d.edits, serviceEdit{command: cmd, target: t, live: live, step: d.step, host: d.host})
	edit := &d.edits[len(d.edits)-1]
	c.Data = edit
	if d.step != nil {
		c.Do = edit.do
	}
	return c
}

// describe is describeDestination, which for one real server after the other says the
// same.
func (d *serviceDiff) describe(want *ipvs.Destination) string {
	if d.said == nil || !sameDestination(d.said, want) {
		d.said, d.settings = want, describeDestination(want)
	}
	return d.settings
}

// server is the key of a real server within its service.
func server(d *ipvs.Destination) netip.AddrPort { return netip.AddrPortFrom(d.Addr, d.Port) }

func sameServerAndSettings(a, b ipvs.Destination) bool {
	return sameServer(&a, &b) && sameDestination(&a, &b)
}

func sameServer(a, b *ipvs.Destination) bool { return a.Addr == b.Addr && a.Port == b.Port }

func sameService(a, b *ipvs.Service) bool {
	return a.Scheduler == b.Scheduler && a.Flags == b.Flags && a.Persistence == b.Persistence &&
		a.PE == b.PE && mask(a) == mask(b)
}

// mask is the persistence netmask that is in force: without persistence none.
func mask(s *ipvs.Service) int {
	if s.Flags&ipvs.Persistent == 0 {
		return 0
	}
	if s.Netmask == 0 {
		return s.Addr.BitLen()
	}
	return s.Netmask
}

func sameDestination(a, b *ipvs.Destination) bool {
	return a.Forwarding == b.Forwarding && a.Weight == b.Weight &&
		a.UpperThreshold == b.UpperThreshold && a.LowerThreshold == b.LowerThreshold
}

// destinationObject names a real server as ipvsadm -L lists it.
func destinationObject(t *serviceTarget, d *ipvs.Destination) string {
	if t.name == "" {
		t.name = t.ID.String() + " -> "
	}
	text := make([]byte, 0, 96)
	return string(server(d).AppendTo(append(text, t.name...)))
}

// encodeService writes a service on one line for the ledger.
func encodeService(v *ipvs.Entry) (string, error) {
	bare := ipvs.Entry{Service: v.Service}
	bare.Stats = nil
	for _, d := range v.Destinations {
		d.Active, d.Inactive, d.Persistent, d.Stats = 0, 0, 0, nil
		bare.Destinations = append(bare.Destinations, d)
	}
	line, err := json.Marshal(bare)
	return string(line), err
}

func decodeService(line string) (ipvs.Entry, error) {
	var v ipvs.Entry
	err := json.Unmarshal([]byte(line), &v)
	return v, err
}

// parseServiceKey is the inverse of [serviceKey] for services of an address.
func parseServiceKey(key string) (ipvs.ID, error) {
	protocol, addr, _ := strings.Cut(strings.TrimPrefix(key, servicePrefix), " ")
	p, err := ipvs.ParseProtocol(protocol)
	if err != nil {
		return ipvs.ID{}, err
	}
	ap, err := netip.ParseAddrPort(addr)
	if err != nil {
		return ipvs.ID{}, fmt.Errorf("damaged line: %w", err)
	}
	return ipvs.ID{Addr: ap.Addr(), Port: ap.Port(), Protocol: p}, nil
}
