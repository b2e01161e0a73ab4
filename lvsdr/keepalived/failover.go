package keepalived

import (
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
)

// failover describes what the vrrp_instances do, where it is known who the directors are.
func (im *importer) failover() {
	im.config.Directors = im.directors()
	if len(im.config.Directors) < 2 {
		im.withoutOthers()
	} else if len(im.instances) > 0 {
		im.vrrp()
	}
	im.sync()
	for _, i := range im.instances {
		im.patience(find(i.Directive, "preempt_delay"))
	}
}

// patience tells of a preempt_delay, unless lvsdr waits as long.
func (im *importer) patience(d Directive) {
	waits := strconv.Itoa(int(im.config.PreemptDelay().Seconds()))
	switch {
	case d.Words == nil || d.arg() == waits:
	case waits != "0":
		im.note(d, "%s: with sync lvsdr waits %s s, until it knows the connections", shown(d.text()), waits)
	default:
		im.remark(d, alone.lost, "%s: %s", []any{d.Keyword(), alone.text})
	}
}

// withoutOthers tells of each instance that its failover is lost.
func (im *importer) withoutOthers() {
	for _, i := range im.instances {
		var told []string
		for _, in := range i.Block {
			if slices.Contains([]string{"state", "virtual_router_id", "priority", "advert_int"}, in.Keyword()) {
				told = append(told, shown(in.Keyword()+" "+in.arg()))
			}
		}
		what := shown(i.text())
		if len(told) > 0 {
			what += " (" + strings.Join(told, ", ") + ")"
		}
		im.lost(i.Directive, "%s: its failover is left out, as this file does not tell who the other directors are: name all with "+
			"lvsdr import keepalived --director ADDRESS=PRIORITY, or list them under directors: and say vrrp: {routerId: %s}", what, routerID(i.Directive))
	}
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

// vrrp is how the VIPs move: as the first instance says. The others have no choice.
func (im *importer) vrrp() {
	first := im.instances[0]
	v := im.instanceVRRP(first)
	for _, i := range im.instances[1:] {
		quiet := importer{}
		if other := quiet.instanceVRRP(i); !reflect.DeepEqual(v, other) || find(i.Directive, "priority").arg() != find(first.Directive, "priority").arg() {
			im.lost(i.Directive, "%s: lvsdr moves all VIPs together, to one director, as %s says: what this one says otherwise is left out",
				shown(i.text()), shown(first.text()))
		}
	}
	for _, i := range im.instances {
		im.tracks(i)
	}
	im.withPassword(&v)
	im.speaks(&v)
	im.bothFamilies(&v)
	im.config.VRRP = &v
}

// bothFamilies leaves unicast out where a VIP is of another family than the directors.
func (im *importer) bothFamilies(v *cluster.VRRP) {
	own := im.config.Directors[0].Address
	other := slices.ContainsFunc(im.config.VIPs(), func(vip netip.Addr) bool { return vip.Is4() != own.Is4() })
	if v.Unicast && other {
		v.Unicast = false
		_, _, from := im.addressed()
		im.lost(from, "unicast_peer: left out: a VIP is of another address family than the directors, and is advertised by multicast")
	}
}

// withPassword leaves the password out where VRRP version 3 has none, as keepalived does.
func (im *importer) withPassword(v *cluster.VRRP) {
	version3 := im.version3 || v.Interval%secondsOf(1) != 0
	for _, i := range im.instances {
		version3 = version3 || i.IPv6 || find(i.Directive, "version").arg() == "3"
	}
	six := slices.ContainsFunc(im.config.VIPs(), func(vip netip.Addr) bool { return vip.Is6() })
	switch {
	case v.Auth != "" && six && !version3:
		v.Auth = ""
		im.note(find(im.instances[0].Directive, "authentication"), "authentication: left out: a VIP of IPv6 takes VRRP version 3, which has none")
	case v.Auth != "" && version3:
		v.Auth = ""
		im.note(find(im.instances[0].Directive, "authentication"), "authentication: left out: VRRP version 3 has none, and keepalived sends none")
	}
}

// instanceVRRP is what one instance says.
func (im *importer) instanceVRRP(i Instance) cluster.VRRP {
	v := cluster.VRRP{Unicast: len(i.Peers) > 0, Auth: im.password(i.Directive), AuthHMAC: im.hmacKey(i.Directive)}
	if v.AuthHMAC != "" {
		v.Auth = "" // keepalived takes the other
	}
	if d := find(i.Directive, "virtual_router_id"); d.Words != nil {
		if n, ok := im.number(d, d.arg(), 255); ok && n > 0 && n != *(cluster.VRRP{}).Full().RouterID {
			v.RouterID = &n
		}
	}
	if d := find(i.Directive, "advert_int"); d.Words != nil && d.arg() != "1" {
		v.Interval = im.advert(d)
	}
	state := find(i.Directive, "state")
	if find(i.Directive, "nopreempt").Words != nil && state.arg() != "MASTER" {
		no := false
		v.Preempt = &no
	}
	if state.arg() == "MASTER" {
		im.note(state, "state MASTER: each of lvsdr's directors starts as BACKUP, and the priority decides")
	}
	return v
}

// advert is an interval, in hundredths of a second.
func (im *importer) advert(d Directive) cluster.Duration {
	const hundredths = 100
	n, err := strconv.ParseFloat(d.arg(), 64)
	if err != nil || n < 0.1 || n > 40 {
		im.lost(d, "%s is left out: 0.1 to 40 seconds are wanted", shown(d.text()))
		return 0
	}
	return secondsOf(1) / hundredths * cluster.Duration(n*hundredths+0.5)
}

// password is that of the instance, where vrrp can have it.
func (im *importer) password(d Directive) string {
	auth := find(d, "authentication")
	if auth.Words == nil {
		return ""
	}
	password := find(auth, "auth_pass")
	text := password.arg()
	text = text[:min(len(text), maxPassword)] // as keepalived cuts it
	switch kind := find(auth, "auth_type"); {
	case !strings.EqualFold(kind.arg(), "PASS"):
		im.lost(kind, "%s is left out: lvsdr has PASS alone", shown(kind.text()))
		return ""
	case strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("\"'\\#!{}$~`", r) }):
		im.lost(password, "auth_pass is left out: lvsdr takes letters, digits and such, no blanks and none of \"'\\#!{}$~`")
		return ""
	}
	return text
}

// hmacKey is that of auth_hmac, where it has one alone and written out.
func (im *importer) hmacKey(d Directive) (key string) {
	auth := find(d, "auth_hmac")
	for _, in := range auth.Block {
		switch in.Keyword() {
		case "key":
			text, is := strings.CutPrefix(in.after(in.arg()), "hex:")
			if key != "" || !is || !cluster.HMACKey(text) {
				im.lost(in, "auth_hmac: key %s is left out: lvsdr has one, of 32 to 64 bytes, written out as hex:", shown(in.arg()))
				continue
			}
			key = text
		case "active_key":
		default:
			im.lost(in, "auth_hmac: %s is left out: it is as keepalived has it", shown(in.text()))
		}
	}
	return key
}

// tracks tells of interfaces that the VIPs do not follow.
func (im *importer) tracks(i Instance) {
	for _, in := range find(i.Directive, "track_interface").Block {
		name := in.Keyword()
		carries := slices.ContainsFunc(im.order, func(a netip.Addr) bool { return im.on[a] == name })
		if name != i.Interface && !carries || len(in.Words) > 1 {
			im.lost(in, "track_interface %s: %s", shown(in.text()), noTracking.text)
		}
	}
}

// speaks names the interface of the advertisements where it is not that of the VIPs.
func (im *importer) speaks(v *cluster.VRRP) {
	name := im.instances[0].Interface
	other := false
	for _, i := range im.instances {
		if i.Interface != name {
			return
		}
	}
	for _, a := range im.order {
		other = other || im.on[a] != name
	}
	if other {
		v.Interface = name
	}
}

// together takes a vrrp_sync_group, which lvsdr's instances always are in.
func (im *importer) together(d Directive) {
	named := func(in Directive) bool { // without group { }, as in a sample of keepalived's
		return slices.ContainsFunc(im.instances, func(i Instance) bool { return len(in.Words) == 1 && i.arg() == in.Keyword() })
	}
	for _, in := range d.Block {
		if in.Keyword() != "group" && !named(in) {
			im.fate(in, groupFates)
		}
	}
	im.note(d, "%s: lvsdr moves all VIPs together, to one director", shown(d.text()))
}
