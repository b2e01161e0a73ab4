//go:build linux

package lab_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/lab"
)

func snapshot(t *testing.T, h *lab.Host) lab.Snapshot {
	t.Helper()
	lab.IPVS.Missing() // loads ip_vs, whose sysctls are part of it
	s, err := h.Snapshot(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Every part of a host is seen: changes show, traffic does not, and undoing shows
// nothing. One snapshot for all changes, since in User-Mode Linux it is dear.
func TestSnapshotSeesChanges(t *testing.T) {
	l := newLab(t)
	serve(t, l.Director)
	before := snapshot(t, l.Director)
	if _, err := l.Client.Get(context.Background(), "http://10.10.10.30/"); err != nil {
		t.Error(err)
	}
	if d := before.Diff(snapshot(t, l.Director)); len(d) > 0 {
		t.Errorf("a request changed:\n%s", strings.Join(d, "\n"))
	}
	changes := possible(t, snapshotChanges)
	var dos, undos []string
	for _, c := range changes {
		dos, undos = append(dos, c.do), append([]string{c.undo}, undos...)
	}
	sh(t, l.Director, strings.Join(dos, " && "))
	diff := strings.Join(before.Diff(snapshot(t, l.Director)), "\n")
	for _, c := range changes {
		if !strings.Contains(diff, c.want) {
			t.Errorf("%s: not seen in\n%s", c.do, diff)
		}
	}
	sh(t, l.Director, strings.Join(undos, " && "))
	if d := before.Diff(snapshot(t, l.Director)); len(d) > 0 {
		t.Errorf("undoing left:\n%s", strings.Join(d, "\n"))
	}
}

type snapshotChange struct {
	needs    lab.Feature
	do, undo string
	want     string // in the difference
}

var snapshotChanges = []snapshotChange{
	{lab.Netns, "ip link set eth0 arp off", "ip link set eth0 arp on", `noarp`},
	{lab.Netns, "ip addr add 10.10.10.22/32 dev eth0 label eth0:0", "ip addr del 10.10.10.22/32 dev eth0", `+ address 10.10.10.22/32`},
	{lab.Netns, "ip addr add fd00:10::22/128 dev lo nodad preferred_lft 0", "ip addr del fd00:10::22/128 dev lo", `preferred over`},
	{lab.Netns, "ip route add blackhole 10.10.10.22/32 metric 99", "ip route del blackhole 10.10.10.22/32 metric 99", `+ route 10.10.10.22/32`},
	{lab.Netns, "ip rule add fwmark 7 lookup 100", "ip rule del fwmark 7 lookup 100", `+ rule `},
	{lab.Netns, "ip neigh add 10.10.10.99 lladdr 02:00:00:00:00:99 dev eth0", "ip neigh del 10.10.10.99 dev eth0", `+ neighbour 10.10.10.99`},
	{lab.Netns, "echo 2 > /proc/sys/net/ipv4/conf/all/arp_announce", "echo 0 > /proc/sys/net/ipv4/conf/all/arp_announce", `+ sysctl net/ipv4/conf/all/arp_announce = 2`},
	{lab.Netns, "chmod 600 /etc/passwd", "chmod 644 /etc/passwd", `/etc/passwd -rw-------`},
	{lab.Netns, "mkdir /var/lib/new", "rmdir /var/lib/new", `+ file /var/lib/new`},
	{lab.Netns, "ln -s x /run/y", "rm /run/y", `/run/y Lrwxrwxrwx 0:0 -> x`},
	{lab.NFT, "nft add table inet lvsdr", "nft delete table inet lvsdr", `+ nftables table inet lvsdr`},
	{lab.IPTables, "iptables-legacy -w -A INPUT -s 10.10.10.9 -j DROP", "iptables-legacy -w -D INPUT -s 10.10.10.9 -j DROP", `+ iptables iptables filter -A INPUT`},
	{lab.IPVS, "ipvsadm --set 30 5 60", "ipvsadm --set 900 120 300", `+ ipvs timeouts tcp 30 tcpfin 5 udp 60`},
	// A scheduler is loaded before its service, see cluster_test.go.
	{lab.IPVS, "modprobe ip_vs_rr && ipvsadm -A -t 10.10.10.22:80 -s rr", "ipvsadm -D -t 10.10.10.22:80", `+ ipvs -A -t 10.10.10.22:80 -s rr`},
}

// possible are the changes that this machine's kernel can make.
func possible(t *testing.T, all []snapshotChange) (some []snapshotChange) {
	for _, c := range all {
		if err := c.needs.Missing(); err != nil {
			t.Logf("left out: %s: %v", c.do, err)
			continue
		}
		some = append(some, c)
	}
	return some
}

func sh(t *testing.T, h *lab.Host, command string) string {
	t.Helper()
	out, err := h.Run(context.Background(), "sh", "-c", command)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestDiffCountsLines(t *testing.T) {
	if d := lab.Snapshot("a\na\n").Diff("a\n"); len(d) == 0 {
		t.Error("a line fewer of two equal ones is not told")
	}
	if d := lab.Snapshot("a\nb\n").Diff("a\nc\n"); len(d) != 2 || d[0] != "- b" || d[1] != "+ c" {
		t.Errorf("difference %q", d)
	}
}

type fakeTB struct{ skipped, failed bool }

func (*fakeTB) Helper()        {}
func (f *fakeTB) Skip(...any)  { f.skipped = true; panic(errEnded) }
func (f *fakeTB) Fatal(...any) { f.failed = true; panic(errEnded) }

var errEnded = errors.New("the test ended")

func TestNeed(t *testing.T) {
	const absent lab.Feature = "no-such-feature"
	for _, tt := range []struct {
		require       string
		skips, fatals bool
	}{{"", true, false}, {"netns,ipvs", true, false}, {"netns,no-such-feature", false, true}} {
		t.Setenv("LVSDR_TEST_REQUIRE", tt.require)
		f := &fakeTB{}
		func() {
			defer func() { recover() }()
			lab.Need(f, absent)
		}()
		if f.skipped != tt.skips || f.failed != tt.fatals {
			t.Errorf("LVSDR_TEST_REQUIRE=%q: skipped %v, failed %v", tt.require, f.skipped, f.failed)
		}
	}
	if (lab.Guest.Missing() == nil) != (os.Getenv("LVSDR_TEST_GUEST") == "1") {
		t.Error("the guest is not told")
	}
}
