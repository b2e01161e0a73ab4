package keepalived

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
)

// instance takes the addresses and the interface of a vrrp_instance, and tells what its
// failover was.
func (im *importer) instance(d Directive) {
	name, own := "", netip.Addr{}
	var told []string
	for _, in := range d.Block {
		switch in.Keyword() {
		case "interface":
			name = in.arg()
		case "unicast_src_ip":
			own, _ = netip.ParseAddr(in.arg())
		case "state", "virtual_router_id", "priority", "advert_int":
			told = append(told, shown(in.text()))
		}
		if !ofInstance(in.Keyword()) {
			im.fate(in, instanceFates)
		}
	}
	for _, in := range d.Block {
		if in.Keyword() == "virtual_ipaddress" || in.Keyword() == "virtual_ipaddress_excluded" {
			for _, a := range in.Block {
				im.address(a, name)
			}
		}
	}
	what := shown(d.text())
	if len(told) > 0 {
		what += " (" + strings.Join(told, ", ") + ")"
	}
	im.lost(d, "%s: its failover is left out, as a keepalived.conf does not tell who the other directors are: "+
		"list all under directors: with address and priority, and say vrrp: {routerId: %s}", what, routerID(d))
	im.director(d, own)
	im.flaws(d)
}

// routerID is the instance's; where it says none that can be read, the one that vrrp has
// unasked.
func routerID(d Directive) string {
	id := find(d, "virtual_router_id").arg()
	if n, err := strconv.ParseUint(id, 10, 8); err == nil {
		return strconv.FormatUint(n, 10)
	}
	return "51"
}

// director lists this host as a director where the instance gives its address.
func (im *importer) director(d Directive, own netip.Addr) {
	priority := find(d, "priority")
	if !own.IsValid() || slices.ContainsFunc(im.config.Directors, func(o cluster.Director) bool { return o.Address == own }) {
		return
	}
	director := cluster.Director{Address: own}
	if n, ok := im.number(priority, priority.arg(), 254); ok && priority.Words != nil && n > 0 && n != cluster.DefaultPriority {
		director.Priority = &n
	}
	im.config.Directors = append(im.config.Directors, director)
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

// address takes an address of a vrrp_instance: ADDRESS[/LENGTH] [dev NAME] ….
func (im *importer) address(d Directive, name string) {
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
	if masked && length != "32" && length != "128" {
		im.note(d, "%s: lvsdr carries a VIP alone, without the rest of its subnet: as /%d", d.Keyword(), a.BitLen())
	}
	if _, ok := im.carried[a]; !ok {
		im.order = append(im.order, a)
		im.carried[a], im.on[a] = d, name
	}
}
