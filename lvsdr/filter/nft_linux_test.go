package filter_test

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/filter"
	"github.com/lvsdr/toolkit/lvsdr/lab"
)

// A bench is a host whose packet filter is loaded and read.
type bench struct {
	testing.TB
	*lab.Lab
	host *lab.Host
}

func newBench(t testing.TB) *bench {
	l, err := lab.NewWith(context.Background(), 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	b := &bench{t, l, l.Director}
	b.sh("ip addr add 10.10.10.22/32 dev lo; ip addr add fd00:10::22/128 dev lo")
	return b
}

func (b *bench) sh(line string) string {
	b.Helper()
	out, err := b.host.Run(context.Background(), "sh", "-ec", line)
	if err != nil {
		b.Fatalf("%s: %v\n%s", line, err, out)
	}
	return out
}

// feed hands text to a command.
func (b *bench) feed(command, text string) {
	b.Helper()
	file := filepath.Join(b.TempDir(), "rules")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	b.sh(command + " " + file)
}

func (b *bench) load() *filter.Ruleset {
	b.Helper()
	var r *filter.Ruleset
	err := b.host.Do(func() (err error) { r, err = filter.Load(context.Background()); return err })
	if err != nil {
		b.Fatal(err)
	}
	return r
}

var local = []netip.Addr{netip.MustParseAddr("10.10.10.22"), netip.MustParseAddr("10.10.10.30"), netip.MustParseAddr("fd00:10::22"), netip.MustParseAddr("fd00:10::30")}

// tcp is a segment from anybody to the VIP's port 80.
func tcp(state filter.State, flags uint8) filter.Packet {
	return filter.Packet{Hook: filter.Input, In: "eth0", Dst: local[0], Protocol: 6, SrcPort: 50000, DstPort: 80, TCPFlags: flags, State: state, Local: local}
}

func TestNftTrace(t *testing.T) {
	lab.Need(t, lab.Netns, lab.NFT)
	b := newBench(t)
	syn, ack, fin := tcp(filter.New, filter.SYN), tcp(filter.New, filter.ACK), tcp(filter.Invalid, filter.FIN|filter.ACK)
	client := func(p filter.Packet) filter.Packet { p.Src = netip.MustParseAddr("10.10.10.100"); return p }
	six := func(p filter.Packet) filter.Packet { p.Dst = netip.MustParseAddr("fd00:10::22"); return p }
	with := func(p filter.Packet, on ...netip.Addr) filter.Packet { p.LocalIn = on; return p }
	datagram := filter.Packet{Hook: filter.Input, In: "eth0", Dst: local[0], Protocol: 17, SrcPort: 50000, DstPort: 80, State: filter.New, Local: local}
	solicitation := filter.Packet{Hook: filter.Input, In: "eth0", Dst: netip.MustParseAddr("ff02::1:ff00:22"), Protocol: 58, ICMPType: 135, State: filter.Untracked, Local: local}
	tests := []struct {
		name, rules string // of a chain of family inet on the input hook
		packet      filter.Packet
		want        filter.Action
		depends     filter.Reason
		where       string // within the chain
	}{
		{"nothing", "", syn, filter.Accept, "", ""},
		{"port", "tcp dport 80 drop", syn, filter.Drop, "", "tcp dport 80 drop"},
		{"ports", "tcp dport { 22, 79-81 } counter reject", syn, filter.Reject, "", "tcp dport { 22, 79-81 } counter reject"},
		{"other ports", "tcp dport { 22, 81-443 } drop", syn, filter.Accept, "", ""},
		{"invalid", "ct state invalid drop", fin, filter.Drop, "", "ct state invalid drop"},
		{"not invalid", "ct state invalid drop", ack, filter.Accept, "", ""},
		{"stateful", "ct state established,related accept\ntcp flags & (fin|syn|rst|ack) == syn accept\ndrop", ack, filter.Drop, "", "drop"},
		{"stateful, first", "ct state established,related accept\ntcp flags & (fin|syn|rst|ack) == syn accept\ndrop", syn, filter.Accept, "", ""},
		{"flags", "tcp flags & (fin|syn|rst|ack) == syn drop", syn, filter.Drop, "", "tcp flags & (fin|syn|rst|ack) == syn drop"},
		{"states", "ct state vmap { established : accept, invalid : drop, new : jump c }\ndrop", syn, filter.Accept, "", ""},
		{"states, invalid", "ct state vmap { established : accept, invalid : drop, new : jump c }", fin, filter.Drop, "", "ct state vmap { established : accept, invalid : drop, new : jump c }"},
		{"address", "ip daddr 10.10.10.16/28 tcp dport 1-100 drop", syn, filter.Drop, "", "ip daddr 10.10.10.16/28 tcp dport 1-100 drop"},
		{"eight bits", "ip daddr 10.0.0.0/8 drop", syn, filter.Drop, "", "ip daddr 10.0.0.0/8 drop"},
		{"family", "meta nfproto ipv6 drop", syn, filter.Accept, "", ""},
		{"IPv6", "ip6 daddr fd00:10::22 tcp dport 80 drop", six(syn), filter.Drop, "", "ip6 daddr fd00:10::22 tcp dport 80 drop"},
		{"interface", `iifname "eth0" goto deny`, syn, filter.Drop, "", "deny: drop"},
		{"interfaces", `iifname { "lo", "e*" } drop`, syn, filter.Drop, "", `iifname { "e*", "lo" } drop`},
		{"lo only", "iif lo drop", syn, filter.Accept, "", ""},
		{"named set", "ip daddr @vips tcp dport @ports drop", syn, filter.Drop, "", "ip daddr @vips tcp dport @ports drop"},
		{"concatenation", "ip daddr . tcp dport { 10.10.10.22 . 70-80, 10.10.10.30 . 22 } drop", syn, filter.Drop, "", "ip daddr . tcp dport { 10.10.10.22 . 70-80, 10.10.10.30 . 22 } drop"},
		{"bans", "ip saddr @bad drop", syn, filter.Unsure, filter.BySource, "ip saddr @bad drop"},
		{"not banned", "ip saddr @bad drop", client(syn), filter.Accept, "", ""},
		{"bans by map", "ip saddr vmap { 10.10.10.100 : drop, 10.10.10.101 : accept }", client(syn), filter.Drop, "", "ip saddr vmap { 10.10.10.100 : drop, 10.10.10.101 : accept }"},
		{"bans by map of anybody", "ip saddr vmap { 10.10.10.100 : drop, 10.10.10.101 : accept }", syn, filter.Unsure, filter.BySource, "ip saddr vmap { 10.10.10.100 : drop, 10.10.10.101 : accept }"},
		{"some admitted", "ip saddr 10.10.0.0/16 accept\ndrop", syn, filter.Unsure, filter.BySource, "drop"},
		{"all but some", "ip saddr != { 10.10.10.1, 10.10.10.2 } drop", syn, filter.Unsure, filter.BySource, "ip saddr != { 10.10.10.1, 10.10.10.2 } drop"},
		{"flood", "limit rate over 5/second drop", syn, filter.Accept, "", ""},
		{"meter", "update @flood { ip saddr limit rate over 5/second } drop", syn, filter.Accept, "", ""},
		{"connections", "ct count over 20 reject", syn, filter.Accept, "", ""},
		{"by chance", "numgen random mod 10 < 3 drop", syn, filter.Unsure, filter.ByMatch, "numgen < 0x00000003 drop"},
		{"local", "fib daddr type != local drop", syn, filter.Accept, "", ""},
		{"reverse path", "fib saddr . iif oif missing drop", syn, filter.Unsure, filter.BySource, "fib saddr . iif oif missing drop"},
		{"solicitation", "icmpv6 type { nd-neighbor-advert, nd-router-advert } accept\nicmpv6 type nd-neighbor-solicit ip6 hoplimit 255 drop", solicitation, filter.Drop, "", "icmpv6 type 135 ip6 hoplimit 255 drop"},
		{"mark", "meta mark set 0x5\nmeta mark & 0x4 == 0x4 drop", syn, filter.Drop, "", "meta mark 4 drop"},
		{"comment", `tcp dport 80 drop comment "no web"`, syn, filter.Drop, "", `tcp dport 80 drop comment "no web"`},
		{"translated", "ct status dnat accept\ndrop", syn, filter.Drop, "", "drop"},
		{"from a jump back", "jump back\ndrop", syn, filter.Drop, "", "drop"},
		{"quota", "quota over 10 mbytes drop", syn, filter.Accept, "", ""},
		{"a quota that is used up", "quota over 1 kbytes used 1 kbytes drop", syn, filter.Drop, "", "quota drop"},
		{"an address of the interface", "fib daddr . iif type != local drop", with(syn, local[0]), filter.Accept, "", ""},
		{"an address of another interface", "fib daddr . iif type != local drop", with(syn, local[1]), filter.Drop, "", "fib daddr . iif type != local drop"},
		{"an address of some interface", "fib daddr . iif type != local drop", syn, filter.Unsure, filter.ByMatch, "fib daddr . iif type != local drop"},
		{"an IPv6 address of another interface", "fib daddr . iif type != local drop", with(six(syn), local[3]), filter.Drop, "", "fib daddr . iif type != local drop"},
		{"small segments", "tcp flags syn tcp option maxseg size 1-536 drop", syn, filter.Accept, "", ""},
		{"usual segments", "tcp option maxseg size 1460 drop", syn, filter.Drop, "", "tcp option maxseg size 1460 drop"},
		{"segments that do not tell", "tcp option maxseg size 1-1460 drop", ack, filter.Accept, "", ""},
		{"no segments", "tcp option maxseg size 1-1460 drop", datagram, filter.Accept, "", ""},
		{"another option", "tcp option timestamp exists drop", syn, filter.Unsure, filter.ByMatch, "tcp option timestamp exists drop"},
		{"a limit by name", "limit name many accept\ndrop", syn, filter.Accept, "", ""},
		{"above a limit by name", "limit name flood drop", syn, filter.Accept, "", ""},
		{"any of two that let in", "numgen inc mod 2 vmap { 0 : accept, 1 : jump c }\ndrop", syn, filter.Accept, "", ""},
		{"any of ranges that let in", "jhash tcp sport mod 100 vmap { 0-49 : accept, 50-99 : jump c }\ndrop", syn, filter.Accept, "", ""},
		{"any of two", "numgen inc mod 2 vmap { 0 : accept, 1 : drop }", syn, filter.Unsure, filter.ByMatch, "numgen vmap { 0x00000000 : accept, 0x01000000 : drop }"},
		{"only some", "numgen inc mod 3 vmap { 0 : accept, 1 : accept }\ndrop", syn, filter.Unsure, filter.ByMatch, "drop"},
		{"the interface's type", "meta iiftype ether drop", syn, filter.Drop, "", "meta 0x0100 drop"},
		{"the interface's group", "meta iifgroup 0 accept\ndrop", syn, filter.Accept, "", ""},
		{"no mark of the connection", "ct mark 0 drop", syn, filter.Drop, "", "ct 0x00000000 drop"},
		{"the connection's mark", "ct mark set 0x5\nmeta mark set ct mark\nmeta mark 0x5 drop", syn, filter.Drop, "", "meta mark 5 drop"},
		{"the mark of no connection", "ct mark set 0x5\nct mark 0x5 drop", fin, filter.Accept, "", ""},
		{"the connection's direction", "ct direction original accept\ndrop", syn, filter.Accept, "", ""},
		{"the client's destination", "meta l4proto tcp ct original proto-dst 80 ct original ip daddr 10.10.10.22 accept\ndrop", syn, filter.Accept, "", ""},
		{"helped", `ct helper "ftp" accept` + "\ndrop", syn, filter.Drop, "", "drop"},
		{"no class", "ip6 dscp cs0 accept\ndrop", six(syn), filter.Accept, "", ""},
		{"another port by writing", "tcp dport set 81\ntcp dport 80 drop", syn, filter.Accept, "", ""},
		{"that port", "tcp dport set 81\ntcp dport 81 drop", syn, filter.Drop, "", "tcp dport 81 drop"},
		{"not translated by writing", "tcp dport set 81\nct status dnat drop", syn, filter.Accept, "", ""},
		{"another class by writing", "ip dscp set cs1\nip dscp cs1 drop", syn, filter.Drop, "", "@nh,8,8 0x20 drop"},
		{"by the sender's system", `osf name "Linux" drop`, syn, filter.Unsure, filter.ByMatch, "osf 0x4c696e75780000000000000000000000 drop"},
		{"a counter by name", "counter name hits tcp dport 80 drop", syn, filter.Drop, "", `counter name "hits" tcp dport 80 drop`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := &bench{t, b.Lab, b.host}
			b.feed("nft flush ruleset; nft -f", `table inet f {
counter hits { }
limit many {
rate 400/minute
}
limit flood {
rate over 1000/second
}
set vips { type ipv4_addr; flags interval; elements = { 10.10.10.20-10.10.10.29 } }
set ports { type inet_service; elements = { 80, 443 } }
set bad { type ipv4_addr; flags interval; elements = { 192.0.2.0/24, 198.51.100.7 } }
set flood { type ipv4_addr; size 100; flags dynamic; }
chain deny { drop; }
chain c { tcp dport 80 accept; }
chain back { tcp dport 81 drop; return; }
chain in { type filter hook input priority 0; policy accept;
`+tt.rules+"\n}\n}\n")
			v := b.load().Trace(tt.packet)
			if v.Action != tt.want || v.Depends != tt.depends || !sameRule(v.Where(), tt.where) {
				t.Errorf("%s %s %q", v.Action, v.Depends, v.Where())
			}
		})
	}
}

// sameRule compares without the handles, which depend on what else is there.
func sameRule(got, want string) bool {
	got, want = regexp.MustCompile(` # handle \d+$`).ReplaceAllString(got, ""), regexp.MustCompile(` # handle \d+$`).ReplaceAllString(want, "")
	if want != "" && !strings.HasPrefix(want, "deny: ") {
		want = "in: " + want
	}
	if want != "" {
		want = "inet f " + want
	}
	return got == want
}

// What a device is given is seen before all other hooks, what it gives behind them.
func TestNftDevices(t *testing.T) {
	lab.Need(t, lab.Netns, lab.NFT)
	b := newBench(t)
	b.feed("nft -f", `table netdev f {
chain given { type filter hook ingress device "eth0" priority 0; policy accept; tcp dport 80 ip daddr 10.10.10.22 drop; }
}
table inet f {
chain given { type filter hook ingress device "lo" priority 0; policy drop; }
chain in { type filter hook input priority 0; policy accept; tcp dport 80 drop; }
}
`)
	r, syn := b.load(), tcp(filter.New, filter.SYN)
	if v := r.Trace(syn); !sameRule(v.Where(), "tcp dport 80 drop") {
		t.Errorf("%s %q", v.Action, v.Where())
	}
	syn.Hook = filter.Prerouting
	if v := r.Trace(syn); v.Action != filter.Drop || !strings.HasPrefix(v.Where(), "netdev f given: tcp dport 80 ip daddr 10.10.10.22 drop") {
		t.Errorf("%s %q", v.Action, v.Where())
	}
	for link, want := range map[string]filter.Action{"lo": filter.Drop, "eth1": filter.Accept} {
		syn.In = link
		if v := r.Trace(syn); v.Action != want {
			t.Errorf("%s: %s %q", link, v.Action, v.Where())
		}
	}
	for _, c := range r.Chains() {
		if c.Name == "given" && c.Hook != filter.Ingress {
			t.Errorf("%s %s on hook %d", c.Family, c.Name, c.Hook)
		}
	}
}

// Of several destinations that a rule gives in turn the packet has one.
func TestNftDestinations(t *testing.T) {
	lab.Need(t, lab.Netns, lab.NFT)
	b := newBench(t)
	for _, rule := range []string{
		"dnat to numgen inc mod 2 map { 0 : 10.99.0.1, 1 : 10.99.0.2 }", "dnat to jhash ip saddr mod 2 map { 0 : 10.99.0.1, 1 : 10.99.0.2 }",
		"numgen random mod 2 vmap { 0 : goto a, 1 : goto b }",
	} {
		b.feed("nft flush ruleset; nft -f", `table ip f {
chain a { dnat to 10.99.0.1; }
chain b { dnat to 10.99.0.2; }
chain for_some { dnat to 10.98.0.1; }
chain pre { type nat hook prerouting priority -100; policy accept
ip saddr 192.0.2.0/24 jump for_some
tcp dport 80 `+rule+"\n}\n}\n")
		p := tcp(filter.New, filter.SYN)
		p.Hook = filter.Prerouting
		v := b.load().Trace(p)
		if dst := v.Packet.Dst.String(); v.Action != filter.Accept || !v.Packet.Translated || dst != "10.99.0.1" && dst != "10.99.0.2" {
			t.Errorf("%s: %s to %s", rule, v.Action, dst)
		}
		p.DstPort = 81
		if v := b.load().Trace(p); v.Packet.Translated {
			t.Errorf("%s: to %s, where only some senders go", rule, v.Packet.Dst)
		}
	}
}
