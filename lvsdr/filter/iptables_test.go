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

func established() Packet { p := later(); p.State = Established; return p }

// on is a packet on an interface that has an address.
func on(a string, p Packet) Packet { p.LocalIn = []netip.Addr{netip.MustParseAddr(a)}; return p }

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
		{"without an option", closed + "-A INPUT -m socket -j ACCEPT\n", syn(), Unsure, ByMatch, "iptables-legacy INPUT: policy DROP"},
		{"without an option, of the sender", closed + "-A INPUT -m eui64 -j ACCEPT\n", syn(), Unsure, BySource, "iptables-legacy INPUT: policy DROP"},
		{"without an option, of everything", closed + "-A INPUT -p tcp -m tcp -m comment --comment x -j ACCEPT\n", syn(), Accept, "", ""},
		{"without an option, not known", closed + "-A INPUT -m whatever -m tcp -j ACCEPT\n", syn(), Unsure, ByMatch, "iptables-legacy INPUT: policy DROP"},
		{"routing header", "-A INPUT -m rt --rt-type 0 -j DROP\n-A INPUT -m frag --fragid 0 -j DROP\n-A INPUT -m hbh -j DROP\n", syn(), Accept, "", ""},
		{"no header", "-A INPUT -m ipv6header ! --header none --soft -j DROP\n", syn(), Accept, "", ""},
		{"small segments", "-A INPUT -p tcp -m tcpmss --mss 1:536 -j DROP\n", syn(), Accept, "", ""},
		{"unusual segments", "-A INPUT -p tcp -m tcpmss ! --mss 536:65535 -j DROP\n", syn(), Accept, "", ""},
		{"segments that do not tell", "-A INPUT -p tcp -m tcpmss ! --mss 536:1000 -j DROP\n", later(), Accept, "", ""},
		{"class", "-A INPUT -m dscp --dscp 0x0a -j DROP\n-A INPUT -m tos --tos 0x10/0x3f -j DROP\n", syn(), Accept, "", ""},
		{"helped", closed + "-A INPUT -m helper --helper ftp -j ACCEPT\n", syn(), Drop, "", "iptables-legacy INPUT: policy DROP"},
		{"direction", closed + "-A INPUT -m conntrack --ctdir ORIGINAL --ctorigdst 10.10.10.22 --ctorigdstport 80 -j ACCEPT\n", syn(), Accept, "", ""},
		{"the connection's mark", "*mangle\n-A INPUT -j MARK --set-xmark 0x5/0xffffffff\n-A INPUT -j CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff\n" +
			"-A INPUT -j MARK --set-xmark 0x1/0xffffffff\n-A INPUT -m connmark --mark 0x4/0x4 -j CONNMARK --restore-mark --nfmask 0xff --ctmask 0xff\n*filter\n" +
			closed + "-A INPUT -m mark --mark 0x5 -j ACCEPT\n", syn(), Accept, "", ""},
		{"a mark of before", "*mangle\n-A INPUT -j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff\n*filter\n" +
			closed + "-A INPUT -m mark ! --mark 0x0 -j ACCEPT\n", established(), Unsure, ByMatch, "iptables-legacy INPUT: policy DROP"},
		{"an address of another interface", "-A INPUT -m addrtype ! --dst-type LOCAL --limit-iface-in -j DROP\n", on("10.10.10.31", syn()), Drop, "", "iptables-legacy INPUT: -m addrtype ! --dst-type LOCAL --limit-iface-in -j DROP"},
		{"an address of the interface", "-A INPUT -m addrtype ! --dst-type LOCAL --limit-iface-in -j DROP\n", on("10.10.10.22", syn()), Accept, "", ""},
		{"an address of some interface", "-A INPUT -m addrtype ! --dst-type LOCAL --limit-iface-in -j DROP\n", syn(), Unsure, ByMatch, "iptables-legacy INPUT: -m addrtype ! --dst-type LOCAL --limit-iface-in -j DROP"},
		{"a quota that may be used up", closed + "-A INPUT -m quota --quota 1000 -j ACCEPT\n", syn(), Unsure, ByMatch, "iptables-legacy INPUT: policy DROP"},
		{"targets that let on", "*mangle\n-A INPUT -p tcp -j ECN --ecn-tcp-remove\n-A INPUT -j IDLETIMER --timeout 9 --label x\n", syn(), Accept, "", ""},
		{"who asked for what", "-A INPUT -m set --match-set scanned src,dst -j DROP\n", syn(), Unsure, BySource, "iptables-legacy INPUT: -m set --match-set scanned src,dst -j DROP"},
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

// A translated packet's rules may ask for what the client wrote.
func TestIptablesDestinations(t *testing.T) {
	r := ParseIptables("iptables-legacy", `*nat
-A PREROUTING -s 192.0.2.0/24 -j for_some
-A PREROUTING -p tcp --dport 80 -j DNAT --to-destination 10.99.0.1-10.99.0.4:8080
-A for_some -j DNAT --to-destination 10.98.0.1
*filter
:FORWARD DROP [0:0]
-A FORWARD -d 10.99.0.1 -p tcp --dport 8080 -m conntrack --ctorigdst 10.10.10.22 --ctorigdstport 80 --ctstate DNAT -j ACCEPT
`)
	v := r.Trace(at(Prerouting, syn()))
	if v.Packet.Dst.String() != "10.99.0.1" || v.Packet.DstPort != 8080 {
		t.Errorf("to %s:%d", v.Packet.Dst, v.Packet.DstPort)
	}
	if v := r.Trace(at(Forward, v.Packet)); v.Action != Accept {
		t.Errorf("%s %q", v.Action, v.Where())
	}
	p := at(Prerouting, syn())
	p.DstPort = 81
	if v := r.Trace(p); v.Packet.Translated {
		t.Errorf("to %s, where only some senders go", v.Packet.Dst)
	}
}

// Only over a bridge has a packet come in by a port of one.
func TestIptablesBridges(t *testing.T) {
	r := ParseIptables("iptables-legacy", "-A INPUT -m physdev --physdev-in tap0 --physdev-is-bridged -j DROP\n")
	for kind, want := range map[string]Action{"": Accept, "veth": Accept, "bridge": Unsure} {
		r.links = map[string]link{"eth0": {index: 2, kind: kind}}
		if v := r.Trace(syn()); v.Action != want {
			t.Errorf("of %q: %s", kind, v.Action)
		}
	}
	r.links = nil
	if v := r.Trace(syn()); v.Action != Unsure {
		t.Errorf("of an interface that is not known: %s", v.Action)
	}
}

// addrtype takes the kinds of IPv6 one by one, and a local address for unicast too.
func TestIptablesKinds(t *testing.T) {
	p := syn()
	p.Dst = netip.MustParseAddr("fd00:10::22")
	p.Src, p.Local = netip.MustParseAddr("fd00:10::100"), []netip.Addr{p.Dst}
	for rule, want := range map[string]Action{
		"--dst-type UNICAST": Drop, "--dst-type LOCAL": Drop, "--src-type UNICAST": Drop, "--src-type UNICAST,LOCAL": Accept, "--dst-type MULTICAST": Accept,
		"--dst-type UNICAST,LOCAL": Drop, "--src-type LOCAL": Accept,
	} {
		r := ParseIptables("ip6tables-legacy", "-A INPUT -m addrtype "+rule+" -j DROP\n")
		if v := r.Trace(p); v.Action != want {
			t.Errorf("%s: %s", rule, v.Action)
		}
	}
}
