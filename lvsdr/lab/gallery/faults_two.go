//go:build linux

package gallery

import "github.com/lvsdr/toolkit/lvsdr/lab"

// twoServices is a cluster of two services with different real servers: dev-3 serves
// both VIPs, dev-2 the first alone. Its description is a file.
const twoServices = "-c /etc/two-services.yaml"

const twoServicesFile = `services:
  - vip: 10.10.10.22
    realServers: [{address: 10.10.10.31}, {address: 10.10.10.32}]
  - vip: 10.10.10.23
    realServers: [{address: 10.10.10.32}]
`

// twoFaults break one of two services, the other being fine or broken in another way:
// what is found of one must not end the search.
var twoFaults = []Fault{{
	Name: "second-vip-missing", Catalogue: "R7", Setup: twoServices,
	Title:  "a real server of two services lost the second VIP",
	Inject: on("dev-3", "ip addr del 10.10.10.23/32 dev lo"),
	Sights: seenOnWire("dr-path", Sight{Host: "dev-3", Code: "vip"}),
}, {
	Name: "first-vip-missing", Catalogue: "R7", Setup: twoServices,
	Title:  "a real server of two services lost the first VIP",
	Inject: on("dev-3", "ip addr del 10.10.10.22/32 dev lo"),
	Sights: seenOnWire("dr-path", Sight{Host: "dev-3", Code: "vip"}),
}, {
	Name: "second-vip-wide", Catalogue: "R5", Setup: twoServices,
	Title:  "the second VIP on a real server's lo is a /24",
	Inject: on("dev-3", "ip addr del 10.10.10.23/32 dev lo; ip addr add 10.10.10.23/24 dev lo label lo:0"),
	// Its answers of both services go to itself.
	Sights: []Sight{{Host: "dev-3", Code: "vip-mask"}, {Host: "dev-1", Code: "dr-path"}, {Host: "dev-1", Code: "dr-path"},
		{Host: "client", Code: "dr-path"}, {Host: "client", Code: "dr-path"}},
}, {
	Name: "one-missing-one-on-lan", Catalogue: "R6", Setup: twoServices,
	Title:  "a real server lost the first VIP and has the second on its LAN interface",
	Inject: on("dev-3", "ip addr del 10.10.10.22/32 dev lo; ip addr add 10.10.10.23/32 dev eth0"),
	Sights: []Sight{{Host: "dev-3", Code: "vip"}, {Host: "dev-3", Code: "vip-link"},
		{Host: "dev-1", Code: "vip-claim"}, {Host: "dev-1", Code: "dr-path"},
		{Host: "client", Code: "vip-claim"}, {Host: "client", Code: "dr-path"}},
	Heal: on("dev-3", "ip addr del 10.10.10.23/32 dev eth0"),
}, {
	Name: "director-second-vip-gone", Catalogue: "D2", Setup: twoServices,
	Title:  "the director lost the second VIP",
	Inject: on("dev-1", "ip addr del 10.10.10.23/32 dev eth0"),
	Sights: []Sight{{Host: "dev-1", Code: "vip"}, {Host: "client", Code: "vip-claim"}},
}, {
	Name: "second-no-real-server", Catalogue: "D6", Setup: twoServices,
	Title:  "the second service has no real server",
	Inject: on("dev-1", "ipvsadm -d -t 10.10.10.23:80 -r 10.10.10.32"),
	Sights: []Sight{{Host: "dev-1", Code: "no-destination"}, {Host: "client", Code: "replies"}},
}, {
	Name: "second-service-gone", Catalogue: "D7", Setup: twoServices,
	Title:  "there is no virtual service for the second VIP's port",
	Inject: on("dev-1", "ipvsadm -D -t 10.10.10.23:80"),
	Sights: []Sight{{Host: "dev-1", Code: "service"}, {Host: "client", Code: "replies"}},
}, {
	Name: "second-vip-dropped", Catalogue: "R10", Setup: twoServices, Needs: []lab.Feature{lab.IPTables},
	Title:  "a real server's packet filter drops what is for the second VIP",
	Inject: on("dev-3", "iptables-legacy -I INPUT 1 -d 10.10.10.23 -p tcp --dport 80 -j DROP"),
	Sights: seenOnWire("dr-path", Sight{Host: "dev-3", Code: "firewall-in"}),
	Undo:   unfiltered("dev-3"),
}, {
	Name: "listens-on-first-vip", Catalogue: "R9", Setup: twoServices,
	Title:  "a real server of two services listens on the first VIP only",
	Inject: serving("dev-3", "10.10.10.22:80"),
	Sights: seenOnWire("dr-path", Sight{Host: "dev-3", Code: "listener"}),
	Heal:   serving("dev-3", ":80"),
}}

var twoVariants = []Healthy{{
	Name: "two-services", Title: "two services with different real servers", Setup: twoServices,
}}
