package boot

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// readNftables reads what nftables.service loads: Debian's file, or Red Hat's. Only the
// plainest of nft's words are known here, and with others the answer is [Unknown].
func readNftables(files host.Files, link string) (f Firewall, used bool, err error) {
	for _, name := range []string{"/etc/nftables.conf", "/etc/sysconfig/nftables.conf"} {
		lines, err := readLines(files, name)
		if err != nil {
			return f, false, err
		}
		if len(lines) == 0 {
			continue
		}
		f = Firewall{Name: "nftables", Files: map[bool]string{false: name, true: name}}
		f.Lets = func(o host.Opening) (Answer, string) { return nftLets(lines, link, o) }
		return f, true, nil
	}
	return f, false, nil
}

// An nftReader goes through a file. Every chain for what comes in must let the opening in.
type nftReader struct {
	link   string
	o      host.Opening
	answer Answer
	where  string // the chain that does not

	table                 []string // "inet", "filter"
	chain                 string
	closed, lets, unclear bool // the chain drops what it does not accept; accepts the opening; has rules that are not known here
}

func nftLets(lines []string, link string, o host.Opening) (Answer, string) {
	r := nftReader{link: link, o: o, answer: Yes}
	for _, line := range lines {
		line, _, _ = strings.Cut(line, "#")
		for statement := range strings.SplitSeq(line, ";") {
			if words := strings.Fields(statement); len(words) > 0 && !r.read(words) {
				return Unknown, "" // sets, variables, other files
			}
		}
	}
	return r.answer, r.where
}

// read tells whether the statement is known here.
func (r *nftReader) read(words []string) bool {
	switch {
	case words[0] == "table" && len(words) == 4 && words[3] == "{":
		r.table = words[1:3]
	case words[0] == "chain" && len(words) == 3 && words[2] == "{":
		r.chain, r.closed, r.lets, r.unclear = words[1], false, false, false
	case words[0] == "}" && r.chain != "":
		r.end()
	case words[0] == "}", words[0] == "flush" && len(words) == 2:
	case r.chain == "":
		return false
	case words[0] == "type":
		r.closed = r.isInput(words)
	case words[0] == "policy":
		r.closed = r.closed && slices.Contains(words, "drop")
	default:
		switch nftRuleLets(words, r.link, r.o) {
		case Yes:
			r.lets = r.lets || !r.unclear
		case Unknown:
			r.unclear = true
		}
	}
	return true
}

// end is the end of a chain.
func (r *nftReader) end() {
	switch {
	case r.closed && !r.lets && !r.unclear && r.answer != No:
		r.answer, r.where = No, strings.Join(append(slices.Clone(r.table), r.chain), " ")
	case r.closed && !r.lets && r.answer == Yes:
		r.answer = Unknown
	}
	r.chain = ""
}

// isInput tells whether a base chain sees what comes for the opening.
func (r *nftReader) isInput(words []string) bool {
	text := " " + strings.Join(words, " ") + " "
	return strings.Contains(text, " filter hook input ") && len(r.table) > 0 && (r.table[0] == "inet" || r.table[0] == r.o.Family())
}

// nftRuleLets tells whether a rule accepts the opening: [No] where it cannot.
func nftRuleLets(words []string, link string, o host.Opening) Answer {
	verdict := words[len(words)-1]
	if verdict == "drop" || verdict == "reject" {
		return No // against others, or the chain is closed anyway
	}
	if verdict != "accept" {
		if slices.ContainsFunc(words, func(w string) bool {
			return slices.Contains([]string{"jump", "goto", "vmap", "include", "queue", "accept"}, w)
		}) {
			return Unknown
		}
		return No // it counts or logs
	}
	rest := strings.Join(words[:len(words)-1], " ")
	if rest == "" || rest == "counter" {
		return Yes
	}
	if port := nftPort().FindStringSubmatch(rest); port != nil {
		return nftPorts(port, o)
	}
	if nftOthers().MatchString(rest) || nftLinks().MatchString(rest) && !strings.Contains(rest, link) {
		return No
	}
	return Unknown
}

// nftPort matches a rule about ports alone, with an address or without.
var nftPort = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(?:ip6? daddr ([0-9a-f.:]+) )?(?:ct state new )?(tcp|udp|sctp) dport (?:\{ ?([0-9, -]+?) ?\}|([0-9-]+))(?: ct state new)?(?: counter)?$`)
})

// nftOthers matches what no new connection to a service is.
var nftOthers = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(ct state (\{ ?)?(established|related)( ?, ?(established|related))?( ?\})?|(ip protocol |ip6 nexthdr |meta l4proto )?(icmp|icmpv6|ipv6-icmp)( .*)?)( counter)?$`)
})

// nftLinks matches a rule about one interface alone.
var nftLinks = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^iif(name)? "?[a-z0-9.*]+"?( counter)?$`) })

// nftPorts compares what such a rule names with the opening.
func nftPorts(found []string, o host.Opening) Answer {
	if found[2] != o.Protocol.String() || found[1] != "" && found[1] != o.VIP.String() {
		return No
	}
	for part := range strings.SplitSeq(found[3]+found[4], ",") {
		low, high, ranged := strings.Cut(strings.TrimSpace(part), "-")
		from, err := strconv.Atoi(strings.TrimSpace(low))
		to := from
		if ranged && err == nil {
			to, err = strconv.Atoi(strings.TrimSpace(high))
		}
		if err != nil {
			return Unknown
		}
		if int(o.Port) >= from && int(o.Port) <= to {
			return Yes
		}
	}
	return No
}
