package cluster

import (
	"fmt"
	"net/netip"
	"reflect"
	"regexp"
	"sync"
)

// Notify has keepalived send a mail when a real server's check fails or passes again, and
// when a director becomes master or backup.
type Notify struct {
	// To are the addresses that the mails go to.
	To []string `yaml:"to" json:"to"`
	// From is their sender; keepalived@ with the host's name when not given.
	From string `yaml:"from,omitempty" json:"from,omitempty"`
	// SMTP is the mail server's address, with its port where that is not 25.
	SMTP string `yaml:"smtp" json:"smtp"`
}

// DefaultSMTPPort is that of SMTP (RFC 5321).
const DefaultSMTPPort = 25

// Server is [Notify.SMTP] with its port; not valid where it is none.
func (n Notify) Server() netip.AddrPort {
	if a, err := netip.ParseAddr(n.SMTP); err == nil {
		return netip.AddrPortFrom(a, DefaultSMTPPort)
	}
	at, err := netip.ParseAddrPort(n.SMTP)
	if err != nil || at.Port() == 0 {
		return netip.AddrPort{}
	}
	return at
}

// sameNotify tells whether both have the same mails sent.
func (c Config) sameNotify(other Config) bool {
	if c.Notify == nil || other.Notify == nil {
		return c.Notify == other.Notify
	}
	a, b := *c.Notify, *other.Notify
	same := a.Server() == b.Server()
	a.SMTP, b.SMTP = "", ""
	return same && reflect.DeepEqual(a, b)
}

// MailAddress tells whether a text is one that a mail can go to or come from, without a
// name beside it.
func MailAddress(text string) bool { return len(text) <= maxMail && mailAddress().MatchString(text) }

// maxMail is the longest address (RFC 5321 section 4.5.3.1.3, without its brackets).
const maxMail = 254

// mailAddress leaves out what keepalived.conf has other meanings for.
var mailAddress = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[A-Za-z0-9_%+=/&*?^|-][A-Za-z0-9._%+=/&*?^|-]*@[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$`)
})

// notify checks the key of that name.
func (v *validation) notify(c Config) {
	n := c.Notify
	if n == nil {
		return
	}
	if !c.Keepalived() && c.VRRP == nil {
		v.add("notify", "", "it is keepalived that sends the mails: write engine: keepalived or vrrp, or leave it out")
	}
	if len(n.To) == 0 {
		v.add("notify.to", "", "whom to mail is wanted, such as to: [ops@example.org]")
	}
	for i, to := range n.To {
		if !MailAddress(to) {
			v.add(fmt.Sprintf("notify.to[%d]", i), to, "a mail address is wanted, such as ops@example.org")
		}
	}
	if n.From != "" && !MailAddress(n.From) {
		v.add("notify.from", n.From, "a mail address is wanted, such as lvs@example.org")
	}
	if reason := wrongMailServer(n.SMTP); reason != "" {
		v.add("notify.smtp", n.SMTP, reason)
	}
}

func wrongMailServer(text string) string {
	const wanted = "the mail server's address is wanted, such as 192.0.2.1, 192.0.2.1:587 or [2001:db8::1]:587"
	at := Notify{SMTP: text}.Server()
	switch {
	case text == "":
		return wanted
	case !at.IsValid():
		return wanted + ": no name, since a director must come up before DNS does"
	}
	if reason := wrongAddress(at.Addr()); reason != "" && !at.Addr().IsLoopback() {
		return reason
	}
	return ""
}
