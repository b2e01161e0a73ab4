package keepalived

import "net/netip"

// An Instance is a vrrp_instance as others hear it.
type Instance struct {
	Directive
	Interface string       // empty where none is written
	Source    netip.Addr   // unicast_src_ip, or mcast_src_ip; invalid: the interface's own
	Peers     []netip.Addr // of unicast_peer; none: it speaks to all by multicast
	IPv6      bool         // its VIPs are, and so are its advertisements
}

// Instances are the vrrp_instances of the configuration.
func (c Config) Instances() []Instance {
	var all []Instance
	for _, d := range c.Directives {
		if d.Keyword() == "vrrp_instance" {
			all = append(all, instanceOf(d))
		}
	}
	return all
}

func instanceOf(d Directive) Instance {
	i := Instance{Directive: d, Interface: find(d, "interface").arg(), IPv6: find(d, "native_ipv6").Words != nil}
	for _, in := range d.Block {
		switch in.Keyword() {
		case "unicast_src_ip", "mcast_src_ip":
			i.Source, _ = netip.ParseAddr(in.arg())
		case "unicast_peer":
			for _, p := range in.Block {
				if a, err := netip.ParseAddr(p.Keyword()); err == nil {
					i.Peers = append(i.Peers, a)
				}
			}
		case "virtual_ipaddress":
			for _, v := range in.Block {
				a := addresses(v.Keyword())
				i.IPv6 = i.IPv6 || len(a) > 0 && a[0].Is6()
			}
		}
	}
	return i
}
