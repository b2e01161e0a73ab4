//go:build linux

package gallery

import (
	"context"

	"github.com/lvsdr/toolkit/lvsdr/doctor"
	"github.com/lvsdr/toolkit/lvsdr/lab"
)

// mastersFaults are of two directors of which each believes to be the master, and of what
// others hear of them.
var mastersFaults = []Fault{{
	Name: "two-masters", Catalogue: "K3", Setup: twoDirectors, Needs: []lab.Feature{lab.Keepalived, lab.IPTables},
	Title:  "the packet filter of the second director drops the master's advertisements: both directors have the VIP",
	Inject: all(on(secondDirector, "iptables-legacy -I INPUT -p vrrp -j DROP"), on(secondDirector, untilHere)),
	Sights: []Sight{{Host: secondDirector, Code: "firewall-vrrp"}, {Host: "dev-1", Code: "vrrp-master"}, {Host: "client", Code: "vip-claim"}},
	Heal:   on(secondDirector, untilGone),
	Undo:   on(secondDirector, "iptables-legacy -D INPUT -p vrrp -j DROP; lvsdr setup director -q --passive "+twoDirectors),
}, {
	Name: "two-router-ids", Catalogue: "K3", Setup: twoDirectors, Needs: []lab.Feature{lab.Keepalived},
	Title:  "the description on the second director has another routerId: both directors have the VIP",
	Inject: all(on(secondDirector, otherRouterID), on(secondDirector, untilHere)),
	Sights: []Sight{{Host: secondDirector, Code: "vrrp-master"}, {Host: "dev-1", Code: "vrrp-master"}, {Host: "client", Code: "vip-claim"}},
	Heal:   all(on(secondDirector, asDescribed), on(secondDirector, untilGone)),
}, {
	Name: "router-id-of-another", Catalogue: "K3", Setup: twoDirectors, Needs: []lab.Feature{lab.Keepalived},
	Title:  "another cluster on this LAN has the same router ID",
	Inject: stranger(anotherCluster),
	Sights: []Sight{{Host: "dev-1", Code: "vrrp-master", Severity: doctor.Warning}, {Host: secondDirector, Code: "vrrp-master", Severity: doctor.Warning}},
	Heal:   stranger("kill $(cat /run/another/pid); for n in $(seq 100); do [ -e /run/another/pid ] || exit 0; sleep 0.1; done; exit 1"),
}, {
	Name: "switch-drops-multicast", Catalogue: "N11", Setup: twoDirectors, Needs: []lab.Feature{lab.Keepalived, lab.NFT},
	Title:  "the switch drops the directors' advertisements, which are multicast: both directors have the VIP",
	Inject: all(onSwitch(dropsAdverts), on(secondDirector, untilHere)),
	Sights: []Sight{{Host: "dev-1", Code: "vrrp-master"}, {Host: secondDirector, Code: "vrrp-master"}, {Host: "client", Code: "vip-claim"}},
	Heal:   all(on("dev-1", byUnicast), on(secondDirector, byUnicast), on(secondDirector, untilGone)),
	Undo:   all(onSwitch("nft delete table bridge adverts"), on("dev-1", asDescribed), on(secondDirector, asDescribed), on("dev-1", untilHere), on(secondDirector, untilGone)),
}, {
	Name: "gratuitous-arp-lost", Catalogue: "N1", Setup: twoDirectors, Needs: []lab.Feature{lab.Keepalived},
	Title:  "the VIP has moved to the second director, and a client has missed the announcement",
	Inject: all(on(secondDirector, preferSecond), on("dev-1", preferSecond), on(secondDirector, untilHere), missed),
	Recur:  missed, // keepalived tells it again each minute, and the kernel asks anew
	Sights: []Sight{{Host: "client", Code: "vip-neighbour"}},
	Undo:   all(on("dev-1", asDescribed), on(secondDirector, asDescribed), on(secondDirector, untilGone)),
}}

const (
	describedAt = "/etc/two-directors.yaml"
	setUpAgain  = "lvsdr setup director -q --passive " + twoDirectors

	// untilHere waits until this director has the VIP, untilGone until it has not.
	untilHere = "for n in $(seq 300); do ip -4 addr show dev eth0 | grep -q 10.10.10.22/ && exit 0; sleep 0.1; done; exit 1"
	untilGone = "for n in $(seq 300); do ip -4 addr show dev eth0 | grep -q 10.10.10.22/ || exit 0; sleep 0.1; done; exit 1"

	otherRouterID = "sed -i 's/vrrp: {/vrrp: {routerId: 52, /' " + describedAt + "; " + setUpAgain
	preferSecond  = "sed -i 's/{address: 10.10.10.33}/{address: 10.10.10.33, priority: 110}/' " + describedAt + "; " + setUpAgain
	byUnicast     = "sed -i 's/vrrp: {/vrrp: {unicast: true, /' " + describedAt + "; lvsdr setup director -q " + twoDirectors
	asDescribed   = "sed -i 's/routerId: 52, //; s/unicast: true, //; s/, priority: 110//' " + describedAt + "; " + setUpAgain

	dropsAdverts = "nft -f - <<'E'\ntable bridge adverts {\nchain forward {\ntype filter hook forward priority 0\nip daddr 224.0.0.18 drop\n}\n}\nE"

	// anotherCluster advertises a little less often than this one, and as undisturbed.
	anotherCluster = `mkdir -p /run/another; cat >/run/another/conf <<'E'
vrrp_instance another {
    state BACKUP
    interface eth0
    virtual_router_id 51
    priority 200
    version 3
    advert_int 0.6
    lower_prio_no_advert true
    virtual_ipaddress {
        10.10.10.99/32 dev eth0
    }
}
E
keepalived -P -f /run/another/conf -p /run/another/pid -r /run/another/vrrp >/dev/null 2>&1 </dev/null
for n in $(seq 100); do ip -4 addr show dev eth0 | grep -q 10.10.10.99 && exit 0; sleep 0.1; done; exit 1`
)

// missed has the client take the first director for the one that has the VIP.
func missed(ctx context.Context, c *Cluster) error {
	return c.Sh(ctx, c.Client.Name, "ip neigh replace 10.10.10.22 dev eth0 nud stale lladdr "+c.Director.MAC.String())
}

// onSwitch is an Inject that runs shell commands on the LAN's switch.
func onSwitch(commands string) func(context.Context, *Cluster) error {
	return func(ctx context.Context, c *Cluster) error {
		c.show(c.Switch.Name, commands)
		_, err := c.Switch.Run(ctx, "sh", "-ec", commands)
		return err
	}
}
