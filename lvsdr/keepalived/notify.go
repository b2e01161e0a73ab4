package keepalived

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
)

// mails are what global_defs says of them.
func (x *exporter) mails() []Directive {
	n := x.Config.Notify
	if n == nil {
		return nil
	}
	to := Directive{Words: []string{"notification_email"}, Block: []Directive{}, Above: []string{"notify of " + x.host.From}}
	for _, a := range n.To {
		to.Block = append(to.Block, one(a))
	}
	all := []Directive{to}
	if x.host.Address.IsValid() {
		all = append(all, one("router_id", x.host.Address.String()).beside("the director that a mail is of, in its subject"))
	}
	if n.From != "" {
		all = append(all, one("notification_email_from", n.From))
	}
	server := []string{"smtp_server", n.Server().Addr().String()}
	if port := n.Server().Port(); port != cluster.DefaultSMTPPort {
		server = append(server, strconv.Itoa(int(port)))
	}
	return append(all, one(server...))
}

// alerts has mails sent of a real server or an instance. Of services there are none: each
// would tell of its quorum whenever keepalived starts, which set-up has it do for every
// change.
func (x *exporter) alerts() []Directive {
	if x.Config.Notify == nil {
		return nil
	}
	return []Directive{one("smtp_alert")}
}

// notify takes what global_defs says of mails.
func (im *importer) notify(d Directive) {
	to, from, server := find(d, "notification_email"), find(d, "notification_email_from"), find(d, "smtp_server")
	if to.Words == nil || server.Words == nil {
		for _, in := range []Directive{to, from, server} {
			if in.Words != nil {
				im.note(in, "%s: left out: keepalived mails where it has both notification_email and smtp_server", in.Keyword())
			}
		}
		return
	}
	n := cluster.Notify{To: im.mailAddresses(to), From: im.sender(from), SMTP: im.mailServer(server)}
	if len(n.To) > 0 && n.SMTP != "" {
		im.config.Notify = &n
	}
}

// withoutSender leaves out mails that nobody would send: lvsdr has no keepalived where
// nobody looks after real servers and no VIP moves.
func (im *importer) withoutSender() {
	if im.config.Notify != nil && !im.config.Keepalived() && im.config.VRRP == nil {
		im.config.Notify = nil
		im.note(*im.mail, "notify is left out: nothing here has a keepalived run that would send mails")
	}
}

func (im *importer) mailAddresses(d Directive) (all []string) {
	for _, in := range d.Block {
		a := bareAddress(in.text())
		switch {
		case !cluster.MailAddress(a):
			im.note(in, "%s is left out: a mail address is wanted, such as ops@example.org", shown(in.text()))
		case !slices.Contains(all, a):
			all = append(all, a)
		}
	}
	if len(all) == 0 {
		im.note(d, "notification_email: left out: it has no mail address")
	}
	return all
}

// bareAddress is a mail address without the name beside it: "My admin <admin@example.org>".
func bareAddress(text string) string {
	if _, in, named := strings.Cut(text, "<"); named {
		text, _, _ = strings.Cut(in, ">")
	}
	return text
}

func (im *importer) sender(d Directive) string {
	if d.Words == nil {
		return ""
	}
	from := bareAddress(strings.Join(d.Args(), " "))
	if cluster.MailAddress(from) {
		return from
	}
	im.note(d, "%s is left out: a mail address is wanted, such as lvs@example.org", shown(d.text()))
	return ""
}

func (im *importer) mailServer(d Directive) string {
	name := d.arg()
	if name == "localhost" {
		name = "127.0.0.1"
	}
	a, err := netip.ParseAddr(name)
	if err != nil {
		im.note(d, "%s is left out, and with it the mails: an address is wanted, no name, since a director must come up before DNS does", shown(d.text()))
		return ""
	}
	if len(d.Words) < 3 {
		return a.String()
	}
	port, ok := im.number(d, d.Words[2], 65535)
	if !ok || port == 0 || port == cluster.DefaultSMTPPort {
		return a.String()
	}
	return netip.AddrPortFrom(a, uint16(port)).String()
}
