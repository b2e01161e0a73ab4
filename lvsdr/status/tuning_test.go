package status_test

import (
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/lvsdrtest"
	"github.com/lvsdr/toolkit/lvsdr/status"
)

const served = `modprobe ip_vs
modprobe ip_vs_wrr
ip addr add 10.10.10.22/32 dev eth0 label eth0:0
ipvsadm -A -t 10.10.10.22:80 -s wrr
ipvsadm -a -t 10.10.10.22:80 -r 10.10.10.31:80 -g -w 1`

func file(name, text string) string { return "cat > " + name + " <<EOF\n" + text + "\nEOF" }

// Each note is made above its threshold, with value and command, and not below.
func TestTuning(t *testing.T) {
	const table = "mkdir -p /sys/module/ip_vs/parameters\n"
	option := "mkdir -p /etc/modprobe.d\n" + file("/etc/modprobe.d/lvsdr.conf", "# 2^n\noptions ip_vs conn_tab_bits=20")
	softnet := func(line string) string { return "mkdir -p /proc/net\n" + file("/proc/net/softnet_stat", line) }
	tests := []struct {
		name, does string
		want       []string // About and Command
		value      uint64
	}{
		{"as installed", table + file("/sys/module/ip_vs/parameters/conn_tab_bits", "12"), nil, 0},
		{"no service", "ipvsadm -D -t 10.10.10.22:80\nsysctl -w net.ipv4.vs.conntrack=1", nil, 0},
		{"more connections than rows", table + file("/sys/module/ip_vs/parameters/conn_tab_bits", "8") + "\nCONNECT",
			[]string{"conn-table", "echo options ip_vs conn_tab_bits=9 > /etc/modprobe.d/zz-ip_vs-conn-table.conf"}, 300},
		{"the described rows", table + file("/sys/module/ip_vs/parameters/conn_tab_bits", "20") + "\n" + option, nil, 0},
		{"other rows than described", table + file("/sys/module/ip_vs/parameters/conn_tab_bits", "8") + "\n" + option,
			[]string{"conn-table-option", "modprobe --showconfig | grep '^options ip_vs '"}, 1},
		{"a described module that is not loaded", option, nil, 0},
		{"more connections than rows, more rows described", table + file("/sys/module/ip_vs/parameters/conn_tab_bits", "8") + "\n" + option + "\nCONNECT",
			[]string{"conn-table-option", "modprobe --showconfig | grep '^options ip_vs '"}, 1},
		{"IPVS in connection tracking", "sysctl -w net.ipv4.vs.conntrack=1",
			[]string{"conntrack", "sysctl -w net.ipv4.vs.conntrack=0"}, 1},
		{"packets dropped", softnet("0000ff00 00000003 00000000 0 0 0"),
			[]string{"softnet-drops", "sysctl -w net.core.netdev_max_backlog=4000"}, 3},
		{"turns cut short", softnet("00002710 00000000 00000100 0 0 0"),
			[]string{"softnet-budget", "sysctl -w net.core.netdev_budget=600"}, 0x100},
		{"few turns cut short", softnet("00002710 00000000 00000001 0 0 0"), nil, 0},
		{"LRO", "ethtool -K eth0 lro on", []string{"lro", "ethtool -K eth0 lro off"}, 1},
	}
	for _, test := range tests {
		w := lvsdrtest.Director(served)
		does, connect := strings.CutSuffix(test.does, "\nCONNECT")
		if err := w.Run(does); err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		if connect {
			w.Connect(web, rip, 300)
		}
		h := w.Host()
		h.Sysctl = known{h.Sysctl}
		st, err := status.Look(t.Context(), h)
		if err != nil {
			t.Fatal(err)
		}
		notes, err := status.Tuning(t.Context(), h, st)
		if err != nil || notes == nil {
			t.Errorf("%s: %v, %v", test.name, notes, err)
		}
		var got []string
		for _, n := range notes {
			got = append(got, n.About, n.Command)
			if n.Value != test.value || n.Value <= n.Threshold || n.Text == "" {
				t.Errorf("%s: %+v", test.name, n)
			}
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

// One receive queue for several CPUs is noted on hardware, unless packets are steered.
func TestTuningQueues(t *testing.T) {
	if runtime.NumCPU() == 1 {
		t.Log("one CPU: one queue is enough")
	}
	for mask, want := range map[string]int{"0": min(runtime.NumCPU()-1, 1), "3": 0} {
		w := lvsdrtest.Director("ip link add eth1 address 02:00:00:00:01:30", "ip link set eth1 up",
			strings.ReplaceAll(served, "eth0", "eth1"), "mkdir -p /sys/class/net/eth1/queues/rx-0",
			file("/sys/class/net/eth1/queues/rx-0/rps_cpus", mask))
		st, err := status.Look(t.Context(), w.Host())
		if err != nil {
			t.Fatal(err)
		}
		notes, err := status.Tuning(t.Context(), w.Host(), st)
		if err != nil || len(notes) != want {
			t.Errorf("steered to %s: %v, %v", mask, notes, err)
		}
	}
}
