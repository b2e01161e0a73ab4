//go:build linux

package lab_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/keepalived"
	"github.com/lvsdr/toolkit/lvsdr/lab"
)

const mailed = `directors: [{address: 10.10.10.30}, {address: 10.10.10.33}]
vrrp: {}
notify: {to: [ops@example.org], from: lvs@example.org, smtp: 192.168.200.1}
services: [{vip: 10.10.10.22, realServers: [{address: 10.10.10.31}]}]
`

// keepalived mails of a director that becomes master or backup, as notify says.
func TestMailOfFailover(t *testing.T) {
	lab.Need(t, lab.Netns, lab.Keepalived)
	l := newLab(t)
	mails := mailbox(t, l, "192.168.200.1")
	c, err := cluster.ParseConfig("", []byte(mailed))
	if err != nil {
		t.Fatal(err)
	}
	second, err := l.Add(t.Context(), "second", netip.MustParsePrefix("10.10.10.33/24"))
	if err != nil {
		t.Fatal(err)
	}
	sh(t, second, "ip route add 192.168.200.1 via 10.10.10.100")
	moves := func(h *lab.Host, at int) {
		conf := keepalived.VRRP(c, "here", at, func(netip.Addr) string { return "eth0" }).Render()
		sh(t, h, fmt.Sprintf("cat >/run/vrrp.conf <<'E'\n%sE\nkeepalived -P -f /run/vrrp.conf -p /run/vrrp.pid -r /run/vrrpd.pid >/dev/null 2>&1 </dev/null", conf))
		t.Cleanup(func() { sh(t, h, "kill $(cat /run/vrrp.pid)") })
	}
	// The one with the lower priority is alone at first, then the other one comes.
	moves(second, 1)
	awaitMails(t, mails, "[10.10.10.33] MASTER")
	moves(l.Director, 0)
	awaitMails(t, mails, "[10.10.10.33] BACKUP", "[10.10.10.30] MASTER")
}

// awaitMails waits for the mails of directors' new states, in whichever order, and looks
// whom they are from and to.
func awaitMails(t *testing.T, mails <-chan string, states ...string) {
	t.Helper()
	over := time.After(time.Minute)
	var subjects []string
	for len(states) > 0 {
		select {
		case mail := <-mails:
			_, subject, _ := strings.Cut(mail, "Subject: ")
			subject, _, _ = strings.Cut(subject, "\n")
			subjects = append(subjects, subject)
			if !strings.Contains(mail, "MAIL FROM:<lvs@example.org>") || !strings.Contains(mail, "RCPT TO:<ops@example.org>") {
				t.Errorf("a mail of others, or to others: %s", mail)
			}
			states = slices.DeleteFunc(states, func(s string) bool {
				director, state, _ := strings.Cut(s, " ")
				return strings.Contains(subject, director) && strings.Contains(subject, state)
			})
		case <-over:
			t.Fatalf("no mail tells of %q; those that came: %q", states, subjects)
		}
	}
	t.Logf("%q", subjects)
}
