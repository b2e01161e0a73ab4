package keepalived

import (
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

func (x *exporter) globals(instances []Directive) Directive {
	inner := []Directive{
		one("lvs_flush").beside("the IPVS table is keepalived's alone"),
		one("vrrp_garp_master_refresh", "60").beside("neighbours that missed the failover learn of it"),
		undisturbed(),
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
	inner = append(inner, x.syncDaemon(instances)...)
	inner = append(inner, x.security()...)
	inner = append(inner, x.mails()...)
	if x.Config.VRRP != nil && !wholeSeconds(x.Config.VRRP) {
		inner = append(inner, one("vrrp_version", "3").beside("the interval is no whole seconds"))
	}
	return block("Made of "+x.host.From+" by lvsdr export keepalived.", inner, "global_defs")
}

// The names of the processes of lvsdr's own keepalived, by which they are told from
// another one of this host. A process has at most 15 characters.
const (
	EngineProcess  = "lvsdr-keepalive"
	CheckerProcess = "lvsdr-checkers"
)

func (x *exporter) ownGlobals() Directive {
	inner := []Directive{
		one("process_name", EngineProcess), one("checker_process_name", CheckerProcess),
	}
	return block("Written by lvsdr of "+x.host.From+" for its own keepalived: change that, then lvsdr setup director.", slices.Concat(inner, x.security(), x.mails()), "global_defs")
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
		l := link{x.speaks(vip), vip.Is6()}
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

// speaks is the interface by which a VIP is advertised.
func (x *exporter) speaks(vip netip.Addr) string {
	if x.Config.VRRP != nil && x.Config.VRRP.Interface != "" {
		return x.Config.VRRP.Interface
	}
	return x.host.Interface(vip)
}

// maxAdvertised is how many addresses every version of keepalived, and every MTU, has
// room for in an advertisement.
const maxAdvertised = 20

func (x *exporter) instance(l link, vips []netip.Addr) Directive {
	origin := "The VIPs of " + x.host.From + " on " + l.name
	if l.v6 {
		origin += ", IPv6"
	}
	p, at := cluster.DefaultPriority, "no directors are listed: each needs another priority"
	for i, d := range x.Directors {
		if d.Address == x.host.Address {
			p, at = x.Priorities()[i], fmt.Sprintf("directors[%d]: %s", i, d.Address)
		}
	}
	inner := append([]Directive{
		one("state", "BACKUP").beside("on every director: the priority decides"),
		one("interface", l.name),
		one("virtual_router_id", strconv.Itoa(x.host.RouterID)).beside("the same on every director, and nobody else's on this LAN"),
		one("priority", strconv.Itoa(p)).beside(at),
	}, slices.Concat(x.advertised(), x.alerts())...)
	var carry []string
	for _, vip := range vips {
		carry = append(carry, x.host.Interface(vip))
	}
	inner = append(inner, tracked(l.name, carry)...)
	inner = append(inner, x.carried("virtual_ipaddress", vips[:min(len(vips), maxAdvertised)]))
	if len(vips) > maxAdvertised {
		inner = append(inner, x.carried("virtual_ipaddress_excluded", vips[maxAdvertised:]))
	}
	return block(origin, inner, "vrrp_instance", instanceName(l.name, l.v6))
}

// carried are VIPs, as lvsdr carries them.
func (x *exporter) carried(keyword string, vips []netip.Addr) Directive {
	d := Directive{Words: []string{keyword}, Block: []Directive{}}
	for _, vip := range vips {
		name := x.host.Interface(vip)
		words := []string{netip.PrefixFrom(vip, vip.BitLen()).String(), "dev", name}
		if vip.Is4() && len(name)+len(":0") <= maxLabel {
			words = append(words, "label", name+":0")
		}
		d.Block = append(d.Block, one(words...))
	}
	return d
}

// maxLabel is IFNAMSIZ-1 (include/uapi/linux/if.h).
const maxLabel = 15

// virtualServers are the services, each at each of its ports.
func (x *exporter) virtualServers() []Directive {
	var all []Directive
	entries := x.VirtualServices()
	for i, s := range x.Services {
		for j, port := range s.AllPorts() {
			e := entries[len(all)]
			weights := map[netip.Addr]int32{}
			for _, d := range e.Destinations {
				weights[d.Addr] = d.Weight
			}
			all = append(all, x.virtualServer(virtual{
				origin: fmt.Sprintf("services[%d]", i), port: port, Service: s, scheduler: e.Scheduler,
				flags: e.Flags.Of(e.Scheduler), weights: weights, check: s.Check.For(port),
			}, j))
		}
	}
	return all
}

// virtual is a service at one of its ports, with every default filled in.
type virtual struct {
	cluster.Service
	origin    string
	port      cluster.Port
	scheduler string
	flags     []string             // that of a hash that is to fall back included
	weights   map[netip.Addr]int32 // 0 of one that is drained
	check     cluster.Check
}

var protocols = map[cluster.Protocol]string{cluster.TCP: "TCP", cluster.UDP: "UDP", cluster.SCTP: "SCTP"}

func (x *exporter) virtualServer(v virtual, j int) Directive {
	number := strconv.Itoa(int(v.port.Number))
	inner := []Directive{
		one("delay_loop", seconds(v.check.Interval)),
		one("lb_algo", v.scheduler),
		one("lb_kind", "DR"),
		one("protocol", protocols[v.port.Protocol]),
	}
	if x.isNew == nil {
		inner = append(inner, one("alpha").beside("a new real server comes in when its check has passed"))
	}
	inner = append(inner, one("omega"), one("warmup", "0"))
	for _, name := range v.flags {
		inner = append(inner, one(name))
	}
	if v.OnePacket {
		inner = append(inner, one("ops"))
	}
	if v.Persistence > 0 {
		inner = append(inner, one("persistence_timeout", seconds(v.Persistence)))
	}
	if n := v.PersistenceNetmask; n > 0 && v.VIP.Is4() {
		inner = append(inner, one("persistence_granularity", netmask(n)))
	} else if n > 0 {
		inner = append(inner, one("persistence_granularity", strconv.Itoa(n)))
	}
	if v.Quorum > 1 {
		inner = append(inner, one("quorum", strconv.Itoa(v.Quorum)))
	}
	if v.SorryServer.IsValid() {
		inner = append(inner, one("sorry_server", v.SorryServer.String(), number), one("sorry_server_lvs_method", "DR"))
	}
	for _, k := range ascending(v.RealServers) {
		inner = append(inner, x.realServer(v, k))
	}
	origin := fmt.Sprintf("%s.ports[%d] of %s", v.origin, j, x.host.From)
	return block(origin, inner, "virtual_server", v.VIP.String(), number)
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

func (x *exporter) realServer(v virtual, k int) Directive {
	r := v.RealServers[k]
	inner := []Directive{one("weight", strconv.Itoa(int(v.weights[r.Address])))}
	if r.UpperThreshold > 0 {
		inner = append(inner, one("uthreshold", strconv.FormatUint(uint64(r.UpperThreshold), 10)))
	}
	if r.LowerThreshold > 0 {
		inner = append(inner, one("lthreshold", strconv.FormatUint(uint64(r.LowerThreshold), 10)))
	}
	if x.isNew != nil && x.isNew(v.VIP, v.port, r.Address) {
		inner = append(inner, one("alpha").beside("it is not in the table: it comes in when its check has passed"))
	}
	if v.Inhibit {
		inner = append(inner, one("inhibit_on_failure").beside("weight 0 while its check fails"))
	}
	inner = append(inner, x.alerts()...)
	inner = append(inner, checker(v, r.Address))
	origin := fmt.Sprintf("%s.realServers[%d]", v.origin, k)
	return block(origin, inner, "real_server", r.Address.String(), strconv.Itoa(int(v.port.Number)))
}
