package keepalived

import (
	"net/netip"
	"slices"
	"strings"
)

// instance takes the addresses and the interface of a vrrp_instance.
func (im *importer) instance(d Directive) {
	name := find(d, "interface").arg()
	for _, in := range d.Block {
		if !ofInstance(in.Keyword()) {
			im.fate(in, instanceFates)
		}
		if in.Keyword() == "virtual_ipaddress" || in.Keyword() == "virtual_ipaddress_excluded" {
			for _, a := range in.Block {
				im.address(a, name)
				im.twice(d, a)
			}
		}
	}
	im.instances = append(im.instances, instanceOf(d))
	im.flaws(d)
}

// twice tells of an address that another vrrp_instance has too.
func (im *importer) twice(d, at Directive) {
	text, _, _ := strings.Cut(at.Keyword(), "/")
	a, err := netip.ParseAddr(text)
	if err != nil {
		return
	}
	if first, ok := im.holder[a]; ok && first.arg() != d.arg() {
		im.lost(at, "%s is in %s too (line %d): two masters may have it at once; lvsdr has it once: leave it in one vrrp_instance", a, shown(first.text()), first.Line)
		return
	}
	im.holder[a] = d
}

// find returns the first directive of a block with a keyword; one without words where
// there is none.
func find(d Directive, keyword string) Directive {
	for _, in := range d.Block {
		if in.Keyword() == keyword {
			return in
		}
	}
	return Directive{File: d.File, Line: d.Line}
}

// maxPassword is what VRRP version 2 has room for (RFC 2338 section 5.3.10).
const maxPassword = 8

// flaws tells what keepalived passes over.
func (im *importer) flaws(d Directive) {
	state, auth := find(d, "state"), find(d, "authentication")
	if no := find(d, "nopreempt"); no.Words != nil && state.arg() == "MASTER" {
		im.note(no, "nopreempt does nothing beside state MASTER: it wants state BACKUP on every director")
	}
	password := find(auth, "auth_pass")
	if password.Words == nil {
		return
	}
	if len(password.arg()) > maxPassword {
		im.note(password, "auth_pass is longer than %d characters: keepalived cuts it, so that directors with other ends of it agree", maxPassword)
	}
	im.note(password, "auth_pass travels in clear text in every advertisement: it keeps nobody out who hears them")
}

// noLAN tells of interfaces that have no LAN: a VIP is there for the host itself, or for
// tunnels.
func noLAN(name string) bool {
	return name == "lo" || slices.ContainsFunc([]string{"dummy", "tunl", "ip6tnl", "gre", "sit"}, func(kind string) bool {
		number, is := strings.CutPrefix(name, kind)
		return is && number != "" && strings.Trim(number, "0123456789") == ""
	})
}

// address takes an address of a vrrp_instance: ADDRESS[/LENGTH] [dev NAME] ….
func (im *importer) address(d Directive, over string) {
	name := over
	text, length, masked := strings.Cut(d.Keyword(), "/")
	a, err := netip.ParseAddr(text)
	if err != nil {
		im.lost(d, "%s is left out: an address is wanted", shown(d.text()))
		return
	}
	for i, w := range d.Words[:len(d.Words)-1] {
		if w == "dev" {
			name = d.Words[i+1]
		}
	}
	if name != over && noLAN(name) {
		im.note(d, "%s: on %s nobody on the LAN is told of a VIP: lvsdr carries it on the LAN interface", shown(d.text()), name)
		name = over
	}
	if masked && length != "32" && length != "128" {
		im.note(d, "%s: lvsdr carries a VIP alone, without the rest of its subnet: as /%d", d.Keyword(), a.BitLen())
	}
	if _, ok := im.carried[a]; !ok {
		im.order = append(im.order, a)
		im.carried[a], im.on[a] = d, name
	}
}
