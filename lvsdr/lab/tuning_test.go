//go:build linux

package lab_test

import (
	"context"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/lab"
	"github.com/lvsdr/toolkit/lvsdr/linux"
	"github.com/lvsdr/toolkit/lvsdr/status"
)

// What "lvsdr status --tuning" notes on a director is gone after its command, and clients
// are served as before.
func TestTuningCommands(t *testing.T) {
	lab.Need(t, lab.Guest, lab.Netns, lab.IPVS, lab.NFT)
	l := newLab(t)
	c := describe("10.10.10.22", 1, 1)
	c.Services = append(c.Services, describe("10.10.10.23", 1).Services...)
	c.Services = append(c.Services, describe("fd00:10::22", 1, 1).Services...)
	setUp(t, l, c)
	for _, h := range l.RealServers {
		if _, err := h.ServeHTTP(":80"); err != nil {
			t.Fatal(err)
		}
	}
	served := func() {
		t.Helper()
		for _, at := range []string{"10.10.10.22", "10.10.10.23", "[fd00:10::22]"} {
			if _, err := l.Client.Get(t.Context(), "http://"+at); err != nil {
				t.Errorf("%s: %v", at, err)
			}
		}
	}
	served()
	run := func(command string) error {
		_, err := l.Director.Run(t.Context(), "sh", "-c", command)
		return err
	}
	for _, x := range []struct {
		about, ready string
		seen         func(*status.Status)
		holds        string // a command that succeeds where the note's has done its work
	}{
		{"conntrack", "sysctl -w net.ipv4.vs.conntrack=1", nil, "sysctl -n net.ipv4.vs.conntrack | grep -qx 0"},
		{"conntrack-way", `nft 'add table inet f; add chain inet f in { type filter hook input priority 0; policy drop; };
			add rule inet f in ct state established,related accept; add rule inet f in meta l4proto { icmp, ipv6-icmp } accept; add rule inet f in tcp dport 80 accept'`,
			func(st *status.Status) { st.Services[0].Rates.Packets = 10_001 },
			"nft list table inet vip_untracked | grep -c notrack | grep -qx 2"},
		{"estimation", "true", func(st *status.Status) { st.Services[0].RealServers = make([]status.RealServer, 10_001) },
			"sysctl -n net.ipv4.vs.run_estimation | grep -qx 0"},
	} {
		sh(t, l.Director, x.ready)
		served()
		commandHolds(t, l.Director.LVS(), x.about, x.seen, run, x.holds)
		served()
	}
}

// commandHolds looks for the note, runs its command until the note is gone, and then another
// one, which must succeed. Where what was counted stays, the command goes so far in steps.
func commandHolds(t *testing.T, h *host.Host, about string, seen func(*status.Status), run func(string) error, holds string) {
	t.Helper()
	noted := func() (commands []string) {
		st, err := status.Look(t.Context(), h)
		if err != nil {
			t.Fatal(err)
		}
		if seen != nil {
			seen(st)
		}
		notes, err := status.Tuning(t.Context(), h, st)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range notes {
			if n.About == about {
				commands = append(commands, n.Command)
			}
		}
		return commands
	}
	commands := noted()
	if len(commands) != 1 {
		t.Errorf("%s: noted are %q", about, commands)
		return
	}
	for range 3 {
		t.Logf("%s: %s", about, commands[0])
		if err := run(commands[0]); err != nil {
			t.Errorf("%s: %s: %v", about, commands[0], err)
		}
		if commands = noted(); len(commands) == 0 {
			break
		}
	}
	if len(commands) > 0 {
		t.Errorf("%s: still noted after its command: %q", about, commands)
	}
	if err := run(holds); err != nil {
		t.Errorf("%s: %s: %v", about, holds, err)
	}
}

// told is what a file says, for what cannot be brought about.
type told struct {
	host.Files
	name, text string
}

func (f told) ReadFile(name string) ([]byte, error) {
	if name == f.name {
		return []byte(f.text), nil
	}
	return f.Files.ReadFile(name)
}

// tracking says that connection tracking knows 8000 connections.
type tracking struct{ host.Sysctl }

func (k tracking) Get(key string) (string, error) {
	if key == "net/netfilter/nf_conntrack_count" {
		return "8000", nil
	}
	return k.Sysctl.Get(key)
}

// So it is with what only the machine's own network namespace can change.
func TestTuningCommandsOfTheMachine(t *testing.T) {
	lab.Need(t, lab.Guest, lab.IPVS)
	run := func(command string) error { return exec.CommandContext(t.Context(), "sh", "-c", command).Run() }
	keys := "net.core.netdev_max_backlog net.core.netdev_budget net.core.netdev_budget_usecs"
	for _, family := range []string{"ipv4", "ipv6"} {
		keys += " net." + family + ".neigh.default.gc_thresh2 net." + family + ".neigh.default.gc_thresh3"
	}
	before, err := exec.Command("sh", "-c", "sysctl "+keys+" | tr -d ' '").Output()
	if err != nil {
		t.Fatal(err)
	}
	defer run("ip link del tuned0; sysctl -w " + strings.Join(strings.Fields(string(before)), " "))
	if err := run("ip link add tuned0 type veth peer name far0 && ip link set tuned0 up"); err != nil {
		t.Fatal(err)
	}
	neighbours := func(family, prefix string) string {
		return "sysctl -w net." + family + ".neigh.default.gc_thresh2=40 net." + family + ".neigh.default.gc_thresh3=80 && " +
			"for i in $(seq 100 131); do ip neigh add " + prefix + "$i lladdr 02:00:00:00:01:00 dev tuned0 nud stale || exit; done"
	}
	are := func(keys, values string) string {
		return "test \"$(echo $(sysctl -n " + keys + "))\" = '" + values + "'"
	}
	for _, x := range []struct{ about, ready, softnet, holds string }{
		{"conntrack-table", "modprobe nf_conntrack && sysctl -w net.netfilter.nf_conntrack_max=8192 net.netfilter.nf_conntrack_buckets=2048", "00002710 00000000 00000000",
			are("net.netfilter.nf_conntrack_max net.netfilter.nf_conntrack_buckets", "32768 8192")},
		{"softnet-drops", "sysctl -w net.core.netdev_max_backlog=1000", "00002710 00000003 00000000", are("net.core.netdev_max_backlog", "16000")},
		{"softnet-budget", "sysctl -w net.core.netdev_budget=300 net.core.netdev_budget_usecs=8000", "00002710 00000000 ffffffff",
			are("net.core.netdev_budget net.core.netdev_budget_usecs", "1200 32000")},
		{"neighbours", neighbours("ipv4", "10.99.0."), "00002710 00000000 00000000",
			are("net.ipv4.neigh.default.gc_thresh2 net.ipv4.neigh.default.gc_thresh3 net.ipv6.neigh.default.gc_thresh2", "160 320 512")},
		{"neighbours", neighbours("ipv6", "fd00:99::"), "00002710 00000000 00000000",
			are("net.ipv6.neigh.default.gc_thresh2 net.ipv6.neigh.default.gc_thresh3 net.ipv4.neigh.default.gc_thresh2", "160 320 160")},
	} {
		if err := run(x.ready); err != nil {
			t.Fatalf("%s: %v", x.ready, err)
		}
		h := linux.Local()
		h.Files, h.Sysctl = told{h.Files, "/proc/net/softnet_stat", x.softnet + "\n"}, tracking{h.Sysctl}
		commandHolds(t, h, x.about, func(st *status.Status) { st.Services = make([]status.Service, 1) }, run, x.holds)
	}
}

// hardware says that every interface is one of the machine's.
type hardware struct{ links }

type links = host.Links // the field has another name than the method

func (l hardware) Links(ctx context.Context) ([]host.Link, error) {
	all, err := l.links.Links(ctx)
	for i := range all {
		all[i].Kind = ""
	}
	return all, err
}

// Of two interfaces the one whose packets one CPU takes is noted, and after the command no
// more. With one CPU there is nothing to note.
func TestTuningQueuesCommand(t *testing.T) {
	lab.Need(t, lab.Netns)
	l := newLab(t)
	sh(t, l.Director, "ip link add tuned0 type veth peer name far0 numrxqueues 1 && ip link add tuned1 type veth peer name far1")
	h := l.Director.LVS()
	h.Links = hardware{h.Links}
	seen := func(st *status.Status) {
		st.Services = make([]status.Service, 1)
		st.VIPs = []status.VIP{{Interface: "tuned0"}, {Interface: "tuned1"}}
	}
	run := func(command string) error {
		_, err := l.Director.Run(t.Context(), "sh", "-c", command)
		return err
	}
	if runtime.NumCPU() > 1 { // a kernel for one CPU has no packet steering
		sh(t, l.Director, "for q in /sys/class/net/tuned1/queues/rx-*; do echo 1 > $q/rps_cpus; done")
		commandHolds(t, h, "queues", seen, run, "grep -q [1-9a-f] /sys/class/net/tuned0/queues/rx-0/rps_cpus")
		return
	}
	st := &status.Status{}
	seen(st)
	if notes, err := status.Tuning(t.Context(), h, st); err != nil || len(notes) > 0 {
		t.Errorf("with one CPU: %v, %v", notes, err)
	}
}
