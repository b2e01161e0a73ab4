package status_test

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/filter"
	"github.com/lvsdr/toolkit/lvsdr/lvsdrtest"
	"github.com/lvsdr/toolkit/lvsdr/status"
)

const served = `modprobe ip_vs
modprobe ip_vs_wrr
ip addr add 10.10.10.22/32 dev eth0 label eth0:0
ipvsadm -A -t 10.10.10.22:80 -s wrr
ipvsadm -a -t 10.10.10.22:80 -r 10.10.10.31:80 -g -w 1`

func file(name, text string) string { return "cat > " + name + " <<EOF\n" + text + "\nEOF" }

// usual is what the machine's own network namespace has, and no other (net/core).
const usual = "net/core/netdev_max_backlog=1000 net/core/netdev_budget=300 net/core/netdev_budget_usecs=8000"

// noted are the notes on a world, with more sysctls: "net/core/netdev_budget=300". Whatever
// is noted is above its threshold and has a text.
func noted(t *testing.T, w *lvsdrtest.World, sysctls string, seen func(*status.Status)) []status.Note {
	t.Helper()
	h := w.Host()
	more := map[string]string{}
	for word := range strings.FieldsSeq(sysctls) {
		key, value, _ := strings.Cut(word, "=")
		more[key] = value
	}
	h.Sysctl = known{h.Sysctl, more}
	st, err := status.Look(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	if seen != nil {
		seen(st)
	}
	notes, err := status.Tuning(t.Context(), h, st)
	if err != nil || notes == nil {
		t.Fatalf("%v, %v", notes, err)
	}
	for _, n := range notes {
		if n.Value <= n.Threshold || n.Text == "" {
			t.Errorf("%+v", n)
		}
	}
	return notes
}

// told are what notes are about, and their commands.
func told(notes []status.Note) (words []string) {
	for _, n := range notes {
		words = append(words, n.About, n.Command)
	}
	return words
}

// Each note is made above its threshold, with value and command, and not below.
func TestTuning(t *testing.T) {
	const table = "mkdir -p /sys/module/ip_vs/parameters\n"
	builtIn := func(bits string) string { return table + file("/sys/module/ip_vs/parameters/conn_tab_bits", bits) }
	rows := func(bits string) string { return builtIn(bits) + "\n" + file("/sys/module/ip_vs/initstate", "live") }
	option := "mkdir -p /etc/modprobe.d\n" + file("/etc/modprobe.d/lvsdr.conf", "# 2^n\noptions ip_vs conn_tab_bits=20")
	// 2 CPUs, and 10 000 packets in by two interfaces
	softnet := func(columns string) string {
		return "mkdir -p /proc/net\n" + file("/proc/net/softnet_stat", "00002710 00000000 00000000 0 0 0\n"+columns) + "\n" +
			file("/proc/net/dev", "Inter-|   Receive\n face |bytes    packets errs\n    lo: 9 999999999 0\n  eth0:12345 7000 0\n  eth1: 99 3000 0")
	}
	const reload = "modprobe --showconfig | grep '^options ip_vs '"
	const enlarge = "echo options ip_vs conn_tab_bits=9 > /etc/modprobe.d/zz-ip_vs-conn-table.conf"
	tests := []struct {
		name, does, sysctls string
		want                []string // About and Command
		value               uint64
	}{
		{"as installed", rows("12"), usual, nil, 0},
		{"no service", "ipvsadm -D -t 10.10.10.22:80\nsysctl -w net.ipv4.vs.conntrack=1", usual, nil, 0},
		{"as many connections as rows", rows("8") + "\nCONNECT 256", usual, nil, 0},
		{"more connections than rows", rows("8") + "\nCONNECT 300", usual, []string{"conn-table", enlarge}, 300},
		{"more than the most rows of a table that grows", rows("8") + "\nCONNECT 300", "net/ipv4/vs/conn_lfactor=-4", []string{"conn-table", enlarge}, 300},
		{"more connections than rows, built in", builtIn("8") + "\nCONNECT 300", usual, []string{"conn-table", ""}, 300},
		{"other rows than described, built in", builtIn("8") + "\n" + option, usual, []string{"conn-table-option", ""}, 1},
		{"the described rows", rows("20") + "\n" + option, usual, nil, 0},
		{"other rows than described", rows("8") + "\n" + option, usual, []string{"conn-table-option", reload}, 1},
		{"a described module that is not loaded", option, usual, nil, 0},
		{"more connections than rows, more rows described", rows("8") + "\n" + option + "\nCONNECT 300", usual, []string{"conn-table-option", reload}, 1},
		{"IPVS in connection tracking", "sysctl -w net.ipv4.vs.conntrack=1", usual, []string{"conntrack", "sysctl -w net.ipv4.vs.conntrack=0"}, 1},
		{"IPVS in connection tracking, and NAT", "sysctl -w net.ipv4.vs.conntrack=1\nipvsadm -a -t 10.10.10.22:80 -r 10.10.10.32:80 -m -w 1", usual, nil, 0},
		{"connection tracking nearly full", "", "net/netfilter/nf_conntrack_max=1000 net/netfilter/nf_conntrack_count=751 net/netfilter/nf_conntrack_buckets=250",
			[]string{"conntrack-table", "sysctl -w net.netfilter.nf_conntrack_max=4000 net.netfilter.nf_conntrack_buckets=1000"}, 751},
		{"connection tracking three quarters full", "", "net/netfilter/nf_conntrack_max=1000 net/netfilter/nf_conntrack_count=750 net/netfilter/nf_conntrack_buckets=250", nil, 0},
		{"packets dropped", softnet("0000ff00 00000003 00000000 0 0 0"), usual, []string{"softnet-drops", "sysctl -w net.core.netdev_max_backlog=4000"}, 3},
		{"packets dropped, with some room", softnet("0000ff00 00000003 00000000 0 0 0"), "net/core/netdev_max_backlog=4096",
			[]string{"softnet-drops", "sysctl -w net.core.netdev_max_backlog=16000"}, 3},
		{"packets dropped, with much room", softnet("0000ff00 00000003 00000000 0 0 0"), "net/core/netdev_max_backlog=16000", nil, 0},
		{"turns cut short", softnet("00002710 00000000 0000000b 0 0 0"), usual,
			[]string{"softnet-budget", "sysctl -w net.core.netdev_budget=600 net.core.netdev_budget_usecs=16000"}, 11},
		{"turns cut short, before 4.12", softnet("00002710 00000000 0000000b 0 0 0"), "net/core/netdev_budget=300",
			[]string{"softnet-budget", "sysctl -w net.core.netdev_budget=600"}, 11},
		{"long turns cut short", softnet("00002710 00000000 0000000b 0 0 0"), "net/core/netdev_budget=1200", nil, 0},
		{"few turns cut short", softnet("00000001 00000000 0000000a 0 0 0"), usual, nil, 0},
		{"drops and short turns, in a network namespace", softnet("00002710 00000003 0000000b 0 0 0"), "", nil, 0},
		{"LRO", "ethtool -K eth0 lro on", usual, []string{"lro", "ethtool -K eth0 lro off"}, 1},
		{"LRO, one of two", "ip link add eth1 address 02:00:00:00:01:30\nip link set eth1 up\nethtool -K eth1 lro on", usual, []string{"lro", "ethtool -K eth1 lro off"}, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := lvsdrtest.Director(served)
			does, connect, _ := strings.Cut(test.does, "\nCONNECT ")
			if err := w.Run(does); err != nil {
				t.Fatal(err)
			}
			if n, err := strconv.Atoi(connect); err == nil {
				w.Connect(web, rip, uint32(n))
			}
			notes := noted(t, w, test.sysctls, nil)
			if got := told(notes); !slices.Equal(got, test.want) {
				t.Errorf("%q, want %q", got, test.want)
			}
			for _, n := range notes {
				if n.Value != test.value {
					t.Errorf("%+v", n)
				}
			}
		})
	}
}

// The neighbours of each family fill a table of their own; those that somebody has written
// into it do not count.
func TestTuningNeighbours(t *testing.T) {
	const thresholds = "net/ipv4/neigh/default/gc_thresh2=8 net/ipv4/neigh/default/gc_thresh3=16 net/ipv6/neigh/default/gc_thresh2=8 net/ipv6/neigh/default/gc_thresh3=16"
	add := func(first string, n int, state string) (commands []string) {
		a := netip.MustParseAddr(first)
		for range n {
			commands = append(commands, "ip neigh add "+a.String()+" lladdr 02:00:00:00:00:99 dev eth0 nud "+state)
			a = a.Next()
		}
		return commands
	}
	for _, test := range []struct {
		name     string
		commands []string
		want     []string
	}{
		{"few", slices.Concat(add("10.10.10.100", 6, "stale"), add("fd00::100", 6, "noarp")), nil},
		{"written", slices.Concat(add("10.10.10.100", 20, "permanent"), add("fd00::100", 20, "permanent")), nil},
		{"IPv4", slices.Concat(add("10.10.10.100", 7, "stale"), add("fd00::100", 6, "stale")),
			[]string{"neighbours", "sysctl -w net.ipv4.neigh.default.gc_thresh3=64 net.ipv4.neigh.default.gc_thresh2=32"}},
		{"IPv6", slices.Concat(add("10.10.10.100", 6, "stale"), add("fd00::100", 7, "stale")),
			[]string{"neighbours", "sysctl -w net.ipv6.neigh.default.gc_thresh3=64 net.ipv6.neigh.default.gc_thresh2=32"}},
	} {
		if got := told(noted(t, lvsdrtest.Director(append(test.commands, served)...), thresholds, nil)); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

// Very many rates are noted where the kernel works them out in a timer, and can leave that.
func TestTuningEstimation(t *testing.T) {
	for _, test := range []struct {
		realServers int
		sysctls     string
		want        int
	}{
		{9_999, "net/ipv4/vs/run_estimation=1", 0}, // with the service 10 000
		{10_000, "net/ipv4/vs/run_estimation=1", 1},
		{10_000, "net/ipv4/vs/run_estimation=0", 0},
		{10_000, "net/ipv4/vs/run_estimation=1 net/ipv4/vs/est_nice=0", 0},
	} {
		notes := noted(t, lvsdrtest.Director(served), test.sysctls, func(st *status.Status) {
			st.Services[0].RealServers = make([]status.RealServer, test.realServers)
		})
		if len(notes) != test.want || len(notes) > 0 && notes[0].Command != "sysctl -w net.ipv4.vs.run_estimation=0" {
			t.Errorf("%+v: %v", test, notes)
		}
	}
}

// Connection tracking of many packets to a VIP in vain is noted, unless a rule lets them in
// only by it.
func TestTuningConntrackWay(t *testing.T) {
	const second = `ip addr add 10.10.10.23/32 dev eth0
ipvsadm -A -u 10.10.10.23:53 -s wrr
ip addr add fd00::22/128 dev eth0
ipvsadm -A -t [fd00::22]:80 -s wrr`
	const closed = ":INPUT DROP [0:0]\n"
	const command = "nft 'add table inet vip_untracked; add chain inet vip_untracked in { type filter hook prerouting priority raw; }; "
	tests := []struct {
		name, rules string
		rate        uint64
		vsConntrack string
		want        []string
	}{
		{"a firewall that asks for the state", closed + "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A INPUT -d 10.10.10.0/24 -j ACCEPT\n", 10_001, "0",
			[]string{"conntrack-way", command + "add rule inet vip_untracked in ip daddr { 10.10.10.22, 10.10.10.23 } notrack; add rule inet vip_untracked in ip6 daddr { fd00::22 } notrack'"}},
		{"fewer packets", closed + "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A INPUT -d 10.10.10.0/24 -j ACCEPT\n", 10_000, "0", nil},
		{"a firewall that does not", closed + "-A INPUT -d 10.10.10.0/24 -j ACCEPT\n", 10_001, "0", nil},
		{"IPVS wants it", closed + "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A INPUT -d 10.10.10.0/24 -j ACCEPT\n", 10_001, "1",
			[]string{"conntrack", "sysctl -w net.ipv4.vs.conntrack=0"}},
		{"one VIP is let in by its state", closed + "-A INPUT -d 10.10.10.22 -m conntrack --ctstate NEW -j ACCEPT\n-A INPUT -d 10.10.10.23 -j ACCEPT\n", 10_001, "0",
			[]string{"conntrack-way", command + "add rule inet vip_untracked in ip daddr { 10.10.10.23 } notrack; add rule inet vip_untracked in ip6 daddr { fd00::22 } notrack'"}},
		{"one VIP is translated", "*nat\n-A PREROUTING -d 10.10.10.23/32 -p udp -m udp --dport 53 -j DNAT --to-destination 10.10.10.31\n", 10_001, "0",
			[]string{"conntrack-way", command + "add rule inet vip_untracked in ip daddr { 10.10.10.22 } notrack; add rule inet vip_untracked in ip6 daddr { fd00::22 } notrack'"}},
		{"one VIP is left out", "*raw\n-A PREROUTING -d 10.10.10.22/32 -j CT --notrack\n*filter\n-A INPUT -m conntrack --ctstate INVALID -j DROP\n", 10_001, "0",
			[]string{"conntrack-way", command + "add rule inet vip_untracked in ip daddr { 10.10.10.23 } notrack; add rule inet vip_untracked in ip6 daddr { fd00::22 } notrack'"}},
	}
	for _, test := range tests {
		w := lvsdrtest.Director(served, second, "sysctl -w net.ipv4.vs.conntrack="+test.vsConntrack)
		w.SetRules(*filter.ParseIptables("iptables-legacy", test.rules))
		notes := noted(t, w, usual, func(st *status.Status) { st.Services[1].Rates.Packets = test.rate })
		if got := told(notes); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

// Fewer receive queues than CPUs are noted of each interface of hardware by which packets to
// a VIP come, unless they are steered.
func TestTuningQueues(t *testing.T) {
	const (
		links = `ip link add eth1 address 02:00:00:00:01:30
ip link add eth2 address 02:00:00:00:01:31
ip link add bond0 type bond
ip link set eth2 master bond0
ip addr add 10.10.10.22/32 dev eth1
ip addr add 10.10.10.23/32 dev bond0
modprobe ip_vs
modprobe ip_vs_wrr
ipvsadm -A -t 10.10.10.22:80 -s wrr
ipvsadm -A -t 10.10.10.23:80 -s wrr
mkdir -p /sys/devices/system/cpu`
		eth1 = "ethtool -L eth1 combined 4 || for q in /sys/class/net/eth1/queues/rx-*; do echo f > $q/rps_cpus; done"
		eth2 = "ethtool -L eth2 combined 4 || for q in /sys/class/net/eth2/queues/rx-*; do echo f > $q/rps_cpus; done"
		many = "ethtool -L eth1 combined 36 || for q in /sys/class/net/eth1/queues/rx-*; do echo ff,0000000f,ffffff00 > $q/rps_cpus; done"
	)
	queue := func(link, name, mask string) string {
		dir := "/sys/class/net/" + link + "/queues/" + name
		return "mkdir -p " + dir + "\n" + file(dir+"/rps_cpus", mask)
	}
	four := func(link string) string {
		return queue(link, "rx-0", "0") + "\n" + queue(link, "rx-1", "0") + "\n" + queue(link, "rx-2", "0") + "\n" + queue(link, "rx-3", "0")
	}
	for _, test := range []struct {
		name, cpus string
		queues     []string
		want       []string
	}{
		{"as many as CPUs", "0-3", []string{four("eth1"), four("eth2")}, nil},
		{"one for one", "0", []string{queue("eth1", "rx-0", "0")}, nil},
		{"one of two has fewer", "0-3", []string{four("eth1"), queue("eth2", "rx-0", "0"), queue("eth2", "tx-0", "0")}, []string{"queues", eth2}},
		{"the other", "0,1,2-3", []string{queue("eth1", "rx-0", "0"), queue("eth1", "rx-1", "00"), four("eth2")}, []string{"queues", eth1}},
		{"both", "0-3", []string{queue("eth1", "rx-0", "0"), queue("eth2", "rx-0", "0")}, []string{"queues", eth1, "queues", eth2}},
		{"steered", "0-3", []string{queue("eth1", "rx-0", "0"), queue("eth1", "rx-1", "00000000,0000000c"), four("eth2")}, nil},
		{"many CPUs, some off", "8-35,64-71", []string{queue("eth1", "rx-0", "0")}, []string{"queues", many}},
	} {
		w := lvsdrtest.Director(append(test.queues, links, file("/sys/devices/system/cpu/online", test.cpus))...)
		if got := told(noted(t, w, usual, nil)); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}
