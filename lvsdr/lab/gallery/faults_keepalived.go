//go:build linux

package gallery

import (
	"context"

	"github.com/lvsdr/toolkit/lvsdr/doctor"
	"github.com/lvsdr/toolkit/lvsdr/lab"
)

// keepalivedFile is that of a director with the two services of twoServicesFile.
const keepalivedFile = `global_defs {
    vrrp_version 3
}
vrrp_instance VI_1 {
    state BACKUP
    interface eth0
    virtual_router_id 51
    priority 100
    advert_int 0.2
    virtual_ipaddress {
        10.10.10.22/32 dev eth0
        10.10.10.23/32 dev eth0
    }
}
virtual_server 10.10.10.22 80 {
    delay_loop 1
    lb_algo wrr
    lb_kind DR
    protocol TCP
    alpha
    real_server 10.10.10.31 80 {
        TCP_CHECK {
            connect_timeout 2
        }
    }
    real_server 10.10.10.32 80 {
        TCP_CHECK {
            connect_timeout 2
        }
    }
}
virtual_server 10.10.10.23 80 {
    delay_loop 1
    lb_algo wrr
    lb_kind DR
    protocol TCP
    alpha
    real_server 10.10.10.32 80 {
        TCP_CHECK {
            connect_timeout 2
        }
    }
}
`

// keptByKeepalived is a director whose VIPs and table keepalived keeps, without lvsdr.
func keptByKeepalived(ctx context.Context, c *Cluster) error {
	if err := byHand(ctx, c, ""); err != nil {
		return err
	}
	c.Flags = twoServices
	for _, h := range c.Hosts() {
		if err := c.Sh(ctx, h.Name, "cat >/etc/two-services.yaml <<'E'\n"+twoServicesFile+"E"); err != nil {
			return err
		}
	}
	if err := c.Sh(ctx, "dev-3", "ip addr add 10.10.10.23/32 dev lo"); err != nil {
		return err
	}
	return c.Sh(ctx, "dev-1", `ip addr del 10.10.10.22/32 dev eth0
mkdir -p /etc/keepalived
cat >/etc/keepalived/keepalived.conf <<'E'
`+keepalivedFile+`E
keepalived -p /run/gallery-keepalived -r /run/gallery-vrrp -c /run/gallery-checkers >/dev/null 2>&1 </dev/null
for n in $(seq 100); do
	[ "$(ipvsadm -Ln | grep -c Route)" = 3 ] && ip -4 addr show dev eth0 | grep -q 10.10.10.23/32 && exit 0
	sleep 0.1
done
echo keepalived does not bring it; ipvsadm -Ln; ip -4 addr show dev eth0; exit 1`)
}

// keepalivedEnds has it give all back, and waits for it.
var keepalivedEnds = on("dev-1", `kill "$(cat /run/gallery-keepalived)"
for n in $(seq 100); do [ -e /run/gallery-keepalived ] || exit 0; sleep 0.1; done
exit 1`)

// keepalivedFaults are of a director that keepalived keeps.
var keepalivedFaults = []Fault{{
	Name: "keepalived-table-edited", Catalogue: "K7", Setup: "-", Needs: []lab.Feature{lab.Keepalived},
	Title:  "somebody has removed the second service from the table that keepalived keeps: a reload does not bring it back",
	Make:   keptByKeepalived,
	Inject: on("dev-1", `ipvsadm -D -t 10.10.10.23:80; kill -HUP "$(cat /run/gallery-keepalived)"; sleep 2; ! ipvsadm -Ln | grep 10.10.10.23`),
	Sights: []Sight{{Host: "dev-1", Code: "keepalived-table"}, {Host: "client", Code: "replies"}},
	Undo:   keepalivedEnds,
}, {
	Name: "vrrp-dropped", Catalogue: "F10", Setup: "-", Needs: []lab.Feature{lab.Keepalived, lab.IPTables},
	Title:  "the packet filter of a director drops the other's advertisements",
	Make:   keptByKeepalived,
	Inject: on("dev-1", "iptables-legacy -A INPUT -p vrrp -j DROP"),
	Sights: []Sight{{Host: "dev-1", Code: "firewall-vrrp"}},
	Undo:   keepalivedEnds,
}, {
	Name: "keepalived-without-method", Catalogue: "K1", Setup: "-", Needs: []lab.Feature{lab.Keepalived},
	Title:  "somebody has taken lb_kind out of keepalived's configuration, and with its next reload it forwards by masquerading",
	Make:   keptByKeepalived,
	Inject: all(on("dev-1", "sed -i '/lb_kind DR/d' /etc/keepalived/keepalived.conf; "+rereads("Masq")), unserved),
	Sights: []Sight{
		{Host: "dev-1", Code: "keepalived-conf", Severity: doctor.Warning},
		{Host: "dev-1", Code: "forwarding"}, {Host: "dev-1", Code: "forwarding"}, // of both VIPs
		{Host: "client", Code: "replies"}, {Host: "client", Code: "replies"},
	},
	// The last packets by masquerading may have the kernel cache a route to nobody.
	Heal: all(on("dev-1", `sed -i 's/    lb_algo wrr/&\n    lb_kind DR/' /etc/keepalived/keepalived.conf; `+rereads("Route")), flushUntilServed),
	Undo: keepalivedEnds,
}, {
	Name: "keepalived-careless", Catalogue: "K8", Setup: "-", Needs: []lab.Feature{lab.Keepalived},
	Title: "one service has no alpha (K8), the other no delay_loop (K2), and nopreempt stands beside state MASTER (K12): all is served, and will not be when something fails",
	Make:  keptByKeepalived,
	Inject: on("dev-1", `sed -i -e '/^virtual_server 10.10.10.22/,/^}/{/alpha/d}' -e '/^virtual_server 10.10.10.23/,/^}/{/delay_loop/d}' \
	-e 's/    state BACKUP/    state MASTER\n    nopreempt/' /etc/keepalived/keepalived.conf
`+rereads("Route")),
	Sights: []Sight{
		{Host: "dev-1", Code: "keepalived-conf", Severity: doctor.Warning}, {Host: "dev-1", Code: "keepalived-conf", Severity: doctor.Warning},
		{Host: "dev-1", Code: "keepalived-conf", Severity: doctor.Warning},
	},
	// keepalived -t refuses the file for nopreempt, so that no fix is printed.
	Heal: on("dev-1", `f=/etc/keepalived/keepalived.conf
sed -i -e 's/state MASTER/state BACKUP/' -e '/^virtual_server 10.10.10.22/a\    alpha' -e '/^virtual_server 10.10.10.23/a\    delay_loop 6' $f
keepalived -t
`+rereads("Route")),
	Undo: keepalivedEnds,
}, {
	Name: "keepalived-left-out", Catalogue: "K16", Setup: "-",
	Title: "keepalived's unit is enabled, and its configuration is empty: systemd leaves it out without a word",
	Make:  handMade(handTable),
	Inject: on("dev-1", `mkdir -p /etc/keepalived /etc/systemd/system/multi-user.target.wants; : >/etc/keepalived/keepalived.conf
ln -s /lib/systemd/system/keepalived.service /etc/systemd/system/multi-user.target.wants/keepalived.service`),
	Sights: []Sight{{Host: "dev-1", Code: "keepalived-unit", Severity: doctor.Warning}},
	Heal:   on("dev-1", "rm /etc/systemd/system/multi-user.target.wants/keepalived.service"), // systemctl disable
}}

// rereads has keepalived read its file anew, and waits until all three destinations are
// forwarded to by that method.
func rereads(method string) string {
	return `kill -HUP "$(cat /run/gallery-keepalived)"
for n in $(seq 100); do [ "$(ipvsadm -Ln | grep -c ` + method + `)" = 3 ] && exit 0; sleep 0.1; done
ipvsadm -Ln; exit 1`
}
