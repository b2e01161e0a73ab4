package filter

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// A test is one condition of a rule.
type test struct {
	look     func(test, *flow) answer // nil: it is not known
	option   string
	words    []string // after its option
	inverted bool
	stated   bool   // of conntrack: --ctstate stands beside it
	limits   string // of addrtype: "--limit-iface-in", "--limit-iface-out"
}

// An option is one of a target, with its words.
type option struct {
	name  string
	words []string
}

// noWords are the options of matches that stand alone.
var noWords = map[string]bool{
	"--syn": true, "-f": true, "--fragment": true, "--set": true, "--rcheck": true, "--update": true, "--remove": true,
	"--rsource": true, "--rdest": true, "--rttl": true, "--reap": true, "--connlimit-saddr": true, "--connlimit-daddr": true,
	"--limit-iface-in": true, "--limit-iface-out": true, "--notrack": true, "--random": true, "--random-fully": true, "--persistent": true,
	"--soft": true, "--fragfirst": true, "--fragmore": true, "--fraglast": true, "--fragres": true, "--ecn-tcp-ece": true, "--ecn-tcp-cwr": true,
	"--restore-skmark": true, "--save-mark": true, "--restore-mark": true, "--rt-0-res": true, "--restore": true,
	"--strict": true, "--ipvs": true, "--loose": true, "--validmark": true, "--accept-local": true, "--invert": true, "--physdev-is-in": true,
	"--physdev-is-out": true, "--physdev-is-bridged": true, "--socket-exists": true, "--transparent": true, "--nowildcard": true,
	"--kerneltz": true, "--contiguous": true, "--return-nomatch": true, "--hashlimit-rate-match": true,
}

// bare are the matches that may stand without an option, and then match what they are
// about. Any other one without options that is not in [always] cannot be told.
var bare = map[string]func(test, *flow) answer{
	"rpfilter": func(test, *flow) answer { return bySender }, "eui64": func(test, *flow) answer { return bySender },
	"frag": extensionHeader, "rt": extensionHeader, "dst": extensionHeader, "hbh": extensionHeader, "mh": extensionHeader, "ah": extensionHeader,
	"srh": extensionHeader,
}

// always are the matches that without an option match everything, or only what another
// one of the rule's asks for as well.
var always = map[string]bool{
	"": true, "tcp": true, "udp": true, "udplite": true, "sctp": true, "dccp": true, "icmp": true, "icmp6": true, "ipv6-icmp": true, "esp": true,
	"comment": true, "time": true, "standard": true, "limit": true, "multiport": true, "conntrack": true, "state": true,
}

// extensionHeader is one of IPv6, which the packet has none of.
func extensionHeader(test, *flow) answer { return never }

// tracking are the matches that bring connection tracking into use.
var tracking = map[string]bool{"conntrack": true, "state": true, "connmark": true, "connlimit": true}

// parseRule takes a rule's words for its tests, its target, and the target's options.
func parseRule(line Line) *iptablesRule {
	r, words := &iptablesRule{text: line}, Words(string(line))
	module, inverted, options := "", false, 0
	alone := func() { // the module so far stands without an option
		if options == 0 && !always[module] {
			r.tests = append(r.tests, test{look: bare[module]})
		}
	}
	for i := 0; i < len(words); {
		name := words[i]
		if i++; name == "!" {
			inverted = true
			continue
		}
		t := test{option: name, inverted: inverted}
		inverted = false
		first := i
		for !noWords[name] && i < len(words) && (i == first || !isOption(words[i])) {
			if words[i] == "!" && i == first { // iptables < 1.4 wrote "-s ! addr"
				t.inverted = true
				first++
			}
			i++
		}
		t.words = words[first:i:i]
		switch {
		case name == "-m" || name == "--match":
			alone()
			module, options = t.word(), 0
			r.tracks = r.tracks || tracking[module]
		case name == "-j" || name == "-g" || name == "--jump" || name == "--goto":
			alone()
			module = ""
			r.goal, r.leap = t.word(), r.leap || name == "-g"
		case r.goal != "":
			r.options = append(r.options, option{name, t.words})
		default:
			t.look = lookOf(name, module)
			r.tests = append(r.tests, t)
			if strings.HasPrefix(name, "--") {
				options++
			}
		}
	}
	if r.goal == "" {
		alone()
	}
	r.onItsOwnInterface()
	r.beside()
	return r
}

// onItsOwnInterface has addrtype's conditions count only addresses of the interface.
func (r *iptablesRule) onItsOwnInterface() {
	for _, t := range r.tests {
		if t.option == "--limit-iface-in" || t.option == "--limit-iface-out" {
			for i := range r.tests {
				r.tests[i].limits = t.option
			}
			return
		}
	}
}

// beside notes which conditions stand beside one on the state.
func (r *iptablesRule) beside() {
	stated := slices.ContainsFunc(r.tests, func(t test) bool { return t.option == "--ctstate" })
	for i := range r.tests {
		r.tests[i].stated = stated && strings.HasPrefix(r.tests[i].option, "--ct")
	}
}

// isOption tells a word that begins another option.
func isOption(word string) bool {
	return word == "!" || len(word) > 1 && word[0] == '-' && (word[1] == '-' || word[1] >= 'a' && word[1] <= 'z')
}

func (t test) word() string {
	if len(t.words) == 0 {
		return ""
	}
	return t.words[0]
}

// holds tells whether the packet fulfils the condition.
func (t test) holds(f *flow) answer {
	if t.look == nil {
		return unknown
	}
	return t.look(t, f).inverted(t.inverted)
}

// lookOf is how an option of a module is looked at.
func lookOf(option, module string) func(test, *flow) answer {
	if look, ok := looks()[option]; ok {
		return look
	}
	return looks()[module+" "+option]
}

// looks are the options known, those whose names mean different things in
// different modules with the module's name.
var looks = sync.OnceValue(func() map[string]func(test, *flow) answer {
	return withRates(map[string]func(test, *flow) answer{
		"-s": source, "--src-range": source, "-d": destination, "--dst-range": destination,
		"-i": func(t test, f *flow) answer { return onInterface(f.packet.In, t.word(), f.packet.anyIn()) },
		"-o": func(t test, f *flow) answer { return onInterface(f.packet.Out, t.word(), f.packet.anyOut()) },
		"-p": protocolIs, "--protocol": protocolIs,
		"-f":            func(test, *flow) answer { return never },
		"--sport":       func(t test, f *flow) answer { return portIn(f, t.word(), f.packet.SrcPort) },
		"--dport":       func(t test, f *flow) answer { return portIn(f, t.word(), f.packet.DstPort) },
		"--sports":      func(t test, f *flow) answer { return portIn(f, t.word(), f.packet.SrcPort) },
		"--dports":      func(t test, f *flow) answer { return portIn(f, t.word(), f.packet.DstPort) },
		"--ports":       func(t test, f *flow) answer { return portIn(f, t.word(), f.packet.SrcPort, f.packet.DstPort) },
		"--tcp-flags":   tcpFlags,
		"--syn":         func(_ test, f *flow) answer { return flagsAre(f, SYN|ACK|RST|FIN, SYN) },
		"--icmp-type":   func(t test, f *flow) answer { return icmpIs(t.word(), icmp4, f) },
		"--icmpv6-type": func(t test, f *flow) answer { return icmpIs(t.word(), icmp6, f) },
		"--ctstate":     stateIn,
		"--state":       stateIn,
		"--ctstatus":    statusIn,
		"--ctorigdst":   wantedIs, "--ctorigdstport": wantedIs,
		"--ctproto":       func(t test, f *flow) answer { return t.ofConnection(f, protocolIs(t, f)) },
		"--ctdir":         directionIs,
		"mark --mark":     markIs,
		"connmark --mark": connectionMarkIs,
		"--helper":        helped,
		"--mss":           segmentSizeIn,
		"--tos":           func(t test, f *flow) answer { return serviceIs(t, f, 0) },
		"--dscp":          func(t test, f *flow) answer { return serviceIs(t, f, 2) },
		"--ecn-ip-ect":    func(t test, f *flow) answer { return f.orAny(when(t.word() == "0")) },
		"--ecn-tcp-ece": func(_ test, f *flow) answer {
			return f.orAny(when(f.packet.Protocol == tcp && f.packet.TCPFlags&64 != 0))
		},
		"--ecn-tcp-cwr": func(_ test, f *flow) answer {
			return f.orAny(when(f.packet.Protocol == tcp && f.packet.TCPFlags&128 != 0))
		},
		"--ttl-eq":  func(t test, f *flow) answer { return f.orAny(within(t.word(), usualTTL)) },
		"--hl-eq":   func(t test, f *flow) answer { return f.orAny(within(t.word(), f.packet.hopLimit())) },
		"--hl-lt":   func(t test, f *flow) answer { return f.orAny(within(t.word()+":", f.packet.hopLimit()).not()) },
		"--hl-gt":   func(t test, f *flow) answer { return f.orAny(within(":"+t.word(), f.packet.hopLimit()).not()) },
		"--rt-type": extensionHeader, "--rt-segsleft": extensionHeader, "--rt-len": extensionHeader, "--fragid": extensionHeader,
		"--fragfirst": extensionHeader, "--fragmore": extensionHeader, "--fraglast": extensionHeader, "--dst-len": extensionHeader,
		"--dst-opts": extensionHeader, "--hbh-len": extensionHeader, "--hbh-opts": extensionHeader, "--mh-type": extensionHeader,
		"ipv6header --soft":   func(test, *flow) answer { return surely },
		"ipv6header --header": func(t test, _ *flow) answer { return when(t.word() == "none") },
		"--physdev-in":        bridged, "--physdev-out": bridged, "--physdev-is-in": bridged, "--physdev-is-out": bridged, "--physdev-is-bridged": bridged,
		"--src-group":      func(t test, f *flow) answer { return groupIs(t, f, f.packet.In) },
		"--dst-group":      func(t test, f *flow) answer { return groupIs(t, f, f.packet.Out) },
		"--source-country": func(test, *flow) answer { return bySender },
		"--genre":          func(_ test, f *flow) answer { return unknown.and(flagsAre(f, SYN|ACK, SYN)) },
		"--src-type":       func(t test, f *flow) answer { return kindIn(t, f, f.packet.Src, bySender) },
		"--dst-type":       func(t test, f *flow) answer { return kindIn(t, f, f.packet.Dst, f.packet.aboutDestination()) },
		"--pkt-type":       packetTypeIs,
		"length --length":  lengthIn,
		"--match-set":      setOf,
		"--ttl-lt":         func(t test, f *flow) answer { return f.orAny(within(t.word()+":", usualTTL).not()) },
		"--ttl-gt":         func(t test, f *flow) answer { return f.orAny(within(":"+t.word(), usualTTL).not()) },
		"--mac-source":     func(test, *flow) answer { return bySender },
		"policy --pol":     func(t test, f *flow) answer { return when(t.word() == "none") },
	})
})

// withRates adds what depends on the packets before: one packet alone never
// exceeds a rate, and whom "recent" remembers depends on the sender.
func withRates(looks map[string]func(test, *flow) answer) map[string]func(test, *flow) answer {
	for _, o := range []string{"limit --limit", "hashlimit --hashlimit-upto", "connlimit --connlimit-upto"} {
		looks[o] = func(_ test, f *flow) answer { return f.underRate() }
	}
	for _, o := range []string{
		"limit --limit-burst", "hashlimit --hashlimit-burst", "hashlimit --hashlimit-mode",
		"hashlimit --hashlimit-name", "hashlimit --hashlimit-htable-size", "hashlimit --hashlimit-htable-max", "hashlimit --hashlimit-htable-expire",
		"hashlimit --hashlimit-htable-gcinterval", "hashlimit --hashlimit-srcmask", "hashlimit --hashlimit-dstmask",
		"connlimit --connlimit-mask", "connlimit --connlimit-saddr", "connlimit --connlimit-daddr",
		"recent --set", "recent --name", "recent --mask", "recent --rsource", "recent --rdest", "recent --seconds", "recent --hitcount", "recent --reap",
		"recent --rttl", "--comment", "--limit-iface-in", "--limit-iface-out", "--dir", "nfacct --nfacct-name", "set --return-nomatch",
	} {
		looks[o] = func(test, *flow) answer { return unlimited }
	}
	for _, o := range []string{"hashlimit --hashlimit-above", "connlimit --connlimit-above"} {
		looks[o] = func(test, *flow) answer { return never }
	}
	for _, o := range []string{"recent --rcheck", "recent --update", "recent --remove", "rpfilter --loose", "rpfilter --validmark", "rpfilter --accept-local", "rpfilter --invert"} {
		looks[o] = func(test, *flow) answer { return bySender }
	}
	return looks
}

func source(t test, f *flow) answer { return addressIn(t.word(), f.packet.Src, bySender) }

func destination(t test, f *flow) answer {
	if p := f.packet; p.Answers && !p.Dst.IsValid() && addressIn(t.word(), p.Src, never).truth == yes && !strings.ContainsAny(strings.TrimSuffix(t.word(), "/32"), "/-") {
		return never // nobody answers himself
	}
	return addressIn(t.word(), f.packet.Dst, answer{maybe, f.packet.peer()})
}

// addressIn compares with "10.0.0.0/8", "10.0.0.1", "10.0.0.0/255.0.0.255" and
// "10.0.0.1-10.0.0.9".
func addressIn(text string, a netip.Addr, doubt answer) answer {
	if strings.HasSuffix(text, "/0") {
		return surely
	}
	if !a.IsValid() {
		return doubt
	}
	if p, err := netip.ParsePrefix(text); err == nil {
		return when(p.Masked().Contains(a))
	}
	if one, err := netip.ParseAddr(text); err == nil {
		return when(one == a)
	}
	if from, to, ok := strings.Cut(text, "-"); ok {
		first, err := netip.ParseAddr(from)
		last, err2 := netip.ParseAddr(to)
		if err == nil && err2 == nil {
			return when(first.Compare(a) <= 0 && a.Compare(last) <= 0)
		}
	}
	net, mask, _ := strings.Cut(text, "/")
	n, err := netip.ParseAddr(net)
	m, err2 := netip.ParseAddr(mask)
	if err != nil || err2 != nil || n.BitLen() != a.BitLen() || m.BitLen() != a.BitLen() {
		return unknown
	}
	return when(slices.Equal(and(a, m), and(n, m)))
}

func and(a, mask netip.Addr) []byte {
	r := a.AsSlice()
	for i, m := range mask.AsSlice() {
		r[i] &= m
	}
	return r
}

func lengthIn(t test, f *flow) answer { return f.orAny(within(t.word(), uint64(f.packet.length()))) }

func onInterface(name, pattern string, whichever bool) answer {
	if whichever && pattern != "+" {
		return unknown
	}
	return when(interfaceIs(name, pattern))
}

// interfaceIs compares with a name, or the beginning of names "eth+".
func interfaceIs(name, pattern string) bool {
	if begin, ok := strings.CutSuffix(pattern, "+"); ok {
		return strings.HasPrefix(name, begin)
	}
	return name == pattern
}

var protocolNumbers = map[string]uint8{
	"icmp": icmp4, "tcp": tcp, "udp": udp, "sctp": sctp, "icmpv6": icmp6, "ipv6-icmp": icmp6, "vrrp": vrrp,
}

func protocolIs(t test, f *flow) answer {
	if t.word() == "all" || t.word() == "0" {
		return surely
	}
	n, ok := protocolNumbers[t.word()]
	if v, err := strconv.ParseUint(t.word(), 10, 8); err == nil {
		n, ok = uint8(v), true
	}
	// Another name is another protocol's: packets are of those named above.
	return when(ok && n == f.packet.Protocol)
}

// portIn compares with "80", "80,443", "1024:65535", ":1023" and "1024:".
func portIn(f *flow, text string, ports ...uint16) answer {
	switch f.packet.Protocol {
	case tcp, udp, sctp:
	default:
		return never
	}
	if f.packet.any {
		return unknown
	}
	a := never
	for one := range strings.SplitSeq(text, ",") {
		for _, port := range ports {
			a = a.or(within(one, uint64(port)))
		}
	}
	return a
}

func within(text string, n uint64) answer {
	first, last, isRange := strings.Cut(text, ":")
	if !isRange {
		last = first
	}
	from, to := uint64(0), uint64(1<<16-1)
	var err, err2 error
	if first != "" {
		from, err = strconv.ParseUint(first, 10, 32)
	}
	if last != "" {
		to, err2 = strconv.ParseUint(last, 10, 32)
	}
	if err != nil || err2 != nil {
		return unknown
	}
	return when(from <= n && n <= to)
}
