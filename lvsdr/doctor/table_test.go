package doctor_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/doctor"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
	"github.com/lvsdr/toolkit/lvsdr/lvsdrtest"
)

// tableCodes are the checks of the IPVS table.
var tableCodes = []string{
	"ipvs", "ipvs-scheduler", "service", "no-destination", "forwarding", "remembered-route", "port-mapping", "fallback", "quiescent-template",
	"orphan-connections", "packet-loop", "syn-recv", "ipvs-sysctl", "table-owner",
}

// bad runs some of the role's checks and returns what speaks against the host as
// "severity code fix".
func bad(t *testing.T, role lvsdr.Role, w *lvsdrtest.World, only ...string) []string {
	t.Helper()
	return badFor(t, role, w, "", only...)
}

// badFor is bad where the exam is about a client, an address or none.
func badFor(t *testing.T, role lvsdr.Role, w *lvsdrtest.World, client string, only ...string) []string {
	t.Helper()
	e := role.Exam(w.Host())
	e.Only, e.SetUp = ofRole(e, only), "SETUP"
	e.Client, _ = netip.ParseAddr(client)
	before, edits := w.Dump(), w.Edits()
	var all []string
	for _, f := range e.Run(t.Context()) {
		if f.Severity != doctor.OK && f.Severity != doctor.Skipped {
			all = append(all, strings.TrimSpace(fmt.Sprintf("%s %s %s", f.Severity, f.Check, f.Fix)))
			t.Logf("%s %s: %s (%s)", f.Severity, f.Check, f.What, f.Advice)
		}
	}
	if w.Dump() != before || w.Edits() != edits {
		t.Errorf("the doctor changed the host:\n%s", w.Dump())
	}
	return all
}

const balanced = `services:
  - {vip: 10.10.10.22, ports: [80, 443], realServers: [{address: 10.10.10.31}, {address: 10.10.10.32}]}
  - {vip: 10.10.10.22, ports: [53/udp], scheduler: sh, schedulerFlags: [sh-fallback],
     realServers: [{address: 10.10.10.31}, {address: 10.10.10.32}]}
  - {vip: 10.10.10.23, persistence: 20s, realServers: [{address: 10.10.10.31}, {address: 10.10.10.32, weight: 0}]}
  - {vip: "fd00:10::22", ports: [80], realServers: [{address: "fd00:10::31"}, {address: "fd00:10::32"}]}
`

// conns is so many connections in a state, from one client each port.
func conns(n int, state, client, virtual, server string, expires int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "conn add tcp %s %s:%d %s %s %d\n", state, client, 10000+i, virtual, server, expires)
	}
	return b.String()
}

func TestTableChecks(t *testing.T) {
	config, err := cluster.ParseConfig("cluster.yaml", []byte(balanced))
	if err != nil {
		t.Fatal(err)
	}
	role, err := lvsdr.Director(config)
	if err != nil {
		t.Fatal(err)
	}
	const at80, to1 = "10.10.10.22:80", "10.10.10.31:80"
	const served2 = "stat -t 10.10.10.22:80 -r 10.10.10.32:80 conns=1000\n"
	const at80of23, weighty = "10.10.10.23:80", "ipvsadm -e -t 10.10.10.23:80 -r 10.10.10.32:80 -g -w 1\nstat -t 10.10.10.23:80 -r 10.10.10.32:80 conns=1000\n"
	tests := []struct {
		name, commands string
		want           []string
	}{
		{"healthy", "", nil},
		{"foreign services beside ours", "ipvsadm -A -t 10.10.10.99:80 -s wrr\nipvsadm -a -t 10.10.10.99:80 -r 10.10.10.31:8080 -m\n" +
			"ipvsadm -A -t 10.10.10.98:80 -s wrr", nil},
		{"a service is missing", "ipvsadm -D -t 10.10.10.22:443", []string{"failure service SETUP"}},
		{"the table is empty", "ipvsadm -C", []string{"failure service SETUP"}},
		{"no real server", "ipvsadm -d -t 10.10.10.22:80 -r 10.10.10.31:80\nipvsadm -d -t 10.10.10.22:80 -r 10.10.10.32:80",
			[]string{"failure no-destination SETUP"}},
		{"all of weight 0", "ipvsadm -e -t 10.10.10.22:80 -r 10.10.10.31:80 -g -w 0\nipvsadm -e -t 10.10.10.22:80 -r 10.10.10.32:80 -g -w 0",
			[]string{"failure no-destination SETUP"}},
		{"one of weight 0", "ipvsadm -e -t 10.10.10.22:80 -r 10.10.10.31:80 -g -w 0", nil},
		{"the only one that has a weight is full", "ipvsadm -e -t 10.10.10.23:80 -r 10.10.10.31:80 -g -w 1 -x 10\n" +
			"stat -t 10.10.10.23:80 -r 10.10.10.31:80 conns=10 active=4 inactive=6", []string{"failure no-destination SETUP"}},
		{"masquerading", "ipvsadm -e -t 10.10.10.22:80 -r 10.10.10.31:80 -m -w 3",
			[]string{"failure forwarding ipvsadm -e -t 10.10.10.22:80 -r 10.10.10.31:80 -g -w 3"}},
		{"a route remembered from masquerading", "ip neigh add 10.10.10.22 dev eth0 nud failed\n" + conns(2, "SYN_RECV", "10.10.10.100", at80, to1, 55),
			[]string{"failure remembered-route ip route flush cache && ip neigh del 10.10.10.22 dev eth0"}},
		{"a route remembered, of the other VIP", "ip neigh add 10.10.10.23 dev eth0 nud incomplete\n" + conns(1, "SYN_RECV", "10.10.10.100", "10.10.10.23:80", to1, 55),
			[]string{"failure remembered-route ip route flush cache && ip neigh del 10.10.10.23 dev eth0"}},
		{"the VIP was looked for before it was here, and nobody waits", "ip neigh add 10.10.10.22 dev eth0 nud failed\n" + conns(2, "SYN_RECV", "10.10.10.100", "10.10.10.23:80", to1, 55), nil},
		{"the VIP was looked for, and those who waited gave up", "ip neigh add 10.10.10.22 dev eth0 nud failed\n" + conns(2, "SYN_RECV", "10.10.10.100", at80, to1, 20), nil},
		{"somebody else's real server by masquerading", "ipvsadm -a -t 10.10.10.22:80 -r 10.10.10.77:8080 -m", nil},
		{"masquerading to another port", "ipvsadm -d -t 10.10.10.22:80 -r 10.10.10.31:80\nipvsadm -a -t 10.10.10.22:80 -r 10.10.10.31:8080 -m",
			[]string{"failure forwarding ipvsadm -a -t 10.10.10.22:80 -r 10.10.10.31:80 -g -w 1 && ipvsadm -d -t 10.10.10.22:80 -r 10.10.10.31:8080"}},
		{"another port", "ipvsadm -d -t 10.10.10.22:80 -r 10.10.10.31:80\nipvsadm -a -t 10.10.10.22:80 -r 10.10.10.31:8080 -g",
			[]string{"failure port-mapping SETUP"}},
		{"sh without fallback", "ipvsadm -E -u 10.10.10.22:53 -s sh\nipvsadm -e -u 10.10.10.22:53 -r 10.10.10.31:53 -g -w 0",
			[]string{"failure fallback ipvsadm -E -u 10.10.10.22:53 -s sh -b sh-fallback"}},
		{"sh with fallback", "ipvsadm -e -u 10.10.10.22:53 -r 10.10.10.31:53 -g -w 0", nil},
		{"all of the VIP's ports", "ipvsadm -D -t 10.10.10.22:80\nipvsadm -D -t 10.10.10.22:443\nipvsadm -A -t 10.10.10.22:0 -s wrr -p 20\n" +
			"ipvsadm -a -t 10.10.10.22:0 -r 10.10.10.31:0 -g\n" + conns(1, "ESTABLISHED", "10.10.10.100", at80, to1, 9), nil},
		{"a firewall mark", "ipvsadm -D -t 10.10.10.22:80\nipvsadm -D -t 10.10.10.22:443\nipvsadm -A -f 7 -s wrr\nipvsadm -a -f 7 -r 10.10.10.31:0 -g", nil},
		{"tied to weight 0", "sysctl -w net.ipv4.vs.expire_quiescent_template=0\n" +
			"conn add tcp NONE 10.10.10.100:0 10.10.10.23:80 10.10.10.32:80 19",
			[]string{"warning quiescent-template sysctl -w net.ipv4.vs.expire_quiescent_template=1"}},
		{"tied to one that has a weight", "sysctl -w net.ipv4.vs.expire_quiescent_template=0\n" +
			"conn add tcp NONE 10.10.10.100:0 10.10.10.23:80 10.10.10.31:80 19", nil},
		{"tied, and made to leave", "conn add tcp NONE 10.10.10.100:0 10.10.10.23:80 10.10.10.32:80 19", nil},
		{"connections to one taken out", "sysctl -w net.ipv4.vs.expire_nodest_conn=0\n" + conns(3, "ESTABLISHED", "10.10.10.100", at80, "10.10.10.33:80", 20),
			[]string{"failure orphan-connections sysctl -w net.ipv4.vs.expire_nodest_conn=1"}},
		{"which are reset", conns(3, "ESTABLISHED", "10.10.10.100", at80, "10.10.10.33:80", 20), nil},
		{"which have ended", "sysctl -w net.ipv4.vs.expire_nodest_conn=0\n" + conns(3, "FIN_WAIT", "10.10.10.100", at80, "10.10.10.33:80", 20), nil},
		{"packets go round", conns(2, "SYN_RECV", "10.10.10.100", at80, to1, 58) + "stat -t 10.10.10.22:80 -r 10.10.10.31:80 conns=4 inpkts=128",
			[]string{"failure packet-loop"}},
		{"uploads", conns(2, "ESTABLISHED", "10.10.10.100", at80, to1, 58) + conns(1, "SYN_RECV", "10.10.10.100", at80, to1, 59) +
			"stat -t 10.10.10.22:80 -r 10.10.10.31:80 conns=4 inpkts=12800", nil},
		{"clients wait for one", conns(12, "SYN_RECV", "10.10.10.100", at80, to1, 50) + conns(90, "FIN_WAIT", "10.10.10.99", at80, to1, 50) +
			served2, []string{"failure syn-recv"}},
		{"as many wait as the weights tell", "ipvsadm -e -t 10.10.10.22:80 -r 10.10.10.31:80 -g -w 10\n" +
			conns(16, "SYN_RECV", "10.10.10.100", at80, to1, 50) + served2, nil},
		{"more wait than the weights tell", "ipvsadm -e -t 10.10.10.22:80 -r 10.10.10.31:80 -g -w 10\n" +
			conns(120, "SYN_RECV", "10.10.10.100", at80, to1, 50) + served2, []string{"failure syn-recv"}},
		{"the other one is new", conns(30, "SYN_RECV", "10.10.10.100", at80, to1, 50) + "stat -t 10.10.10.22:80 -r 10.10.10.32:80 conns=1", nil},
		{"all go to the first", "modprobe ip_vs_fo\nipvsadm -E -t 10.10.10.22:80 -s fo\n" +
			conns(30, "SYN_RECV", "10.10.10.100", at80, to1, 50) + served2, nil},
		{"all clients beyond the LAN wait", conns(20, "SYN_RECV", "192.0.2.1", at80, to1, 50) + conns(18, "SYN_RECV", "192.0.2.1", at80, "10.10.10.32:80", 50) +
			conns(40, "ESTABLISHED", "10.10.10.100", at80, to1, 800) + served2, []string{"failure syn-recv"}},
		{"all clients of the LAN wait", conns(20, "SYN_RECV", "10.10.10.100", at80, to1, 50) + conns(18, "SYN_RECV", "10.10.10.100", at80, "10.10.10.32:80", 50) +
			conns(40, "FIN_WAIT", "192.0.2.1", at80, to1, 100) + served2, []string{"failure syn-recv"}},
		{"all do, and a doctor on a client has reset what it asked", conns(20, "SYN_RECV", "10.10.10.100", at80, to1, 50) + conns(18, "SYN_RECV", "10.10.10.100", at80, "10.10.10.32:80", 50) +
			conns(2, "CLOSE", "10.10.10.100", at80, to1, 5) + conns(2, "CLOSE", "10.10.10.100", at80, "10.10.10.32:80", 5) + served2, []string{"failure syn-recv"}},
		{"some do", conns(20, "SYN_RECV", "192.0.2.1", at80, to1, 50) + conns(18, "SYN_RECV", "192.0.2.1", at80, "10.10.10.32:80", 50) +
			conns(1, "ESTABLISHED", "192.0.2.7", at80, to1, 800) + served2, nil},
		{"a few do", conns(6, "SYN_RECV", "192.0.2.1", at80, to1, 50) + conns(5, "SYN_RECV", "192.0.2.1", at80, "10.10.10.32:80", 50) + served2, nil},
		{"a flood", conns(1, "FIN_WAIT", "192.0.2.7", at80, to1, 50) + conns(100, "SYN_RECV", "192.0.2.1", at80, to1, 50) + conns(80, "SYN_RECV", "192.0.2.1", at80, "10.10.10.32:80", 50) + served2, nil},
		{"a busy moment", conns(100, "SYN_RECV", "192.0.2.1", at80, to1, 59) + served2, nil},
		{"mended a while ago", conns(100, "SYN_RECV", "192.0.2.1", at80, to1, 30) + served2, nil},
		{"one client of a persistent service waits", weighty + conns(20, "SYN_RECV", "192.0.2.1", at80of23, to1, 50), nil},
		{"several do", weighty + conns(5, "SYN_RECV", "192.0.2.1", at80of23, to1, 50) + conns(5, "SYN_RECV", "192.0.2.2", at80of23, to1, 50) +
			conns(5, "SYN_RECV", "192.0.2.3", at80of23, to1, 50), []string{"failure syn-recv"}},
		{"a thousand that have ended", conns(1000, "FIN_WAIT", "192.0.2.1", at80, to1, 50), nil},
		{"connection tracking", "sysctl -w net.ipv4.vs.conntrack=1", []string{"warning ipvs-sysctl sysctl -w net.ipv4.vs.conntrack=0"}},
		{"no counting", "sysctl -w net.ipv4.vs.run_estimation=0", []string{"warning ipvs-sysctl sysctl -w net.ipv4.vs.run_estimation=1"}},
		{"dropping when short of memory", "sysctl -w net.ipv4.vs.drop_entry=1", nil},
		{"kube-proxy", "ip link add kube-ipvs0 type dummy\nps add kube-proxy", []string{"warning table-owner"}},
		{"kube-proxy that leaves IPVS alone", "ps add kube-proxy", nil},
		{"keepalived's table", "ps add keepalived\ncat >/etc/keepalived/keepalived.conf <<'EOF'\ninclude conf.d/*.conf\nEOF\n" +
			"cat >/etc/keepalived/conf.d/web.conf <<'EOF'\nvirtual_server 10.10.10.22 80 {\n}\nEOF", []string{"warning table-owner"}},
		{"keepalived for the VIP alone", "ps add keepalived\ncat >/etc/keepalived/keepalived.conf <<'EOF'\n" +
			"vrrp_instance A {\n virtual_ipaddress {\n 10.10.10.22\n }\n}\n# virtual_server 10.10.10.22 80 {\nEOF", nil},
		{"ipvsadm of Debian", "cat >/etc/default/ipvsadm <<'EOF'\nAUTO=\"true\"\nEOF\ncat >/etc/ipvsadm.rules <<'EOF'\n-A -t 10.10.10.22:80 -s rr\nEOF",
			[]string{`warning table-owner sed -i 's/^AUTO=.*/AUTO="false"/' /etc/default/ipvsadm`}},
		{"ipvsadm of Fedora, of others' services", "mkdir -p /etc/systemd/system/multi-user.target.wants\n" +
			"ln -s /usr/lib/systemd/system/ipvsadm.service /etc/systemd/system/multi-user.target.wants/ipvsadm.service\n" +
			"cat >/etc/sysconfig/ipvsadm <<'EOF'\n-A -t 10.10.10.99:80 -s rr\nEOF", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := lvsdrtest.Director()
			if _, err := role.Up(t.Context(), w.Host()); err != nil {
				t.Fatal(err)
			}
			if err := w.Run(test.commands); err != nil {
				t.Fatal(err)
			}
			if got := bad(t, role, w, tableCodes...); !slices.Equal(got, test.want) {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

// A kernel without IPVS, or without the scheduler, is one finding.
func TestTableChecksOfTheKernel(t *testing.T) {
	config, err := cluster.ParseConfig("cluster.yaml", []byte("services: [{vip: 10.10.10.22, realServers: [{address: 10.10.10.31}]}]"))
	if err != nil {
		t.Fatal(err)
	}
	role, err := lvsdr.Director(config)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		world *lvsdrtest.World
		want  []string
	}{
		"no IPVS":          {lvsdrtest.Director().WithoutIPVS(), []string{"failure ipvs"}},
		"no wrr":           {lvsdrtest.Director().WithoutModules("ip_vs_wrr"), []string{"failure ipvs-scheduler"}},
		"not loaded":       {lvsdrtest.Director(), []string{"failure service SETUP"}},
		"built in":         {lvsdrtest.Director().BuiltIn("ip_vs", "ip_vs_wrr"), []string{"failure service SETUP"}},
		"by hand":          {lvsdrtest.Director("modprobe ip_vs_wlc ip_vs_wrr", "ipvsadm -A -t 10.10.10.22:80", "ipvsadm -a -t 10.10.10.22:80 -r 10.10.10.31:80"), nil},
		"a backup's table": {lvsdrtest.Director("modprobe ip_vs_wlc ip_vs_wrr", "ipvsadm -A -t 10.10.10.22:80", "ipvsadm -a -t 10.10.10.22:80 -r 10.10.10.31:80", conns(9, "ESTABLISHED", "10.10.10.100", "10.10.10.22:80", "10.10.10.31:80", 100)), nil},
	} {
		t.Run(name, func(t *testing.T) {
			if got := bad(t, role, test.world, tableCodes...); !slices.Equal(got, test.want) {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

// A kernel that has a scheduler less is told which it has; one that has none gets no
// empty choice.
func TestSchedulersToChooseFrom(t *testing.T) {
	role := wireRole(t, cluster.DirectorRole, "")
	var all []string
	for _, name := range ipvs.Schedulers() {
		all = append(all, ipvs.SchedulerModule(name))
	}
	for advice, without := range map[string][]string{
		"It has rr, lc,": {"ip_vs_wrr"},
		"none at all":    all,
	} {
		e := role.Exam(lvsdrtest.Director().WithoutModules(without...).Host())
		e.Only = []string{"ipvs-scheduler"}
		for _, f := range e.Run(t.Context()) {
			if f.Check == "ipvs-scheduler" && (!strings.Contains(f.Advice, advice) || strings.Contains(f.Advice, "choose") == (len(without) > 1)) {
				t.Errorf("without %q: %+v", without, f)
			}
		}
	}
}

func TestListenerCheck(t *testing.T) {
	config, err := cluster.ParseConfig("cluster.yaml", []byte("services: [{vip: 10.10.10.22}, {vip: 'fd00:10::22'}, {vip: 10.10.10.22, ports: [53/udp]}]"))
	if err != nil {
		t.Fatal(err)
	}
	role, err := lvsdr.RealServer(config)
	if err != nil {
		t.Fatal(err)
	}
	const dns = "listen udp 0.0.0.0:53 named"
	one, two := []string{"failure listener"}, []string{"failure listener", "failure listener"}
	for name, test := range map[string]struct {
		commands []string
		want     []string
	}{
		"all of both families": {[]string{dns, "listen tcp [::]:80 nginx"}, nil},
		"each family":          {[]string{dns, "listen tcp 0.0.0.0:80 nginx", "listen tcp [::]:80 nginx v6only"}, nil},
		"the VIPs":             {[]string{dns, "listen tcp 10.10.10.22:80 nginx", "listen tcp [fd00:10::22]:80 nginx"}, nil},
		"IPv6 only":            {[]string{dns, "listen tcp [::]:80 nginx v6only"}, one},
		"IPv4 only":            {[]string{dns, "listen tcp 0.0.0.0:80 nginx"}, one},
		"the RIP only":         {[]string{dns, "listen tcp 10.10.10.31:80 nginx"}, two},
		"it may take IPv4":     {[]string{dns, "listen tcp [::]:80 nginx unsure"}, []string{"unknown listener"}},
		"it may not be asked":  {[]string{dns, "listen tcp [::]:80 nginx v6only unsure"}, []string{"unknown listener"}},
		"of no matter":         {[]string{dns, "listen tcp 0.0.0.0:80 nginx", "listen tcp [::]:80 nginx unsure"}, nil},
		"another interface":    {[]string{dns, "ip link add eth1 type dummy", "listen tcp [::]:80 nginx dev eth1"}, two},
		"the LAN's interface":  {[]string{dns, "listen tcp [::]:80 nginx dev eth0"}, nil},
		"nobody":               {[]string{dns}, two},
		"no DNS":               {[]string{"listen tcp [::]:80 nginx", "listen udp 127.0.0.1:53 named"}, one},
		"balanced on":          {[]string{dns, "listen tcp [::]:80 x v6only", "modprobe ip_vs_wlc", "ipvsadm -A -t 10.10.10.22:80"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if got := bad(t, role, lvsdrtest.RealServer(test.commands...), "listener"); !slices.Equal(got, test.want) {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}
