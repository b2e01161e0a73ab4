//go:build linux

package gallery

import "github.com/lvsdr/toolkit/lvsdr/lab"

// mastersFaults are of two directors of which each believes to be the master.
var mastersFaults = []Fault{{
	Name: "two-masters", Catalogue: "K3", Setup: twoDirectors, Needs: []lab.Feature{lab.Keepalived, lab.IPTables},
	Title:  "the packet filter of the second director drops the master's advertisements: both directors have the VIP",
	Inject: all(on(secondDirector, "iptables-legacy -I INPUT -p vrrp -j DROP"), on(secondDirector, untilHere)),
	Sights: []Sight{{Host: secondDirector, Code: "firewall-vrrp"}, {Host: "dev-1", Code: "vrrp-master"}, {Host: "client", Code: "vip-claim"}},
	Heal:   on(secondDirector, untilGone),
	Undo:   on(secondDirector, "iptables-legacy -D INPUT -p vrrp -j DROP; lvsdr setup director -q --passive "+twoDirectors),
}}

// untilHere waits until this director has the VIP, untilGone until it has not.
const (
	untilHere = "for n in $(seq 300); do ip -4 addr show dev eth0 | grep -q 10.10.10.22/ && exit 0; sleep 0.1; done; exit 1"
	untilGone = "for n in $(seq 300); do ip -4 addr show dev eth0 | grep -q 10.10.10.22/ || exit 0; sleep 0.1; done; exit 1"
)
