package keepalived

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
)

// one is a directive without a block.
func one(words ...string) Directive { return Directive{Words: words} }

// block is a directive with one.
func block(above string, inner []Directive, words ...string) Directive {
	return Directive{Words: words, Block: inner, Above: []string{above}}
}

func (d Directive) beside(comment string) Directive {
	d.Beside = comment
	return d
}

func (x *exporter) globals() Directive {
	inner := []Directive{
		one("lvs_flush").beside("the IPVS table is keepalived's alone"),
		one("vrrp_garp_master_refresh", "60").beside("neighbours that missed the failover learn of it"),
	}
	words := []string{"lvs_timeouts"}
	for _, t := range []struct {
		name  string
		value cluster.Duration
	}{{"tcp", x.Timeouts.TCP}, {"tcpfin", x.Timeouts.TCPFin}, {"udp", x.Timeouts.UDP}} {
		if t.value > 0 {
			words = append(words, t.name, seconds(t.value))
		}
	}
	if len(words) > 1 {
		inner = append(inner, Directive{Words: words, Above: []string{"timeouts of " + x.host.From}})
	}
	return block("Made of "+x.host.From+" by lvsdr export keepalived.", inner, "global_defs")
}

func seconds(d cluster.Duration) string {
	return strconv.FormatInt(int64(time.Duration(d)/time.Second), 10)
}

// link is where a VIP is: an instance of VRRP has one interface and one address family.
type link struct {
	name string
	v6   bool
}

// instances are one vrrp_instance for each interface and address family.
func (x *exporter) instances() []Directive {
	var links []link
	on := map[link][]netip.Addr{}
	for _, vip := range x.VIPs() {
		l := link{x.host.Interface(vip), vip.Is6()}
		if !slices.Contains(links, l) {
			links = append(links, l)
		}
		on[l] = append(on[l], vip)
	}
	var all []Directive
	for _, l := range links {
		all = append(all, x.instance(l, on[l]))
	}
	return all
}

// maxAdvertised is how many addresses every version of keepalived, and every MTU, has
// room for in an advertisement.
const maxAdvertised = 20

func (x *exporter) instance(l link, vips []netip.Addr) Directive {
	name, origin := "lvsdr_"+l.name, "The VIPs of "+x.host.From+" on "+l.name
	if l.v6 {
		name += "_v6"
		origin += ", IPv6"
	}
	p, at := cluster.DefaultPriority, "no directors are listed: each needs another priority"
	for i, d := range x.Directors {
		if d.Address == x.host.Address {
			p, at = priority(d), fmt.Sprintf("directors[%d]: %s", i, d.Address)
		}
	}
	inner := []Directive{
		one("state", "BACKUP").beside("on every director: the priority decides"),
		one("interface", l.name),
		one("virtual_router_id", strconv.Itoa(x.host.RouterID)).beside("the same on every director, and nobody else's on this LAN"),
		one("priority", strconv.Itoa(p)).beside(at),
		one("advert_int", "1"),
	}
	addresses := func(keyword string, vips []netip.Addr) {
		d := Directive{Words: []string{keyword}, Block: []Directive{}}
		for _, vip := range vips {
			words := []string{netip.PrefixFrom(vip, vip.BitLen()).String(), "dev", l.name}
			if vip.Is4() && len(l.name)+len(":0") <= maxLabel {
				words = append(words, "label", l.name+":0")
			}
			d.Block = append(d.Block, one(words...))
		}
		inner = append(inner, d)
	}
	addresses("virtual_ipaddress", vips[:min(len(vips), maxAdvertised)])
	if len(vips) > maxAdvertised {
		addresses("virtual_ipaddress_excluded", vips[maxAdvertised:])
	}
	return block(origin, inner, "vrrp_instance", name)
}

// maxLabel is IFNAMSIZ-1 (include/uapi/linux/if.h).
const maxLabel = 15

// virtualServer is a service at one of its ports.
func (x *exporter) virtualServer(i, j int, s cluster.Service, port cluster.Port) Directive {
	number := strconv.Itoa(int(port.Number))
	inner := []Directive{
		one("delay_loop", "6"),
		one("lb_algo", cmp.Or(s.Scheduler, cluster.DefaultScheduler)),
		one("lb_kind", "DR"),
		one("protocol", map[cluster.Protocol]string{cluster.TCP: "TCP", cluster.UDP: "UDP", cluster.SCTP: "SCTP"}[port.Protocol]),
		one("alpha"),
		one("omega"),
	}
	for _, name := range s.SchedulerFlags {
		inner = append(inner, one(name))
	}
	if s.OnePacket {
		inner = append(inner, one("ops"))
	}
	if s.Persistence > 0 {
		inner = append(inner, one("persistence_timeout", seconds(s.Persistence)))
	}
	if n := s.PersistenceNetmask; n > 0 && s.VIP.Is4() {
		inner = append(inner, one("persistence_granularity", netmask(n)))
	} else if n > 0 {
		inner = append(inner, one("persistence_granularity", strconv.Itoa(n)))
	}
	for _, k := range ascending(s.RealServers) {
		inner = append(inner, x.realServer(fmt.Sprintf("services[%d].realServers[%d]", i, k), s.RealServers[k], port))
	}
	origin := fmt.Sprintf("services[%d].ports[%d] of %s", i, j, x.host.From)
	return block(origin, inner, "virtual_server", s.VIP.String(), number)
}

// ascending are the indices of real servers in the order of their addresses.
func ascending(servers []cluster.RealServer) []int {
	order := make([]int, len(servers))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return servers[a].Address.Compare(servers[b].Address) })
	return order
}

func (x *exporter) realServer(origin string, r cluster.RealServer, port cluster.Port) Directive {
	inner := []Directive{one("weight", strconv.Itoa(weight(r)))}
	if r.UpperThreshold > 0 {
		inner = append(inner, one("uthreshold", strconv.FormatUint(uint64(r.UpperThreshold), 10)))
	}
	if r.LowerThreshold > 0 {
		inner = append(inner, one("lthreshold", strconv.FormatUint(uint64(r.LowerThreshold), 10)))
	}
	inner = append(inner, x.check(r, port))
	return block(origin, inner, "real_server", r.Address.String(), strconv.Itoa(int(port.Number)))
}

// check is how keepalived looks after a real server: by a connection where there is TCP,
// for UDP by the ICMP errors of a dead port or host, else by ping.
func (x *exporter) check(r cluster.RealServer, port cluster.Port) Directive {
	timing := []Directive{one("connect_timeout", "3"), one("retry", "3"), one("delay_before_retry", "3")}
	at := Directive{Words: []string{"connect_port", strconv.Itoa(int(port.Number))}}
	keyword := "PING_CHECK"
	switch {
	case port.Number == 0 || port.Protocol == cluster.SCTP:
	case port.Protocol == cluster.TCP:
		keyword, timing = "TCP_CHECK", append([]Directive{at}, timing...)
	case port.Protocol == cluster.UDP:
		keyword, timing = "UDP_CHECK", append([]Directive{at}, timing...)
		timing[1] = one("connect_timeout", "5").beside("a host that is gone takes ARP 3 s to tell")
	}
	return Directive{Words: []string{keyword}, Block: timing}
}
