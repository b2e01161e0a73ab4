package keepalived

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
)

// Cluster describes what the configuration says as a cluster, with a remark for each
// line that this description does not say, or says otherwise. The remarks that are lost
// change what serves. Where there are health checks the engine is keepalived. Among the
// others are the flaws that keepalived passes over.
//
// Directors are all of the cluster's, where they are known: one director's file lists the
// others with unicast alone, and never their priorities. Without them the failover of a
// vrrp_instance is lost.
func (c Config) Cluster(directors ...cluster.Director) (cluster.Config, []cluster.Remark) {
	im := importer{given: directors, groups: map[string]Directive{}, carried: map[netip.Addr]Directive{}, on: map[netip.Addr]string{}, holder: map[netip.Addr]Directive{}}
	for _, l := range c.Left {
		text := "left out: it is for another config-id (" + l.For + ")"
		if l.For == "" {
			text = "include: no file matches its pattern; bring the files along if there are any"
		}
		im.remarks = append(im.remarks, cluster.Remark{File: l.File, Line: l.Line, Text: text})
	}
	im.looked = looksAfter(c.Directives)
	for _, d := range c.Directives {
		if d.Keyword() == "global_defs" {
			im.scripts = find(d, "script_user").arg()
		}
		im.gather(d)
	}
	for _, d := range c.Directives {
		im.top(d)
	}
	if im.looked && len(im.config.Services) > 0 {
		im.config.Engine = cluster.EngineKeepalived
	}
	im.interfaces()
	im.failover()
	im.withoutSender()
	im.withoutService()
	im.strangeMail()
	contradictions(c.Directives, im.note)
	slices.SortStableFunc(im.remarks, func(a, b cluster.Remark) int {
		return cmp.Or(strings.Compare(a.File, b.File), a.Line-b.Line)
	})
	return im.config.Merged(), im.remarks
}

// importer makes a description, and its remarks.
type importer struct {
	config  cluster.Config
	remarks []cluster.Remark
	groups  map[string]Directive     // the virtual_server_groups
	carried map[netip.Addr]Directive // the addresses of vrrp_instances
	on      map[netip.Addr]string    // the interfaces that carry them
	holder  map[netip.Addr]Directive // the vrrp_instances that have them first
	order   []netip.Addr             // of carried
	mail    *Directive               // smtp_server
	looked  bool                     // somebody looks after the real servers

	given     []cluster.Director
	instances []Instance
	version3  bool       // vrrp_version 3
	daemon    *Directive // lvs_sync_daemon
	scripts   string     // script_user
}

func (im *importer) note(d Directive, format string, args ...any) { im.remark(d, false, format, args) }
func (im *importer) lost(d Directive, format string, args ...any) { im.remark(d, true, format, args) }

func (im *importer) remark(d Directive, lost bool, format string, args []any) {
	im.remarks = append(im.remarks, cluster.Remark{File: d.File, Line: d.Line, Text: fmt.Sprintf(format, args...), Lost: lost})
}

// gather keeps what others refer to.
func (im *importer) gather(d Directive) {
	switch d.Keyword() {
	case "virtual_server_group":
		im.groups[d.arg()] = d
	case "vrrp_instance":
		im.instance(d)
	case "static_ipaddress", "static_addresses":
		before := im.order
		for _, a := range d.Block {
			im.address(a, "")
		}
		im.order = before // they need no service
	}
}

// top takes a directive of the outermost level.
func (im *importer) top(d Directive) {
	switch d.Keyword() {
	case "virtual_server":
		im.virtualServer(d)
	case "virtual_server_group", "vrrp_instance":
	case "vrrp_sync_group":
		im.together(d)
	case "global_defs":
		im.global(d)
	default:
		im.fate(d, topFates)
	}
}

// fate tells what becomes of a directive that has no place.
func (im *importer) fate(d Directive, fates func() map[string]fate) {
	f, ok := fates()[d.Keyword()]
	if first := d.Keyword()[0] | 0x20; !ok && (first < 'a' || first > 'z') {
		im.note(d, "%s is no comment, and keepalived passes it over as a word that it does not know: its comments begin with # or !", shown(d.text()))
		return
	}
	if !ok {
		im.lost(d, "%s: left out: lvsdr does not know it", shown(d.Keyword()))
		return
	}
	im.remark(d, f.lost, "%s: %s", []any{d.Keyword(), f.text})
}

func (im *importer) global(d Directive) {
	for _, in := range d.Block {
		switch in.Keyword() {
		case "lvs_timeouts":
			im.timeouts(in)
		case "lvs_sync_daemon":
			im.daemon = &in
		case "vrrp_version":
			im.version3 = in.arg() == "3"
			im.fate(in, globalFates)
		case "smtp_server":
			im.mail = &in
		case "notification_email", "notification_email_from": // as below
		default:
			im.fate(in, globalFates)
		}
	}
	im.notify(d)
}

func (im *importer) timeouts(d Directive) {
	names := map[string]*cluster.Duration{"tcp": &im.config.Timeouts.TCP, "tcpfin": &im.config.Timeouts.TCPFin, "udp": &im.config.Timeouts.UDP}
	args := d.Args()
	for len(args) > 1 && names[args[0]] != nil {
		seconds, ok := im.number(d, args[1], maxSeconds)
		if ok {
			*names[args[0]] = secondsOf(seconds)
		}
		args = args[2:]
	}
	if len(args) > 0 {
		im.lost(d, "lvs_timeouts: %s is left out: tcp, tcpfin or udp with a number of seconds is wanted", shown(strings.Join(args, " ")))
	}
}

// interfaces names the LAN interface once where the VIPs have the same one, or none, else
// with each service.
func (im *importer) interfaces() {
	var names []string
	for _, s := range im.config.Services {
		if name := im.on[s.VIP]; name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) == 1 {
		im.config.Interface = names[0]
		return
	}
	for i, s := range im.config.Services {
		im.config.Services[i].Interface = im.on[s.VIP]
	}
}

// withoutService tells of addresses that have no service, and of services that have no
// address.
func (im *importer) withoutService() {
	serving := map[netip.Addr]bool{}
	for _, s := range im.config.Services {
		serving[s.VIP] = true
	}
	for _, vip := range im.order {
		if !serving[vip] {
			im.lost(im.carried[vip], "%s has no virtual_server that is carried over: lvsdr carries no address without a service", vip)
		}
	}
}

// sampleMail is the mail server of keepalived's samples.
var sampleMail = netip.MustParseAddr("192.168.200.1")

// strangeMail tells of a mail server that has nothing to do with the cluster, as in
// keepalived's samples.
func (im *importer) strangeMail() {
	if im.mail == nil || len(im.config.Services) == 0 {
		return
	}
	server, err := netip.ParseAddr(im.mail.arg())
	if err != nil || server != sampleMail {
		return
	}
	near := func(a netip.Addr) bool {
		p, err := a.Prefix(24)
		return err == nil && a.Is4() && p.Contains(server)
	}
	if !slices.ContainsFunc(im.config.VIPs(), near) && !slices.ContainsFunc(im.config.RIPs(), near) {
		im.note(*im.mail, "smtp_server: %s is on no network of this cluster (%s): it looks left over from a sample", server, im.config.VIPs()[0])
	}
}
