package lvsdr_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/lvsdrtest"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// The laws of lvsdrtest.CheckLaws, for both roles, on every configuration and
// every starting world below, in memory.

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func servers(rips ...string) []cluster.RealServer {
	var all []cluster.RealServer
	for _, rip := range rips {
		all = append(all, cluster.RealServer{Address: addr(rip)})
	}
	return all
}

func weighted(rip string, weight int) cluster.RealServer {
	return cluster.RealServer{Address: addr(rip), Weight: &weight}
}

func seconds(n int) cluster.Duration { return cluster.Duration(time.Duration(n) * time.Second) }

// atOnce is a drain that takes a removed real server out at once.
func atOnce() *cluster.Duration {
	var d cluster.Duration
	return &d
}

var (
	web    = []cluster.Port{{Number: 80, Protocol: cluster.TCP}}
	dns    = []cluster.Port{{Number: 53, Protocol: cluster.UDP}, {Number: 53, Protocol: cluster.TCP}}
	secure = []cluster.Port{{Number: 80, Protocol: cluster.TCP}, {Number: 443, Protocol: cluster.TCP}}
)

// mission is the cluster of the mission.
func mission() cluster.Config {
	return cluster.Config{
		Services: []cluster.Service{{
			VIP: addr("10.10.10.22"), Ports: web, Scheduler: "wrr", Persistence: seconds(20),
			RealServers: []cluster.RealServer{weighted("10.10.10.41", 1), weighted("10.10.10.42", 1)},
		}},
		Timeouts: cluster.Timeouts{TCP: seconds(30), TCPFin: seconds(5), UDP: seconds(60)},
		Drain:    atOnce(),
	}
}

var configs = map[string]func() cluster.Config{
	"mission": mission,
	"least": func() cluster.Config {
		return cluster.Config{Services: []cluster.Service{{VIP: addr("10.10.10.22"), RealServers: servers("10.10.10.41")}}}
	},
	"IPv6": func() cluster.Config {
		return cluster.Config{Interface: "eth0", Drain: atOnce(), Services: []cluster.Service{{
			VIP: addr("fd00:10::22"), Ports: secure, Persistence: seconds(300), PersistenceNetmask: 64,
			RealServers: servers("fd00:10::41", "fd00:10::42"),
		}}}
	},
	"both families, two VIPs": func() cluster.Config {
		return cluster.Config{Drain: atOnce(), Services: []cluster.Service{
			{VIP: addr("10.10.10.22"), Ports: secure, RealServers: servers("10.10.10.41", "10.10.10.42")},
			{VIP: addr("10.10.10.23"), Ports: web, Scheduler: "sh", SchedulerFlags: []string{"sh-port"}, RealServers: servers("10.10.10.41")},
			{VIP: addr("fd00:10::22"), Ports: web, Scheduler: "mh", RealServers: servers("fd00:10::41")},
		}}
	},
	"UDP, one packet": func() cluster.Config {
		return cluster.Config{Drain: atOnce(), Timeouts: cluster.Timeouts{UDP: seconds(10)}, Services: []cluster.Service{
			{VIP: addr("10.10.10.22"), Ports: dns[:1], Scheduler: "rr", OnePacket: true, RealServers: servers("10.10.10.41", "10.10.10.42")},
			{VIP: addr("10.10.10.22"), Ports: dns[1:], RealServers: servers("10.10.10.41", "10.10.10.42")},
		}}
	},
	"every port, thresholds": func() cluster.Config {
		s := weighted("10.10.10.41", 3)
		s.UpperThreshold, s.LowerThreshold = 1000, 900
		return cluster.Config{Drain: atOnce(), Services: []cluster.Service{{
			VIP: addr("10.10.10.22"), Ports: []cluster.Port{{Number: 0, Protocol: cluster.TCP}}, Scheduler: "wlc", Persistence: seconds(60),
			PersistenceNetmask: 24, RealServers: []cluster.RealServer{s, weighted("10.10.10.42", 0)},
		}}}
	},
	"no firewall wanted": func() cluster.Config {
		c := mission()
		c.Firewall = "none"
		return c
	},
	"silent on the LAN alone": func() cluster.Config {
		c := mission()
		c.ARPInterfaces = []string{"eth0"}
		return c
	},
	"sync": func() cluster.Config {
		c := mission()
		c.Sync = &cluster.Sync{Interface: "eth0"}
		return c
	},
	"keepalived": func() cluster.Config {
		c := mission()
		c.Engine = cluster.EngineKeepalived
		return c
	},
	"keepalived, two VIPs, a sorry server": func() cluster.Config {
		return cluster.Config{Engine: cluster.EngineKeepalived, Drain: atOnce(), Services: []cluster.Service{
			{VIP: addr("10.10.10.22"), Ports: secure, Check: &cluster.Check{Type: cluster.CheckHTTP, Path: "/", Port: 8080}, SorryServer: addr("10.10.10.49"),
				RealServers: servers("10.10.10.41", "10.10.10.42")},
			{VIP: addr("fd00:10::22"), Ports: dns, Scheduler: "sh", Inhibit: true, RealServers: []cluster.RealServer{weighted("fd00:10::41", 0), weighted("fd00:10::42", 3)}},
		}}
	},
	"vrrp": func() cluster.Config {
		c := mission()
		c.Directors = []cluster.Director{{Address: addr("10.10.10.30")}, {Address: addr("10.10.10.33")}}
		c.VRRP = &cluster.VRRP{Interval: cluster.Duration(100 * time.Millisecond)}
		c.Sync = &cluster.Sync{Interface: "eth0"}
		c.Services = append(c.Services, cluster.Service{VIP: addr("fd00:10::22"), Ports: web, RealServers: servers("fd00:10::41")})
		for i := range c.Services {
			c.Services[i].Scheduler = "mh"
		}
		return c
	},
	"30 services": func() cluster.Config {
		c := cluster.Config{Drain: atOnce()}
		for i := range 30 {
			c.Services = append(c.Services, cluster.Service{
				VIP: addr(fmt.Sprintf("10.10.10.%d", 100+i)), Ports: web, RealServers: servers("10.10.10.41", "10.10.10.42"),
			})
		}
		return c
	},
}

// worlds are what a host may look like before set-up. Everything in them belongs
// to somebody else.
var worlds = map[string]string{
	"clean":           "",
	"VIP/24 on lo":    "ip addr add 10.10.10.22/24 dev lo",
	"VIP on eth0:9":   "ip addr add 10.10.10.22/32 dev eth0 label eth0:9",
	"VIP/24 on eth0":  "ip addr add 10.10.10.22/24 dev eth0\nip addr add fd00:10::22/64 dev eth0",
	"VIP on eth0:0":   "ip addr add 10.10.10.22/32 dev eth0 label eth0:0\nip addr add fd00:10::22/128 dev eth0 preferred_lft 0",
	"VIP on lo:0":     "ip addr add 10.10.10.22/32 dev lo label lo:0\nip addr add fd00:10::22/128 dev lo nodad",
	"VIPs everywhere": "ip addr add 10.10.10.22/32 dev lo\nip addr add 10.10.10.22/32 dev eth0 label eth0:3\nip addr add fd00:10::22/128 dev lo nodad",
	"sysctls set": "sysctl -w net.ipv4.conf.all.arp_ignore=2\nsysctl -w net.ipv4.conf.all.arp_announce=1\n" +
		"sysctl -w net.ipv4.conf.lo.arp_ignore=1\nsysctl -w net.ipv4.conf.all.accept_redirects=0\nsysctl -w net.ipv4.conf.eth0.forwarding=1",
	"forwarding": "sysctl -w net.ipv4.ip_forward=1\nsysctl -w net.ipv4.conf.all.accept_redirects=1\nsysctl -w net.ipv4.conf.eth0.forwarding=0",
	"promoting":  "sysctl -w net.ipv4.conf.all.promote_secondaries=1\nip addr add 10.10.10.22/24 dev eth0",
	"IPVS in use": "modprobe ip_vs_wrr ip_vs_rr\nsysctl -w net.ipv4.vs.expire_nodest_conn=1\nsysctl -w net.ipv4.vs.conn_reuse_mode=0\n" +
		"ipvsadm --set 600 60 90\nipvsadm -A -t 10.10.10.99:80 -s wrr -p 50\nipvsadm -a -t 10.10.10.99:80 -r 10.10.10.31:80 -g -w 7\n" +
		"ipvsadm -A -t 10.10.10.22:8080 -s rr\nipvsadm -a -t 10.10.10.22:8080 -r 10.10.10.31:8080 -g -w 1\nipvsadm -A -f 7 -s rr\nipvsadm -a -f 7 -r 10.10.10.31:0 -i -w 1",
	"iptables": "iptables -P INPUT DROP\niptables -A INPUT -p tcp --dport 22 -j ACCEPT\niptables -P OUTPUT DROP\nip6tables -P INPUT DROP\n" +
		"ip6tables -A INPUT -p tcp --dport 80 -j ACCEPT",
	"two nftables": "nft add chain ip mine in { type filter hook input priority -10; policy accept; }\nnft add rule ip mine in tcp dport 23 drop\n" +
		"nft add chain inet filter output { type filter hook output priority 0; policy drop; }\nnft add rule inet filter output oif lo accept",
	"files": "cat >/etc/sysctl.d/10-x.conf <<'EOF'\nnet.ipv4.ip_forward = 0\nEOF\ncat >/etc/modules-load.d/x.conf <<'EOF'\nip_vs_rr\nEOF\n" +
		"chmod 0600 /etc/modules-load.d/x.conf\ncat >/run/lvsdr.x <<'EOF'\nx\nEOF\nln -s /etc/sysctl.d/10-x.conf /etc/sysctl.d/link.conf",
	"bare":          "rmdir /etc/sysctl.d\nrmdir /etc/modules-load.d",
	"blackholes":    "ip route add blackhole 10.10.10.22\nip route add blackhole 192.0.2.0/24\nip addr add 10.10.10.77/32 dev lo",
	"loopback down": "ip link set lo down",
	"a sync daemon": "modprobe ip_vs\nipvsadm --start-daemon backup --mcast-interface eth0 --syncid 1",
	"a sick one":    "keepalived check 10.10.10.41 fails",
}

var roles = map[string]struct {
	make  func(cluster.Config) (lvsdr.Role, error)
	world func(...string) *lvsdrtest.World
}{
	cluster.DirectorRole:   {lvsdr.Director, lvsdrtest.Director},
	cluster.RealServerRole: {lvsdr.RealServer, lvsdrtest.RealServer},
}

// role returns what CheckLaws wants of a role.
func role(name, config string) func() (lvsdr.Role, error) {
	return func() (lvsdr.Role, error) { return roles[name].make(configs[config]()) }
}

func world(name, commands string, runtime bool) func(testing.TB) lvsdrtest.Box {
	return func(testing.TB) lvsdrtest.Box {
		w := roles[name].world(commands)
		w.Host().Runtime = runtime
		return w
	}
}

func TestLaws(t *testing.T) {
	for name := range roles {
		for start, commands := range worlds {
			for config := range configs {
				if !paired(config, start) || refused(name, config, start) {
					continue
				}
				t.Run(strings.Join([]string{name, config, start}, "/"), func(t *testing.T) {
					t.Parallel()
					every := 3
					if config == "mission" || start == "clean" {
						every = 1
					}
					lvsdrtest.Case{Role: role(name, config), World: world(name, commands, false), Every: every}.Check(t)
				})
			}
		}
	}
}

// paired: every configuration meets two worlds and every world two
// configurations. The laws are too many edits for all with all.
func paired(config, start string) bool {
	if config == "mission" || config == "both families, two VIPs" || config == "vrrp" && start[0] == 'V' {
		return true
	}
	return start == "clean" || start == "IPVS in use"
}

// refused: on such a director every IPv4 real server is local, so that IPVS would
// not forward to it. Planning says so.
func refused(name, config, start string) bool {
	return name == cluster.DirectorRole && start == "VIP/24 on lo" && config != "IPv6"
}

func TestRealServersBehindLoopbackAreRefused(t *testing.T) {
	w := lvsdrtest.Director(worlds["VIP/24 on lo"])
	before := w.Dump()
	for _, link := range []string{"", "eth0"} {
		c := mission()
		c.Interface = link
		role, err := lvsdr.Director(c)
		if err != nil {
			t.Fatal(err)
		}
		made, err := role.Apply(context.Background(), w.Host(), step.Present)
		if err == nil || !strings.Contains(err.Error(), `"ip address add 10.10.10.22/32 dev lo && ip address del 10.10.10.22/24 dev lo"`) {
			t.Errorf("interface %q: %v", link, err)
		}
		if len(made) > 0 || w.Dump() != before {
			t.Errorf("interface %q: something was touched: %v", link, made)
		}
	}
}

func TestLawsOfRuntime(t *testing.T) {
	for name := range roles {
		for start, commands := range worlds {
			if refused(name, "", start) {
				continue
			}
			t.Run(name+"/"+start, func(t *testing.T) {
				t.Parallel()
				lvsdrtest.Case{Role: role(name, "both families, two VIPs"), World: world(name, commands, true), Every: 3}.Check(t)
			})
		}
	}
}
