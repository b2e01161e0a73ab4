package keepalived

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
)

func onEth0(netip.Addr) string { return "eth0" }

const twoDirectors = `interface: eth0
directors: [{address: 10.10.10.30}, {address: 10.10.10.33, priority: 90}]
services:
  - vip: 10.10.10.22
    ports: [80]
    persistence: 20s
    realServers: [{address: 10.10.10.32}, {address: 10.10.10.31, weight: 3}]
timeouts: {tcp: 30s, tcpFin: 5s, udp: 60s}
drain: 1m
`

const rendered = `# Made of lvsdr.yaml by lvsdr export keepalived.
global_defs {
    lvs_flush # the IPVS table is keepalived's alone
    vrrp_garp_master_refresh 60 # neighbours that missed the failover learn of it
    vrrp_lower_prio_no_advert true # others' advertisements put none of its own off
    # timeouts of lvsdr.yaml
    lvs_timeouts tcp 30 tcpfin 5 udp 60
}

# The VIPs of lvsdr.yaml on eth0
vrrp_instance lvsdr_eth0 {
    state BACKUP # on every director: the priority decides
    interface eth0
    virtual_router_id 51 # the same on every director, and nobody else's on this LAN
    priority 90 # directors[1]: 10.10.10.33
    advert_int 1
    virtual_ipaddress {
        10.10.10.22/32 dev eth0 label eth0:0
    }
}

# services[0].ports[0] of lvsdr.yaml
virtual_server 10.10.10.22 80 {
    delay_loop 6
    lb_algo wrr
    lb_kind DR
    protocol TCP
    alpha # a new real server comes in when its check has passed
    omega
    warmup 0
    persistence_timeout 20
    # services[0].realServers[1]
    real_server 10.10.10.31 80 {
        weight 3
        TCP_CHECK {
            connect_port 80
            connect_timeout 3
            retry 2
            delay_before_retry 1
        }
    }
    # services[0].realServers[0]
    real_server 10.10.10.32 80 {
        weight 1
        TCP_CHECK {
            connect_port 80
            connect_timeout 3
            retry 2
            delay_before_retry 1
        }
    }
}
`

func TestFromCluster(t *testing.T) {
	c, remarks, err := FromCluster(described(t, twoDirectors),
		Host{Address: netip.MustParseAddr("10.10.10.33"), RouterID: 51, Interface: onEth0, From: "lvsdr.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	if got := string(c.Render()); got != rendered {
		t.Errorf("got\n%s", got)
	}
	if len(remarks) != 1 || remarks[0].Object != "drain" {
		t.Errorf("got %v", remarks)
	}
}

func TestFromClusterRefuses(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"directors: [{address: 10.0.0.5}, {address: 10.0.0.6, priority: 100}]\nservices: [{vip: 10.0.0.1, realServers: [{address: 10.0.0.2}]}]",
			"directors[1].priority: \"100\": keepalived's directors need different priorities: this is that of directors[0]"},
		{"services: [{vip: 10.0.0.1, realServers: [{address: 10.0.0.2, weight: 0}]}]", "services[0].realServers: all weights are 0"},
		{"services: [{vip: 10.0.0.1}]", "services[0].realServers: a director needs"},
		{"services: [{vip: 10.9.0.1, realServers: [{address: 10.0.0.2}]}]", "services[0].interface: keepalived needs the name"},
	} {
		_, _, err := FromCluster(described(t, tt.text), Host{RouterID: 51, Interface: func(vip netip.Addr) string {
			if vip.As4()[1] == 9 {
				return ""
			}
			return "eth0"
		}})
		var wrong *cluster.ConfigError
		if !errors.As(err, &wrong) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
	if _, _, err := FromCluster(described(t, twoDirectors), Host{RouterID: 256, Interface: onEth0}); err == nil {
		t.Error("a virtual_router_id of 256 is taken")
	}
}

// TestThereAndBack: a cluster that became a keepalived.conf is described as it was, but
// for what has no place there.
func TestThereAndBack(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 100 {
		want := randomCluster(r)
		text := exported(t, want)
		k, err := Parse("k", text, Options{})
		if err != nil {
			t.Fatalf("%s%v", text, err)
		}
		got, remarks := k.Cluster(want.Directors...)
		if !got.Equal(want) {
			t.Fatalf("written as\n%sread as\n%+v\nwant\n%+v", text, got, want)
		}
		for _, r := range remarks {
			if r.Lost && (want.VRRP != nil || !strings.Contains(r.Text, "its failover is left out")) {
				t.Fatalf("written as\n%stold: %s", text, r)
			}
		}
	}
}

func exported(t *testing.T, c cluster.Config) []byte {
	t.Helper()
	h := Host{RouterID: 51, Interface: c.InterfaceOf, From: "lvsdr.yaml"}
	if c.VRRP != nil {
		h.RouterID, h.Address = *c.VRRP.Full().RouterID, c.Directors[len(c.Directors)-1].Address
	}
	k, _, err := FromCluster(c, h)
	if err != nil {
		t.Fatalf("%+v: %v", c, err)
	}
	sameAgain(t, k)
	return k.Render()
}

// randomCluster makes one that keepalived.conf can say.
func randomCluster(r *rand.Rand) cluster.Config {
	c := cluster.Config{Interface: "eth0", Engine: cluster.EngineKeepalived}
	if r.IntN(2) == 0 {
		c.Timeouts = cluster.Timeouts{TCP: secondsOf(r.IntN(999)), UDP: secondsOf(r.IntN(999))}
	}
	lans := r.IntN(3) == 0 // each VIP on its own
	if lans {
		c.Interface = ""
	}
	services := 1 + r.IntN(30)
	for i := range services {
		vip := netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)})
		if r.IntN(3) == 0 {
			vip = netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 15: byte(i + 1)})
		}
		s := randomService(r, vip)
		if lans && services > 1 {
			s.Interface = fmt.Sprintf("eth%d", i%2)
		} else if lans {
			c.Interface = "eth0"
		}
		c.Services = append(c.Services, s)
	}
	if r.IntN(2) == 0 {
		severalDirectors(r, &c)
	}
	if r.IntN(3) == 0 {
		c.Notify = &cluster.Notify{To: []string{"ops@example.org", "a.b+c@d"}[:1+r.IntN(2)], From: []string{"", "lvs@example.org"}[r.IntN(2)],
			SMTP: []string{"192.0.2.1", "192.0.2.1:587", "2001:db8::1", "[2001:db8::1]:587"}[r.IntN(4)]}
	}
	if r.IntN(3) == 0 {
		id, port := 1+r.IntN(255), 1+r.IntN(65535)
		c.Sync = &cluster.Sync{Interface: "eth1", ID: &id, Port: &port, Group: netip.MustParseAddr("224.0.0.99")}
	}
	return c
}

// severalDirectors has the VIPs move, as the cluster's VIPs allow.
func severalDirectors(r *rand.Rand, c *cluster.Config) {
	for i := range 2 + r.IntN(3) {
		priority := 200 - 7*i
		c.Directors = append(c.Directors, cluster.Director{Address: netip.AddrFrom4([4]byte{10, 0, 9, byte(i + 1)}), Priority: &priority})
	}
	id, preempt := 1+r.IntN(255), r.IntN(2) == 0
	c.VRRP = &cluster.VRRP{RouterID: &id, Preempt: &preempt, Interval: secondsOf(1 + r.IntN(40))}
	v4 := !slices.ContainsFunc(c.Services, func(s cluster.Service) bool { return s.VIP.Is6() })
	switch {
	case r.IntN(2) == 0:
		c.VRRP.Interval = cluster.Duration(10 * time.Millisecond * time.Duration(10+r.IntN(90)))
	case v4:
		c.VRRP.Auth = "geheim:)"
	}
	c.VRRP.Unicast = v4 && r.IntN(2) == 0
	if c.Interface != "" && r.IntN(3) == 0 {
		c.VRRP.Interface = "eth1"
	}
}

func randomService(r *rand.Rand, vip netip.Addr) cluster.Service {
	s := cluster.Service{VIP: vip, Scheduler: []string{"", "rr", "sh", "mh", "fo", "twos"}[r.IntN(6)]}
	protocol := []cluster.Protocol{cluster.TCP, cluster.UDP, cluster.SCTP}[r.IntN(3)]
	for i := range 1 + r.IntN(3) {
		s.Ports = append(s.Ports, cluster.Port{Number: uint16(80 + i), Protocol: protocol})
	}
	if s.Scheduler == "sh" || s.Scheduler == "mh" {
		s.SchedulerFlags = [][]string{nil, {s.Scheduler + "-fallback"}, {s.Scheduler + "-port", s.Scheduler + "-fallback"}}[r.IntN(3)]
	}
	s.OnePacket = protocol == cluster.UDP && r.IntN(2) == 0
	if r.IntN(2) == 0 {
		s.Persistence = secondsOf(1 + r.IntN(maxSeconds))
		s.PersistenceNetmask = r.IntN(vip.BitLen() + 1)
		if r.IntN(3) == 0 {
			s.Ports = []cluster.Port{{Protocol: protocol}}
		}
	}
	s.Check = randomCheck(r, s.Ports[0])
	rip := vip
	for range 100 {
		rip = rip.Next()
	}
	for i := range 1 + r.IntN(4) {
		weight := r.IntN(65536)
		server := cluster.RealServer{Address: rip, Weight: &weight}
		if i == 0 {
			server.Weight = nil
		}
		if r.IntN(3) == 0 {
			server.UpperThreshold = uint32(1 + r.IntN(maxThreshold))
			server.LowerThreshold = uint32(r.IntN(int(server.UpperThreshold)))
		}
		s.RealServers = append([]cluster.RealServer{server}, s.RealServers...)
		rip = rip.Next()
	}
	if r.IntN(3) == 0 {
		s.SorryServer = rip
	}
	s.Inhibit = r.IntN(3) == 0
	if r.IntN(3) == 0 {
		s.Quorum = 1 + r.IntN(1+total(s)/2)
	}
	return s
}

func total(s cluster.Service) (n int) {
	for _, server := range s.RealServers {
		n += weight(server)
	}
	return n
}

// randomCheck makes one that the port of a service can have.
func randomCheck(r *rand.Rand, port cluster.Port) *cluster.Check {
	if r.IntN(3) == 0 {
		return nil
	}
	retries := r.IntN(9)
	c := cluster.Check{Interval: secondsOf(r.IntN(99)), Timeout: secondsOf(r.IntN(9)), RetryDelay: secondsOf(r.IntN(9)), Retries: &retries}
	c.Type = []string{"", cluster.CheckPing, cluster.CheckTCP, cluster.CheckUDP, cluster.CheckHTTP, cluster.CheckHTTPS,
		cluster.CheckDNS, cluster.CheckSMTP, cluster.CheckMisc}[r.IntN(9)]
	if c.Type != "" && c.Type != cluster.CheckPing && c.Type != cluster.CheckMisc {
		c.Port = 1 + r.IntN(65535)
	}
	switch c.Type {
	case cluster.CheckHTTPS:
		c.Path = "/"
	case cluster.CheckHTTP:
		c.Path, c.Status = "/health?of=#1%20", 100+r.IntN(500)
	case cluster.CheckDNS:
		c.Name, c.Record = "www.example.org", []string{"", "MX", "SOA"}[r.IntN(3)]
	case cluster.CheckSMTP:
		c.Name = []string{"", "lvs.example.org"}[r.IntN(2)]
	case cluster.CheckMisc:
		c.Script, c.User = "/bin/true --of {address} {vip} -w 5", []string{"", "root"}[r.IntN(2)]
		if port.Number != 0 {
			c.Script += " {port}"
		}
	}
	return &c
}

// Each type of check is written as keepalived has it, and for keepalived -t a script is
// root's.
func TestChecks(t *testing.T) {
	for _, tt := range []struct{ check, port, want string }{
		{"{type: dns, name: www.example.org, retries: 1}", "53/udp", "DNS_CHECK {|type A|name www.example.org|connect_port 53|connect_timeout 3|retry 1|delay_before_retry 1|}"},
		{"{type: smtp, name: lvs.example.org}", "25", "SMTP_CHECK {|helo_name lvs.example.org|connect_port 25|connect_timeout 3|retry 2|delay_before_retry 1|}"},
		{"{type: smtp}", "25", "SMTP_CHECK {|connect_port 25|connect_timeout 3|retry 2|delay_before_retry 1|}"},
		{"{type: misc, script: '/x --at {address}:{port} {vip}', timeout: 9s}", "80", `MISC_CHECK {|misc_path "/x --at 10.10.10.31:80 10.10.10.22"|misc_timeout 9|user nobody|retry 2|delay_before_retry 1|}`},
	} {
		c := described(t, "engine: keepalived\nservices: [{vip: 10.10.10.22, ports: ["+tt.port+"], check: "+tt.check+", realServers: [{address: 10.10.10.31}]}]\n")
		k := Engine(c, "lvsdr.yaml", func(netip.Addr, cluster.Port, netip.Addr) bool { return false })
		text := string(k.Render())
		if flat := strings.NewReplacer("\n"+strings.Repeat(" ", 12), "|", "\n"+strings.Repeat(" ", 8)+"}", "|}").Replace(text); !strings.Contains(flat, tt.want) {
			t.Errorf("%s: %s in\n%s", tt.check, tt.want, text)
		}
		script := strings.Contains(tt.check, "script")
		if strings.Contains(text, "enable_script_security") != script {
			t.Errorf("%s: %s", tt.check, text)
		}
		if asRoot := string(k.AsRoot().Render()); asRoot != strings.Replace(text, "user nobody", "user root", 1) || string(k.Render()) != text {
			t.Errorf("as root:\n%s", asRoot)
		}
	}
}

// What lvsdr's own keepalived reads: services and checks alone, a new real server behind
// its check, each block with its origin, by which a complaint is told.
func TestEngine(t *testing.T) {
	c := described(t, `engine: keepalived
services:
  - vip: 10.10.10.22
    check: {type: http, path: /health, status: 204}
    sorryServer: 10.10.10.40
    quorum: 2
    scheduler: sh
    realServers: [{address: 10.10.10.31, drained: true}, {address: 10.10.10.32, weight: 3}]
timeouts: {tcp: 30s}
`)
	const want = `# Written by lvsdr of lvsdr.yaml for its own keepalived: change that, then lvsdr setup director.
global_defs {
    process_name lvsdr-keepalive
    checker_process_name lvsdr-checkers
}

# services[0].ports[0] of lvsdr.yaml
virtual_server 10.10.10.22 80 {
    delay_loop 6
    lb_algo sh
    lb_kind DR
    protocol TCP
    omega
    warmup 0
    sh-fallback
    quorum 2
    sorry_server 10.10.10.40 80
    sorry_server_lvs_method DR
    # services[0].realServers[0]
    real_server 10.10.10.31 80 {
        weight 0
        HTTP_GET {
            url {
                path /health
                status_code 204
            }
            connect_port 80
            connect_timeout 3
            retry 2
            delay_before_retry 1
        }
    }
    # services[0].realServers[1]
    real_server 10.10.10.32 80 {
        weight 3
        alpha # it is not in the table: it comes in when its check has passed
        HTTP_GET {
            url {
                path /health
                status_code 204
            }
            connect_port 80
            connect_timeout 3
            retry 2
            delay_before_retry 1
        }
    }
}
`
	got := Engine(c, "lvsdr.yaml", func(_ netip.Addr, _ cluster.Port, rip netip.Addr) bool {
		return rip == netip.MustParseAddr("10.10.10.32")
	}).Render()
	if string(got) != want {
		t.Errorf("got\n%s", got)
	}
	told := Origins(got, []string{"(/proc/self/fd/3: Line 22) bad weight", "(/proc/self/fd/3: Line 9) x", "Warning"})
	if told[0] != "services[0].realServers[0]: bad weight" || told[1] != "services[0].ports[0] of lvsdr.yaml: x" || told[2] != "Warning" {
		t.Errorf("told %q", told)
	}
}
