package keepalived

import (
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
)

// The names of the processes of the keepalived that moves the VIPs of lvsdr's, as
// [EngineProcess].
const (
	VRRPProcess  = "lvsdr-vrrp"
	VRRPDProcess = "lvsdr-vrrpd"
)

// VRRP makes the configuration of the keepalived that moves the VIPs between the
// directors, and does nothing else, on the one that is at that place in the list. On is
// the interface of each VIP.
//
// Every director is state BACKUP: the priority decides. Neighbours are told of the VIPs
// again each minute, in case one has missed the failover.
func VRRP(c cluster.Config, from string, at int, on func(vip netip.Addr) string) Config {
	x := exporter{Config: c, host: Host{From: from, Address: c.Directors[at].Address, Interface: on, RouterID: *c.VRRP.Full().RouterID}}
	all := []Directive{x.vrrpGlobals()}
	instances := x.instances()
	if len(instances) > 1 {
		all = append(all, together(instances))
	}
	return Config{Directives: append(all, instances...)}
}

func (x *exporter) vrrpGlobals() Directive {
	inner := []Directive{
		one("process_name", VRRPProcess), one("vrrp_process_name", VRRPDProcess),
		one("vrrp_garp_master_refresh", "60").beside("neighbours that missed the failover learn of it"),
		undisturbed(),
	}
	if !wholeSeconds(x.Config.VRRP) {
		inner = append(inner, one("vrrp_version", "3").beside("the interval is no whole seconds"))
	}
	return block("Written by lvsdr of "+x.host.From+" for its own keepalived: change that, then lvsdr setup director.", append(inner, x.mails()...), "global_defs")
}

// undisturbed has a master advertise at its interval, whatever others advertise. Without
// it the interval begins anew with each advertisement of the same router ID, also with one
// that is not heeded (vrrp_dispatcher_read in keepalived's vrrp_scheduler.c, seen with
// 2.2.7), so that a backup does not hear the master and takes over.
func undisturbed() Directive {
	return one("vrrp_lower_prio_no_advert", "true").beside("others' advertisements put none of its own off")
}

func wholeSeconds(v *cluster.VRRP) bool {
	return v == nil || time.Duration(v.Full().Interval)%time.Second == 0
}

// together has the instances change their state together: one director is the master of
// all VIPs.
func together(instances []Directive) Directive {
	group := Directive{Words: []string{"group"}, Block: []Directive{}}
	for _, i := range instances {
		group.Block = append(group.Block, one(i.arg()))
	}
	return block("One director has all VIPs.", []Directive{group}, "vrrp_sync_group", "lvsdr")
}

// advertised is how an instance speaks to the other directors.
func (x *exporter) advertised() []Directive {
	v := cluster.VRRP{}
	if x.Config.VRRP != nil {
		v = *x.Config.VRRP
	}
	v = v.Full()
	all := []Directive{one("advert_int", strconv.FormatFloat(time.Duration(v.Interval).Seconds(), 'f', -1, 64))}
	if !*v.Preempt {
		all = append(all, one("nopreempt"))
	}
	if wait := x.PreemptDelay(); wait > 0 {
		all = append(all, one("preempt_delay", strconv.Itoa(int(wait.Seconds()))).beside("until it has been told of the connections"))
	}
	if v.Auth != "" {
		all = append(all, Directive{Words: []string{"authentication"}, Block: []Directive{
			one("auth_type", "PASS").beside("in clear text"), one("auth_pass", v.Auth),
		}})
	}
	if v.AuthHMAC != "" {
		all = append(all, Directive{Words: []string{"auth_hmac"}, Block: []Directive{
			one("key", "1", "hex:"+v.AuthHMAC), one("active_key", "1"),
		}}.beside("the same on every director; keepalived 2.4.2"))
	}
	if v.Unicast && x.host.Address.IsValid() {
		peers := Directive{Words: []string{"unicast_peer"}, Block: []Directive{}}
		for _, d := range x.Directors {
			if d.Address != x.host.Address {
				peers.Block = append(peers.Block, one(d.Address.String()))
			}
		}
		all = append(all, one("unicast_src_ip", x.host.Address.String()), peers)
	}
	return all
}

// tracked are the interfaces of VIPs that an instance does not speak by: it gives the
// VIPs up when one of them is down.
func tracked(speaks string, carry []string) []Directive {
	d := Directive{Words: []string{"track_interface"}, Block: []Directive{}}
	for _, name := range carry {
		if name != speaks && !slices.ContainsFunc(d.Block, func(in Directive) bool { return in.Keyword() == name }) {
			d.Block = append(d.Block, one(name))
		}
	}
	if len(d.Block) == 0 {
		return nil
	}
	return []Directive{d}
}

// A Carried is an address that a vrrp_instance brings to its master.
type Carried struct {
	Prefix      netip.Prefix
	Link, Label string
}

// Carried are the addresses of the vrrp_instances, with the interface and label that
// stand beside them, as [VRRP] writes both.
func (c Config) Carried() []Carried {
	var all []Carried
	for _, d := range c.Directives {
		if d.Keyword() != "vrrp_instance" {
			continue
		}
		for _, in := range d.Block {
			if in.Keyword() != "virtual_ipaddress" && in.Keyword() != "virtual_ipaddress_excluded" {
				continue
			}
			for _, v := range in.Block {
				p, err := netip.ParsePrefix(v.Keyword())
				if a, alone := netip.ParseAddr(v.Keyword()); alone == nil {
					p, err = netip.PrefixFrom(a, a.BitLen()), nil
				}
				if err == nil {
					all = append(all, Carried{p, v.after("dev"), v.after("label")})
				}
			}
		}
	}
	return all
}

// after is the word behind another one, empty where there is none.
func (d Directive) after(word string) string {
	if i := slices.Index(d.Words, word); i >= 0 && i+1 < len(d.Words) {
		return d.Words[i+1]
	}
	return ""
}

// instanceName is that of the VIPs on an interface, of one family.
func instanceName(name string, v6 bool) string {
	if v6 {
		return "lvsdr_" + name + "_v6"
	}
	return "lvsdr_" + name
}
