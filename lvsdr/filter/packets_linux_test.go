package filter_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lvsdr/toolkit/lvsdr/filter"
	"github.com/lvsdr/toolkit/lvsdr/lab"
)

// Random rules are evaluated, and compared with what becomes of packets that are
// really sent.

const (
	randomRulesets = 60
	sentinelPort   = 9 // let through by every chain
)

func TestNftAgainstPackets(t *testing.T) {
	lab.Need(t, lab.Netns, lab.NFT)
	b := newBench(t)
	compare(b, func(r *rand.Rand) string {
		text := randomNft(r)
		b.feed("nft flush ruleset; nft -f", text)
		return text
	})
}

func TestIptablesAgainstPackets(t *testing.T) {
	for _, variant := range []string{"legacy", "nft"} {
		t.Run(variant, func(t *testing.T) {
			lab.Need(t, lab.Netns, map[string]lab.Feature{"legacy": lab.IPTables, "nft": lab.NFT}[variant])
			b := newBench(t)
			compare(b, func(r *rand.Rand) string {
				text := randomIptables(r)
				b.feed("iptables-"+variant+"-restore", text)
				return text
			})
		})
	}
}

func compare(b *bench, load func(*rand.Rand) string) {
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 0))
	b.Logf("seed %d", seed)
	wire := newPair(b)
	packets, passed := 0, 0
	for range randomRulesets {
		text := load(r)
		rules := b.load()
		sent := wire.random(r)
		arrived := wire.send(sent)
		for _, p := range sent {
			v := rules.Trace(p)
			if v.Action == filter.Accept {
				next := v.Packet
				next.Hook = filter.Input
				v = rules.Trace(next)
			}
			packets++
			if v.Action == filter.Accept {
				passed++
			}
			if v.Action == filter.Unsure || (v.Action == filter.Accept) != arrived[p.SrcPort] {
				b.Fatalf("%+v\narrived: %v, evaluated as %s by %q, seed %d\n%s", p, arrived[p.SrcPort], v.Action, v.Where(), seed, text)
			}
		}
	}
	b.Logf("%d packets through %d rule sets, %d passed", packets, randomRulesets, passed)
	if passed == 0 || passed == packets {
		b.Error("the rules make no difference")
	}
}

// A pair sends packets from the client and receives those that pass the host's
// prerouting and input chains, which a raw socket gets after.
type pair struct {
	*bench
	from int
	to   []int
	port uint16
}

func newPair(b *bench) *pair {
	p := &pair{bench: b, port: 1024}
	open := func(h *lab.Host, protocol int) (fd int) {
		err := h.Do(func() (err error) {
			fd, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, protocol)
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
		patience := unix.NsecToTimeval(int64(20 * time.Second))
		if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &patience); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { unix.Close(fd) })
		return fd
	}
	p.from = open(b.Client, unix.IPPROTO_RAW)
	p.to = []int{open(b.host, unix.IPPROTO_TCP), open(b.host, unix.IPPROTO_UDP)}
	if out, err := b.Client.Run(context.Background(), "ip", "route", "add", "10.10.10.22", "via", "10.10.10.30"); err != nil {
		b.Fatal(err, out)
	}
	return p
}

// random makes packets, each of a connection of its own.
func (p *pair) random(r *rand.Rand) []filter.Packet {
	var all []filter.Packet
	for range 8 {
		p.port++
		one := filter.Packet{
			Hook: filter.Prerouting, In: "eth0", Src: netip.MustParseAddr("10.10.10.100"), Dst: local[r.IntN(2)], Protocol: 6,
			SrcPort: p.port, DstPort: []uint16{22, 53, 80, 443}[r.IntN(4)], Length: 40, Local: local, LocalIn: local[1:2],
		}
		switch r.IntN(4) {
		case 0:
			one.TCPFlags, one.State = filter.SYN, filter.New
		case 1:
			one.TCPFlags, one.State = filter.ACK, filter.New
		case 2:
			one.TCPFlags, one.State = filter.FIN|filter.ACK, filter.Invalid
		case 3:
			one.Protocol, one.State, one.Length = 17, filter.New, 28
		}
		all = append(all, one)
	}
	return all
}

// send returns the source ports of the packets that arrived.
func (p *pair) send(packets []filter.Packet) map[uint16]bool {
	for _, protocol := range []uint8{6, 17} {
		p.port++
		packets = append(packets, filter.Packet{
			Src: netip.MustParseAddr("10.10.10.100"), Dst: local[1], Protocol: protocol, SrcPort: p.port, DstPort: sentinelPort, TCPFlags: filter.SYN,
		})
	}
	for _, one := range packets {
		to := &unix.SockaddrInet4{Addr: one.Dst.As4()}
		if err := unix.Sendto(p.from, wireFormat(one), 0, to); err != nil {
			p.Fatal(err)
		}
	}
	arrived := map[uint16]bool{}
	buf := make([]byte, 1500)
	for _, fd := range p.to {
		for {
			n, _, err := unix.Recvfrom(fd, buf, 0)
			if err != nil {
				p.Fatal("the sentinel did not arrive: ", err)
			}
			if n < 28 || netip.AddrFrom4([4]byte(buf[12:16])) != netip.MustParseAddr("10.10.10.100") {
				continue
			}
			port := binary.BigEndian.Uint16(buf[20:])
			arrived[port] = true
			if binary.BigEndian.Uint16(buf[22:]) == sentinelPort && port > p.port-2 {
				break
			}
		}
	}
	return arrived
}

func wireFormat(p filter.Packet) []byte {
	header := []byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, p.Protocol, 0, 0}
	header = append(append(header, p.Src.AsSlice()...), p.Dst.AsSlice()...)
	body := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, p.SrcPort), p.DstPort)
	at := 6
	if p.Protocol == 6 {
		body = append(body, 0, 0, 0, 1, 0, 0, 0, 1, 5<<4, p.TCPFlags, 16, 0, 0, 0, 0, 0)
		at = 16
	} else {
		body = append(body, 0, 8, 0, 0)
	}
	pseudo := append(append([]byte{}, header[12:20]...), 0, p.Protocol, 0, byte(len(body)))
	binary.BigEndian.PutUint16(body[at:], checksum(append(pseudo, body...)))
	binary.BigEndian.PutUint16(header[2:], uint16(len(header)+len(body)))
	return append(header, body...)
}

func checksum(b []byte) uint16 {
	sum := uint32(0)
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

func one(r *rand.Rand, of ...string) string { return of[r.IntN(len(of))] }

func randomNft(r *rand.Rand) string {
	var b strings.Builder
	b.WriteString("table inet f {\nset vips { type ipv4_addr; flags interval; elements = { 10.10.10.20-10.10.10.25, 192.0.2.0/24 } }\nset web { type inet_service; elements = { 80, 443 } }\n")
	for i := 2; i >= 0; i-- {
		fmt.Fprintf(&b, "chain c%d {\n%s}\n", i, nftRules(r, i+1, ""))
	}
	for _, base := range []string{"prerouting priority -300", "prerouting priority -150", "input priority 0", "input priority 10"} {
		extra := map[string]string{"prerouting priority -300": "notrack"}[base]
		if strings.HasPrefix(base, "input") {
			extra = "reject"
		}
		fmt.Fprintf(&b, "chain b%d {\ntype filter hook %s; policy %s;\nth dport 9 accept\n%s}\n",
			b.Len(), base, one(r, "accept", "accept", "drop"), nftRules(r, 0, extra))
	}
	b.WriteString("}\n")
	return b.String()
}

func nftRules(r *rand.Rand, jumpFrom int, extra string) string {
	var b strings.Builder
	for range r.IntN(5) {
		network := one(r, "", "", "ip saddr 10.10.10.100", "ip saddr 10.10.0.0/16", "ip saddr != 10.10.10.0/25", "ip daddr 10.10.10.22", "ip daddr { 10.10.10.22, 10.10.10.40 }",
			"ip daddr 10.10.10.16/28", "ip daddr != @vips", "ip daddr @vips", "ip length 0-28", "ip ttl > 1", "fib daddr type local", "fib daddr type { broadcast, unicast }", "ip6 daddr ::1", "meta nfproto ipv6")
		transport := one(r, "", "", "", "", "tcp dport 80", "tcp dport != 80", "tcp dport { 22, 80-90 }", "tcp dport 1-100", "tcp dport > 79", "udp dport 53", "tcp dport @web", "th dport 53",
			"meta l4proto tcp", "meta l4proto != { udp, icmp }", "tcp flags & (fin|syn|rst|ack) == syn", "tcp flags fin,ack", "tcp flags & (fin|rst) != 0")
		if !strings.Contains(network, "6") || strings.HasPrefix(network, "ip ") {
			transport = one(r, transport, transport, transport, "ip daddr . tcp dport { 10.10.10.22 . 80, 10.10.10.30 . 22-25 }", "ip saddr . ip daddr . meta l4proto { 10.10.10.100 . 10.10.10.22 . udp }")
		}
		other := one(r, "", "", "ct state new", "ct state invalid", "ct state established,related", "ct state { new, untracked }", "ct state != invalid", "ct status dnat", `iifname "eth0"`, `iifname "e*"`,
			"iif lo", `iifname != "lo"`, `iifname { "eth0", "veth*" }`, "meta mark 0x1", "meta mark & 0x2 == 0x2", "meta mark < 3", "meta pkttype host", "counter",
			"limit rate over 1000000/second burst 1000 packets", "limit rate 1000000/second burst 1000 packets", "meta length < 100", "fib daddr . iif type local", "fib daddr . iif type != local",
			"meta iiftype ether", "meta iifgroup != 0", "ct mark 0x0", "ct mark 0x1", "ct direction original")
		b.WriteString(network + " " + transport + " " + other + " ")
		actions := []string{
			"accept", "accept", "drop", "return", "continue", "meta mark set 0x1", "meta mark set meta mark | 0x2", "ct state vmap { new : continue, invalid : drop }", "ct mark set 0x1",
			"numgen inc mod 2 vmap { 0 : accept, 1 : accept }",
		}
		if transport == "" || strings.HasPrefix(transport, "tcp dport") {
			actions = append(actions, "tcp dport set 443")
		}
		if transport == "" {
			actions = append(actions, "tcp dport vmap { 80 : accept, 22 : drop, 443 : return }", "meta l4proto vmap { udp : accept, tcp : continue }", "tcp dport vmap { 1-50 : drop, 51-100 : accept }")
			if network == "" {
				actions = append(actions, "ip daddr . tcp dport vmap { 10.10.10.22 . 80 : accept, 10.10.10.22 . 443 : drop }")
			}
		}
		if jumpFrom < 3 {
			n := jumpFrom + r.IntN(3-jumpFrom)
			actions = append(actions, fmt.Sprint("jump c", n), fmt.Sprint("jump c", n), fmt.Sprint("goto c", n), fmt.Sprintf(`iifname vmap { "eth0" : jump c%d, "lo" : accept }`, n))
		}
		if extra != "" {
			actions = append(actions, extra, extra)
		}
		b.WriteString(one(r, actions...) + "\n")
	}
	return b.String()
}

func randomIptables(r *rand.Rand) string {
	var b strings.Builder
	for _, table := range []struct {
		name   string
		chains []string
	}{{"raw", []string{"PREROUTING"}}, {"mangle", []string{"PREROUTING", "INPUT"}}, {"filter", []string{"INPUT"}}} {
		fmt.Fprintf(&b, "*%s\n", table.name)
		for i := range 3 {
			fmt.Fprintf(&b, ":c%d - [0:0]\n", i)
		}
		var rules strings.Builder
		for _, c := range table.chains {
			fmt.Fprintf(&b, ":%s %s [0:0]\n", c, one(r, "ACCEPT", "ACCEPT", "DROP"))
			fmt.Fprintf(&rules, "-A %s -p tcp -m tcp --dport 9 -j ACCEPT\n-A %s -p udp -m udp --dport 9 -j ACCEPT\n", c, c)
			rules.WriteString(iptablesRules(r, c, 0, map[string]string{"raw": "-j CT --notrack", "mangle": one(r, "-j MARK --set-xmark 0x1/0xf", "-j CONNMARK --set-xmark 0x1/0xff", "-j CONNMARK --save-mark", "-j CONNMARK --restore-mark"), "filter": "-j REJECT"}[table.name]))
		}
		for i := range 3 {
			rules.WriteString(iptablesRules(r, fmt.Sprint("c", i), i+1, ""))
		}
		b.WriteString(rules.String() + "COMMIT\n")
	}
	return b.String()
}

func iptablesRules(r *rand.Rand, chain string, jumpFrom int, extra string) string {
	var b strings.Builder
	for range r.IntN(5) {
		b.WriteString("-A " + chain)
		b.WriteString(one(r, "", " -s 10.10.10.100", " -s 10.10.0.0/16", " ! -s 10.10.10.0/25", " -d 10.10.10.22/32", " ! -d 10.10.10.22/32", " -d 10.10.10.16/255.255.255.240"))
		b.WriteString(one(r, "", " -i eth0", " -i e+", " -i lo", " ! -i lo"))
		b.WriteString(one(r, "", " -p tcp", " -p udp", " ! -p tcp", " -p tcp -m tcp --dport 80", " -p tcp -m tcp ! --dport 80:443", " -p udp -m udp --dport 53", " -p tcp -m multiport --dports 22,80:90",
			" -p tcp -m multiport ! --ports 22,443", " -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN", " -p tcp -m tcp --tcp-flags FIN FIN", " -p tcp -m tcp ! --syn", " -p icmp"))
		b.WriteString(one(r, "", "", " -m conntrack --ctstate NEW", " -m conntrack --ctstate INVALID,UNTRACKED", " -m state --state RELATED,ESTABLISHED", " -m conntrack ! --ctstate INVALID",
			" -m addrtype --dst-type LOCAL", " -m addrtype ! --dst-type UNICAST,BROADCAST", " -m mark --mark 0x1/0x3", " -m mark ! --mark 0x1", " -m comment --comment \"-j DROP\"",
			" -m limit --limit 10000/sec --limit-burst 1000", " -m iprange --src-range 10.10.10.90-10.10.10.101", " -m pkttype --pkt-type unicast", " -m length --length 0:30", " -m addrtype --dst-type LOCAL --limit-iface-in", " -m addrtype ! --dst-type LOCAL --limit-iface-in",
			" -m connmark --mark 0x0", " -m connmark ! --mark 0x1/0x1", " -m dscp ! --dscp 0x00", " -m physdev ! --physdev-is-bridged", " -m conntrack --ctorigdstport 80", " -m conntrack --ctdir ORIGINAL",
			" -m helper --helper ftp", " -m ttl --ttl-gt 1"))
		actions := []string{" -j ACCEPT", " -j ACCEPT", " -j DROP", " -j RETURN", ""}
		if jumpFrom < 3 {
			n := jumpFrom + r.IntN(3-jumpFrom)
			actions = append(actions, fmt.Sprint(" -j c", n), fmt.Sprint(" -j c", n), fmt.Sprint(" -g c", n))
		}
		if extra != "" {
			actions = append(actions, " "+extra)
		}
		b.WriteString(one(r, actions...) + "\n")
	}
	return b.String()
}
