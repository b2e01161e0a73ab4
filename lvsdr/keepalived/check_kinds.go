package keepalived

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
)

// mailHost reads "host { … }" of SMTP_CHECK, where old files have what is the check's own.
func (im *importer) mailHost(c *rcheck, rip netip.Addr, d Directive) {
	if c.hosts++; c.hosts > 1 {
		im.lost(d, "host: left out: lvsdr asks one, the real server")
		return
	}
	for _, in := range d.Block {
		switch {
		case in.Keyword() == "connect_port":
			c.port, _ = im.number(in, in.arg(), 65535)
		case in.Keyword() == "connect_ip":
			im.asked(in, rip)
		case !im.time(&c.timing, in, c.Keyword()):
			im.fate(in, checkFates)
		}
	}
}

// asked tells of a check that asks another address than the real server's.
func (im *importer) asked(d Directive, rip netip.Addr) {
	if a, err := netip.ParseAddr(d.arg()); err != nil || a != rip {
		im.lost(d, "%s: left out: lvsdr's check asks the real server at its own address, %s", shown(d.text()), rip)
	}
}

// scriptUser reads "user NAME [GROUP]" of MISC_CHECK.
func (im *importer) scriptUser(c *rcheck, d Directive) {
	c.user = d.arg()
	if len(d.Words) > 2 {
		im.note(d, "the group %s is left out: a script has that of its user", shown(d.Words[2]))
	}
}

// incomplete tells of a check that keepalived takes for another one, or for none, and of
// what it takes where a check does not say.
func (im *importer) incomplete(c *rcheck) bool {
	switch {
	case c.kind == cluster.CheckMisc && c.script == "":
		im.lost(c.Directive, "MISC_CHECK has no misc_path: keepalived leaves it out, and so does lvsdr")
		return true
	case c.kind == cluster.CheckMisc && !cluster.ScriptText(c.script):
		im.lost(c.Directive, "MISC_CHECK: misc_path %s is left out: the full path of a script and plain words are wanted, none of %s", shown(c.script), cluster.NotInScripts)
		return true
	case (c.kind == cluster.CheckHTTP || c.kind == cluster.CheckHTTPS) && c.path == "":
		im.lost(c.Directive, "%s has no url: keepalived leaves it out, and so does lvsdr", c.Keyword())
		return true
	case c.kind == cluster.CheckMisc && c.user == "":
		im.scriptOwner(c)
	case c.kind == cluster.CheckDNS:
		if c.name == "" {
			c.name = "."
			im.note(c.Directive, "DNS_CHECK has no name: keepalived asks for the root of all domains (.) then, which a server that is asked for its own refuses")
		}
		if c.record == "" {
			c.record = "SOA"
		}
	}
	return false
}

// scriptOwner is whom keepalived runs a script as where the check does not say.
func (im *importer) scriptOwner(c *rcheck) {
	if c.user = im.scripts; c.user != "" {
		return
	}
	im.lost(c.Directive, "MISC_CHECK has no user: keepalived takes keepalived_script or, where that is none, root; lvsdr takes %s: say another one with user:", cluster.DefaultScriptUser)
}

// general is a script with the real server's address and port, and the VIP, as what
// stands for them, so that those of all real servers are the same.
func general(script string, r rserver, v *vserver) string {
	port := strconv.Itoa(int(r.port))
	ours := !slices.ContainsFunc(v.ports, func(p int) bool { return p != int(r.port) })
	words := strings.Fields(script)
	for i := 1; i < len(words); i++ {
		if ours && words[i] == port {
			words[i] = cluster.ScriptPort
			continue
		}
		words[i] = inPlace(words[i], r.Address.String(), cluster.ScriptAddress)
		if v.arg() != "group" {
			words[i] = inPlace(words[i], v.arg(), cluster.ScriptVIP)
		}
		if before, ok := strings.CutSuffix(words[i], cluster.ScriptAddress+":"+port); ok && ours {
			words[i] = before + cluster.ScriptAddress + ":" + cluster.ScriptPort
		}
	}
	return strings.Join(words, " ")
}

// inPlace replaces an address in a word, where it is no part of a longer one: @10.0.0.9,
// http://10.0.0.9:80/.
func inPlace(word, address, with string) string {
	more := "0123456789."
	if strings.Contains(address, ":") {
		more = "0123456789abcdefABCDEF:."
	}
	var b strings.Builder
	for address != "" {
		before, after, found := strings.Cut(word, address)
		b.WriteString(before)
		if word = after; !found {
			break
		}
		longer := before != "" && strings.ContainsRune(more, rune(before[len(before)-1])) || after != "" && strings.ContainsRune(more, rune(after[0]))
		if longer {
			b.WriteString(address)
		} else {
			b.WriteString(with)
		}
	}
	return b.String()
}
