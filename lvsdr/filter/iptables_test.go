package filter

import (
	"net/netip"
	"testing"
)

var (
	vip    = netip.MustParseAddr("10.10.10.22")
	client = netip.MustParseAddr("192.0.2.9")
)

// syn is a client's first packet to the VIP's port 80, from anybody.
func syn() Packet {
	return Packet{
		Hook: Input, In: "eth0", Dst: vip, Protocol: tcp, SrcPort: 50000, DstPort: 80, TCPFlags: SYN, State: New,
		Local: []netip.Addr{vip, netip.MustParseAddr("10.10.10.31")},
	}
}

func later() Packet { p := syn(); p.TCPFlags = ACK; return p }

func fin() Packet { p := syn(); p.TCPFlags, p.State = FIN|ACK, Invalid; return p }

func from(a netip.Addr, p Packet) Packet { p.Src = a; return p }

func at(h Hook, p Packet) Packet { p.Hook = h; return p }

func TestIptablesTrace(t *testing.T) {
	const closed = ":INPUT DROP [0:0]\n"
	tests := []struct {
		name, rules string
		packet      Packet
		want        Action
		depends     Reason
		where       string
	}{
		{"nothing", ":INPUT ACCEPT [0:0]\n", syn(), Accept, "", ""},
		{"policy", closed, syn(), Drop, "", "iptables-legacy INPUT: policy DROP"},
		{"open port", closed + "-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT\n", syn(), Accept, "", ""},
		{"another port", closed + "-A INPUT -p tcp -m tcp --dport 443 -j ACCEPT\n", syn(), Drop, "", "iptables-legacy INPUT: policy DROP"},
		{"for the RIP only", closed + "-A INPUT -d 10.10.10.31/32 -p tcp -m tcp --dport 80 -j ACCEPT\n", syn(), Drop, "", "iptables-legacy INPUT: policy DROP"},
		{"ports", closed + "-A INPUT -p tcp -m multiport --dports 22,80:81 -j ACCEPT\n", syn(), Accept, "", ""},
		{"all but ports", "-A INPUT -p tcp -m multiport ! --dports 22,443 -j DROP\n", syn(), Drop, "", "iptables-legacy INPUT: -p tcp -m multiport ! --dports 22,443 -j DROP"},
		{"interface", closed + "-A INPUT -i eth+ -j ACCEPT\n", syn(), Accept, "", ""},
		{"another interface", closed + "-A INPUT ! -i eth0 -j ACCEPT\n-A INPUT -i lo -j ACCEPT\n", syn(), Drop, "", "iptables-legacy INPUT: policy DROP"},
		{"new", closed + "-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT\n-A INPUT -m conntrack --ctstate NEW -m tcp -p tcp --tcp-flags FIN,SYN,RST,ACK SYN -j ACCEPT\n", syn(), Accept, "", ""},
		{"later", closed + "-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT\n-A INPUT -p tcp --tcp-flags FIN,SYN,RST,ACK SYN -j ACCEPT\n", later(), Drop, "", "iptables-legacy INPUT: policy DROP"},
		{"invalid", "-A INPUT -m conntrack --ctstate INVALID -j REJECT --reject-with tcp-reset\n", fin(), Reject, "", "iptables-legacy INPUT: -m conntrack --ctstate INVALID -j REJECT --reject-with tcp-reset"},
		{"jump", "-N a\n-N b\n-A INPUT -p tcp -j a\n-A INPUT -j DROP\n-A a -p udp -j b\n-A a -g b\n-A b -d 10.10.10.22/32 -j ACCEPT\n", syn(), Accept, "", ""},
		{"goto comes back to the caller's caller", "-N a\n-N b\n-A INPUT -j a\n-A INPUT -p tcp -j DROP\n-A a -g b\n-A a -j ACCEPT\n-A b -p udp -j ACCEPT\n", syn(), Drop, "", "iptables-legacy INPUT: -p tcp -j DROP"},
		{"return", "-N a\n-A INPUT -j a\n-A a -p tcp -j RETURN\n-A a -j DROP\n", syn(), Accept, "", ""},
		{"return from the base chain", closed + "-A INPUT -p tcp -j RETURN\n-A INPUT -j ACCEPT\n", syn(), Drop, "", "iptables-legacy INPUT: policy DROP"},
		{"ban", "-A INPUT -s 192.0.2.0/24 -j DROP\n", syn(), Unsure, BySource, "iptables-legacy INPUT: -s 192.0.2.0/24 -j DROP"},
		{"banned", "-A INPUT -s 192.0.2.0/24 -j DROP\n", from(client, syn()), Drop, "", "iptables-legacy INPUT: -s 192.0.2.0/24 -j DROP"},
		{"some admitted", closed + "-A INPUT -s 10.0.0.0/8 -j ACCEPT\n", syn(), Unsure, BySource, "iptables-legacy INPUT: policy DROP"},
		{"not admitted", closed + "-A INPUT -s 10.0.0.0/8 -j ACCEPT\n", from(client, syn()), Drop, "", "iptables-legacy INPUT: policy DROP"},
		{"fail2ban", "-N f2b\n-A INPUT -p tcp -j f2b\n-A f2b -m set --match-set f2b src -j REJECT\n-A f2b -j RETURN\n", syn(), Unsure, BySource, "iptables-legacy f2b: -m set --match-set f2b src -j REJECT"},
		{"returned bans", "-N f2b\n-A INPUT -j f2b\n-A INPUT -j DROP\n-A f2b -s 10.0.0.0/8 -j RETURN\n-A f2b -j DROP\n", syn(), Drop, "", "iptables-legacy INPUT: -j DROP"},
		{"rate", closed + "-A INPUT -m limit --limit 5/min --limit-burst 7 -j ACCEPT\n", syn(), Accept, "", ""},
		{"flood", "-A INPUT -m connlimit --connlimit-above 20 --connlimit-mask 32 --connlimit-saddr -j REJECT\n", syn(), Accept, "", ""},
		{"hash limit", "-A INPUT -p tcp -m hashlimit --hashlimit-above 20/sec --hashlimit-mode srcip --hashlimit-name x -j DROP\n", syn(), Accept, "", ""},
		{"not known", "-A INPUT -m u32 --u32 \"0x0&0xffff=0x1\" -j DROP\n", syn(), Unsure, ByMatch, `iptables-legacy INPUT: -m u32 --u32 "0x0&0xffff=0x1" -j DROP`},
		{"program", "-A INPUT -p tcp -j NFQUEUE --queue-num 0\n", syn(), Unsure, ByProgram, "iptables-legacy INPUT: -p tcp -j NFQUEUE --queue-num 0"},
		{"local", closed + "-A INPUT -m addrtype --dst-type LOCAL -j ACCEPT\n", syn(), Accept, "", ""},
		{"comment", closed + "-A INPUT -m comment --comment \"-j DROP ! all\" -p tcp -j ACCEPT\n", syn(), Accept, "", ""},
		{"mark", "*mangle\n-A INPUT -p tcp -j MARK --set-xmark 0x1/0xf\n*filter\n" + closed + "-A INPUT -m mark --mark 0x1/0x1 -j ACCEPT\n", syn(), Accept, "", ""},
		{"mangle", "*mangle\n-A INPUT -p tcp -j DROP\n", syn(), Drop, "", "iptables-legacy -t mangle INPUT: -p tcp -j DROP"},
		{"another hook", ":FORWARD DROP [0:0]\n-A OUTPUT -j DROP\n", syn(), Accept, "", ""},
		{"icmp", closed + "-A INPUT -p icmp -m icmp --icmp-type 3/4 -j ACCEPT\n", Packet{Hook: Input, Dst: vip, Protocol: icmp4, ICMPType: 3, ICMPCode: 4}, Accept, "", ""},
		{"ping only", closed + "-A INPUT -p icmp -m icmp --icmp-type 8 -j ACCEPT\n", Packet{Hook: Input, Dst: vip, Protocol: icmp4, ICMPType: 3, ICMPCode: 4}, Drop, "", "iptables-legacy INPUT: policy DROP"},
		{"before tracking", "*raw\n-A PREROUTING -m conntrack --ctstate INVALID -j DROP\n", at(Prerouting, syn()), Drop, "", "iptables-legacy -t raw PREROUTING: -m conntrack --ctstate INVALID -j DROP"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := ParseIptables("iptables-legacy", tt.rules).Trace(tt.packet)
			if v.Action != tt.want || v.Depends != tt.depends || v.Where() != tt.where {
				t.Errorf("%s %s %q", v.Action, v.Depends, v.Where())
			}
		})
	}
}

func TestNotrack(t *testing.T) {
	r := ParseIptables("iptables-legacy", `
*raw
-A PREROUTING -d 10.10.10.22/32 -p tcp -m tcp --dport 80 -j CT --notrack
*mangle
-A PREROUTING -m conntrack --ctstate INVALID -j DROP
*filter
:INPUT DROP [0:0]
-A INPUT -m conntrack --ctstate UNTRACKED -j ACCEPT
`)
	v := r.Trace(at(Prerouting, fin()))
	if v.Action != Accept || !v.Untracked {
		t.Fatalf("%+v", v)
	}
	if v = r.Trace(at(Input, v.Packet)); v.Action != Accept {
		t.Errorf("%+v", v)
	}
	other := fin()
	other.DstPort = 443
	if v := r.Trace(at(Prerouting, other)); v.Action != Drop {
		t.Errorf("not its port: %+v", v)
	}
	if !r.Tracked() || ParseIptables("iptables-legacy", "-A INPUT -p tcp -j DROP\n").Tracked() {
		t.Error("tracked")
	}
}

func TestTranslation(t *testing.T) {
	r := ParseIptables("iptables-legacy", `
*nat
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 172.17.0.2:8080
-A DOCKER -p tcp -m tcp --dport 81 -j REDIRECT --to-ports 8081
`)
	v := r.Trace(at(Prerouting, syn()))
	if v.Packet.Dst != netip.MustParseAddr("172.17.0.2") || v.Packet.DstPort != 8080 || v.Translated == nil {
		t.Errorf("%+v", v)
	}
	if v := r.Trace(at(Prerouting, fin())); v.Translated != nil {
		t.Error("a packet of no connection is translated")
	}
	p := syn()
	p.DstPort, p.Redirect = 81, netip.MustParseAddr("10.10.10.31")
	if v := r.Trace(at(Prerouting, p)); v.Packet.Dst != p.Redirect || v.Packet.DstPort != 8081 {
		t.Errorf("%+v", v)
	}
}

// What takes the packet away at a priority leaves the later chains out.
func TestBefore(t *testing.T) {
	r := Join(ParseIptables("iptables-legacy", "*nat\n-A INPUT -j DROP\n"), ParseIptables("ip6tables-legacy", ":INPUT DROP\n"))
	p := syn()
	if v := r.Trace(p); v.Action != Drop {
		t.Errorf("%+v", v)
	}
	p.Before = 99
	if v := r.Trace(p); v.Action != Accept {
		t.Errorf("%+v", v)
	}
	p.Dst = netip.MustParseAddr("fd00::22")
	if v := r.Trace(p); v.Where() != "ip6tables-legacy INPUT: policy DROP" {
		t.Errorf("%+v", v)
	}
}

// FuzzIptables: whatever is listed, to evaluate it ends and does not panic.
func FuzzIptables(f *testing.F) {
	f.Add("*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j DNAT --to-destination [::1]:80\n-A INPUT -j INPUT\n")
	f.Add("-A INPUT ! -s 10.0.0.0/255.0.0.255 -m x ! --y -g INPUT\n-A INPUT -p 6 --tcp-flags A\n:")
	f.Fuzz(func(t *testing.T, listing string) {
		r := ParseIptables("iptables-legacy", listing)
		for hook := Prerouting; hook <= Postrouting; hook++ {
			r.Trace(at(hook, syn()))
			r.Trace(at(hook, from(client, fin())))
		}
		r.Tracked()
	})
}
