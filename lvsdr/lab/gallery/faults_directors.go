//go:build linux

package gallery

import (
	"context"
	"net/netip"

	"github.com/lvsdr/toolkit/lvsdr/doctor"
	"github.com/lvsdr/toolkit/lvsdr/lab"
)

// twoDirectors is a cluster whose VIP VRRP moves between two directors, which look after
// the real servers by keepalived and tell each other of their connections. dev-1 has it.
const twoDirectors = "-c /etc/two-directors.yaml"

const twoDirectorsFile = `engine: keepalived
directors: [{address: 10.10.10.30}, {address: 10.10.10.33}]
vrrp: {interval: 500ms}
sync: {interface: eth0}
services:
  - vip: 10.10.10.22
    check: {interval: 1s, timeout: 1s, retries: 0}
    realServers: [{address: 10.10.10.31}, {address: 10.10.10.32}]
`

// secondDirector is the name of the other one.
const secondDirector = "second"

func (c *Cluster) addSecond(ctx context.Context) error {
	_, err := c.Add(ctx, secondDirector, netip.MustParsePrefix("10.10.10.33/24"))
	return err
}

// hasSecond tells whether there are two directors.
func (c *Cluster) hasSecond() bool {
	for _, h := range c.Hosts() {
		if h.Name == secondDirector {
			return true
		}
	}
	return false
}

// directorsFaults are of two directors that lvsdr has set up.
var directorsFaults = []Fault{{
	Name: "vip-on-none", Catalogue: "K16", Setup: twoDirectors, Needs: []lab.Feature{lab.Keepalived},
	Title:  "no director has the VIP: keepalived runs on none",
	Inject: all(on(secondDirector, vrrpEnds), on("dev-1", vrrpEnds)),
	Sights: []Sight{{Host: "dev-1", Code: "vrrp"}, {Host: secondDirector, Code: "vrrp"}, {Host: "client", Code: "vip-claim"}},
	Heal:   on(secondDirector, "lvsdr setup director -q --passive "+twoDirectors),
}, {
	Name: "checks-not-running", Catalogue: "K16", Setup: twoDirectors, Needs: []lab.Feature{lab.Keepalived, lab.Ipvsadm},
	Title: "the keepalived that looks after the real servers has crashed, and somebody has the sync daemon hear another cluster",
	Inject: on("dev-1", `kill -9 $(cat /run/lvsdr/keepalived.pid /run/lvsdr/keepalived-checkers.pid)
ipvsadm --stop-daemon backup; ipvsadm --start-daemon backup --mcast-interface eth0 --syncid 9`),
	Sights: []Sight{{Host: "dev-1", Code: "keepalived"}, {Host: "dev-1", Code: "sync-daemon", Severity: doctor.Warning}},
}, {
	Name: "check-refused", Catalogue: "R9", Setup: twoDirectors, Needs: []lab.Feature{lab.Keepalived},
	Title:  "a real server serves the VIP, and not the address that its check asks",
	Inject: all(serving("dev-3", "10.10.10.22:80"), on("dev-1", untilOut), on(secondDirector, untilOut)),
	Sights: []Sight{{Host: "dev-1", Code: "health", Severity: doctor.Warning}, {Host: secondDirector, Code: "health", Severity: doctor.Warning}},
	Heal:   serving("dev-3", ":80"),
}}

const (
	// untilOut waits until one of two real servers is out of the table.
	untilOut = `for n in $(seq 100); do [ "$(ipvsadm -Ln | grep -c Route)" = 1 ] && exit 0; sleep 0.1; done; exit 1`
	// vrrpEnds ends what moves the VIP, with a goodbye, and waits for it.
	vrrpEnds = "kill $(cat /run/lvsdr/vrrp.pid); for n in $(seq 100); do [ -e /run/lvsdr/vrrp.pid ] || exit 0; sleep 0.1; done; exit 1"
)
