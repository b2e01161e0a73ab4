package keepalived

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
)

// target is an address and port that a virtual_server stands for.
type target struct {
	Directive // where it stands
	vip       netip.Addr
	port      uint16
}

// maxRange bounds the addresses of one line of a virtual_server_group.
const maxRange = 256

// targets are the services of a virtual_server: its own, or those of its group.
func (im *importer) targets(d Directive) []target {
	switch args := d.Args(); {
	case len(args) == 0:
		im.lost(d, "virtual_server is left out: an address and a port are wanted")
		return nil
	case args[0] == "fwmark":
		im.fwmark(d)
		return nil
	case args[0] != "group":
		return im.target(d, args)
	}
	name := strings.Join(d.Args()[1:], " ")
	group, ok := im.groups[name]
	if !ok {
		im.lost(d, "virtual_server is left out: there is no virtual_server_group %s", shown(name))
		return nil
	}
	var all []target
	for _, in := range group.Block {
		if in.Keyword() == "fwmark" {
			im.fwmark(in)
			continue
		}
		all = append(all, im.target(in, in.Words)...)
	}
	return all
}

func (im *importer) fwmark(d Directive) {
	im.lost(d, "%s is left out: lvsdr has services by VIP and port, not by firewall mark", shown(d.text()))
}

// target reads ADDRESS [PORT], ADDRESS-LAST and ADDRESS/LENGTH.
func (im *importer) target(d Directive, words []string) []target {
	vips := addresses(words[0])
	if len(vips) == 0 {
		im.lost(d, "%s is left out: an address is wanted, or at most %d of them", shown(d.text()), maxRange)
		return nil
	}
	port := 0
	if len(words) > 1 {
		n, ok := im.number(d, words[1], 65535)
		if !ok {
			return nil
		}
		port = n
	}
	var all []target
	for _, vip := range vips {
		all = append(all, target{d, vip, uint16(port)})
	}
	return all
}

// addresses are those of one word, none where it is no address or too many.
func addresses(word string) []netip.Addr {
	if p, err := netip.ParsePrefix(word); err == nil {
		if p.Addr().BitLen()-p.Bits() > 8 {
			return nil
		}
		return upTo(p.Masked().Addr(), p.Contains)
	}
	first, last, ranged := strings.Cut(word, "-")
	from, err := netip.ParseAddr(first)
	if err != nil || from.Zone() != "" {
		return nil
	}
	if !ranged {
		return []netip.Addr{from}
	}
	to, err := netip.ParseAddr(last)
	if err != nil { // the last part alone: 192.168.200.3-10, 2001:db8::2-9
		at := strings.LastIndexAny(first, ".:")
		if to, err = netip.ParseAddr(first[:at+1] + last); err != nil {
			return nil
		}
	}
	if to.Is4() != from.Is4() || to.Less(from) {
		return nil
	}
	return upTo(from, func(a netip.Addr) bool { return a.Compare(to) <= 0 })
}

func upTo(a netip.Addr, within func(netip.Addr) bool) []netip.Addr {
	var all []netip.Addr
	for ; a.IsValid() && within(a); a = a.Next() {
		if len(all) == maxRange {
			return nil
		}
		all = append(all, a)
	}
	return all
}

// service makes the service at one target.
func (im *importer) service(v *vserver, t target) {
	s := v.service
	s.VIP, s.Ports = t.vip, []cluster.Port{{Number: t.port, Protocol: v.protocol}}
	s.SchedulerFlags = slices.Clone(s.SchedulerFlags)
	if t.port == 0 && s.Persistence == 0 {
		s.Persistence = secondsOf(defaultPersistence)
		im.note(v.Directive, "without a port a service needs persistence: keepalived takes %d s then", defaultPersistence)
	}
	im.granularity(v, &s)
	for _, r := range v.servers {
		if im.reaches(v, t, r) {
			im.add(&s, r)
		}
	}
	im.quorum(v, &s)
	im.sorry(v, &s, t.port)
	s.Check = im.brief(v, s.Ports[0])
	if len(s.RealServers) == 0 {
		im.lost(v.Directive, "virtual_server %s %d is left out: no real server is left for it", t.vip, t.port)
		return
	}
	if _, ok := im.carried[t.vip]; !ok {
		im.note(t.Directive, "no vrrp_instance carries %s: keepalived leaves that to others, lvsdr carries it on the LAN interface", t.vip)
	}
	im.config.Services = append(im.config.Services, s)
}

func (im *importer) add(s *cluster.Service, r rserver) {
	if slices.ContainsFunc(s.RealServers, func(before cluster.RealServer) bool { return before.Address == r.Address }) {
		im.note(r.Directive, "%s is there before: keepalived takes the first one alone", shown(r.text()))
		return
	}
	if r.LowerThreshold > r.UpperThreshold {
		im.lost(r.Directive, "lthreshold %d is left out: it is above uthreshold, %d", r.LowerThreshold, r.UpperThreshold)
		r.LowerThreshold = 0
	}
	s.RealServers = append(s.RealServers, r.RealServer)
}

// reaches tells whether direct routing can take the place of the method that reaches a
// real server.
func (im *importer) reaches(v *vserver, t target, r rserver) bool {
	method := r.method
	if method == "" {
		method = v.method
	}
	other := r.port != 0 && r.port != t.port
	switch {
	case r.Address == t.vip:
		im.lost(r.Directive, "%s is left out: it is the VIP, and a real server needs an address of its own", r.Address)
		return false
	case r.Address.Is4() != t.vip.Is4():
		im.lost(r.Directive, "%s is left out: it is of another address family than %s, and direct routing rewrites no addresses", r.Address, t.vip)
		return false
	case method == "DR" && other:
		im.note(r.Directive, "port %d does nothing with DR: packets for %s keep port %d, as keepalived corrects it itself", r.port, t.vip, t.port)
	case other:
		im.lost(r.Directive, "%s is left out: it is reached by %s on port %d, and direct routing rewrites no ports: it must listen on port %d",
			r.Address, method, r.port, t.port)
		return false
	case method != "DR":
		im.lost(r.Directive, "%s is reached by %s and will be by direct routing (DR): it needs a place on the director's LAN and lvsdr setup realserver",
			r.Address, method)
	}
	return true
}

// granularity takes the netmask of the persistence.
func (im *importer) granularity(v *vserver, s *cluster.Service) {
	if v.granularity == nil {
		return
	}
	d := *v.granularity
	n := prefixLength(d.arg(), s.VIP.BitLen())
	switch {
	case n == 0:
		im.lost(d, "persistence_granularity %s is left out: a netmask such as 255.255.255.0 is wanted, or a prefix length for IPv6", shown(d.arg()))
		return
	case s.Persistence == 0:
		s.Persistence = secondsOf(defaultPersistence)
		im.note(d, "persistence_granularity makes a service persistent: without persistence_timeout keepalived takes %d s", defaultPersistence)
	}
	if n != s.VIP.BitLen() {
		s.PersistenceNetmask = n
	}
}
