//go:build linux

package gallery

import (
	"context"

	"github.com/lvsdr/toolkit/lvsdr/lab"
)

// container has the first real server's port served by a container: a host of a network
// of its own behind it, to which its rules send what comes for this address ("" for all
// of the real server's).
func container(address string) func(context.Context, *Cluster) error {
	return func(ctx context.Context, c *Cluster) error {
		if err := c.Serve("dev-2", ""); err != nil {
			return err
		}
		if _, err := c.machine(ctx, "box", "172.17.0.2/16"); err != nil {
			return err
		}
		to := "-m addrtype --dst-type LOCAL"
		if address != "" {
			to = "-d " + address
		}
		err := c.Sh(ctx, "dev-2", `ip addr add 172.17.0.1/16 dev eth0
sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.eth0.send_redirects=0
iptables-legacy -t nat -A PREROUTING `+to+` -p tcp --dport 80 -j DNAT --to-destination 172.17.0.2:80`)
		if err == nil {
			err = c.Sh(ctx, "box", "ip route add default via 172.17.0.1")
		}
		if err == nil {
			err = c.Serve("box", ":80")
		}
		return err
	}
}

// publishedOn is a cluster made by hand with such a container.
func publishedOn(address string) func(context.Context, *Cluster) error {
	return all(handMade(handTable), container(address))
}

// containerFaults are those of a real server whose port a rule gives to somebody else.
var containerFaults = []Fault{{
	Name: "container-not-forwarded", Catalogue: "R10", Needs: []lab.Feature{lab.IPTables}, Setup: "-",
	Title:  "a real server forwards nothing to the container that has its port",
	Make:   publishedOn(""),
	Inject: on("dev-2", "iptables-legacy -P FORWARD DROP"),
	Sights: seenOnWire("dr-path", Sight{Host: "dev-2", Code: "firewall-in"}),
}, {
	Name: "container-replies-dropped", Catalogue: "F2", Needs: []lab.Feature{lab.IPTables}, Setup: "-",
	Title:  "a real server forwards to the container that has its port, and nothing back",
	Make:   publishedOn(""),
	Inject: on("dev-2", "iptables-legacy -A FORWARD -d 172.17.0.2 -p tcp --dport 80 -j ACCEPT; iptables-legacy -P FORWARD DROP"),
	Sights: seenOnWire("dr-path", Sight{Host: "dev-2", Code: "firewall-out"}),
}, {
	Name: "container-on-rip", Catalogue: "R9", Needs: []lab.Feature{lab.IPTables}, Setup: "-",
	Title:  "a container's port is published on the real server's own address alone",
	Make:   publishedOn(""),
	Inject: on("dev-2", "iptables-legacy -t nat -F PREROUTING; iptables-legacy -t nat -A PREROUTING -d 10.10.10.31 -p tcp --dport 80 -j DNAT --to-destination 172.17.0.2:80"),
	Sights: seenOnWire("dr-path", Sight{Host: "dev-2", Code: "listener"}),
	Heal:   on("dev-2", "iptables-legacy -t nat -A PREROUTING -d 10.10.10.22 -p tcp --dport 80 -j DNAT --to-destination 172.17.0.2:80"),
}, {
	Name: "redirected-and-dropped", Catalogue: "R10", Needs: []lab.Feature{lab.IPTables}, Setup: "-",
	Title:  "a real server redirects the port to another one, which its packet filter drops",
	Make:   all(handMade(handTable), serving("dev-2", ":8080"), on("dev-2", "iptables-legacy -t nat -A PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 8080")),
	Inject: on("dev-2", "iptables-legacy -A INPUT -p icmp -j ACCEPT; iptables-legacy -A INPUT -m state --state ESTABLISHED -j ACCEPT; iptables-legacy -A INPUT -p tcp --dport 80 -j ACCEPT; iptables-legacy -P INPUT DROP"),
	Sights: seenOnWire("dr-path", Sight{Host: "dev-2", Code: "firewall-in"}),
}, {
	Name: "redirected-to-loopback", Catalogue: "R10", Needs: []lab.Feature{lab.IPTables}, Setup: "-",
	Title:  "a real server sends the port on to 127.0.0.1, where the kernel takes nothing from other hosts",
	Make:   all(handMade(handTable), serving("dev-2", ":8080"), on("dev-2", "iptables-legacy -t nat -A PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 8080")),
	Inject: on("dev-2", "iptables-legacy -t nat -F PREROUTING; iptables-legacy -t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to-destination 127.0.0.1:8080"),
	Sights: seenOnWire("dr-path", Sight{Host: "dev-2", Code: "firewall-in"}),
	Heal:   on("dev-2", "iptables-legacy -t nat -F PREROUTING; iptables-legacy -t nat -A PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 8080"),
}}

var containerVariants = []Healthy{{
	Name: "container", Catalogue: "FP5", Needs: []lab.Feature{lab.IPTables}, Setup: "-",
	Title: "a real server's port is a container's, and what it forwards is by rule",
	Make:  all(publishedOn(""), on("dev-2", `iptables-legacy -A FORWARD -m conntrack --ctstate DNAT -j ACCEPT; iptables-legacy -P FORWARD DROP`)),
}}
