package ipvs_test

import (
	"errors"
	"io/fs"
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// A daemon is started, read back, seen by ipvsadm, and stopped; another's state is not
// touched.
func TestDaemons(t *testing.T) {
	c := guest(t)
	for _, args := range [][]string{{"link", "add", "eth0", "type", "veth", "peer", "name", "eth1"},
		{"addr", "add", "10.10.10.30/24", "dev", "eth0"}, {"link", "set", "eth0", "up"}, {"link", "set", "eth1", "up"}} {
		if err := run("ip", args...); err != nil {
			t.Fatal(err)
		}
	}
	ctx := t.Context()
	has := func(want ...ipvs.Daemon) {
		t.Helper()
		got, err := c.Daemons(ctx)
		if err != nil || len(got) != len(want) {
			t.Fatalf("%+v, %v; want %+v", got, err, want)
		}
		for i := range want {
			if got[i].MaxLen == 0 || want[i].MaxLen != 0 && got[i].MaxLen != want[i].MaxLen {
				t.Errorf("a message of %d bytes", got[i].MaxLen)
			}
			want[i].MaxLen = got[i].MaxLen
			if got[i] != want[i] {
				t.Errorf("%+v, want %+v", got[i], want[i])
			}
		}
	}
	has()
	if err := c.StopDaemon(ctx, ipvs.BackupDaemon); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("none runs: %v", err)
	}
	master := ipvs.Daemon{State: ipvs.MasterDaemon, Interface: "eth0", ID: 5}
	backup := ipvs.Daemon{State: ipvs.BackupDaemon, Interface: "eth0", ID: 7, MaxLen: 1200, Group: netip.MustParseAddr("224.0.0.99"), Port: 8850, TTL: 3}
	for _, d := range []ipvs.Daemon{master, backup} {
		if err := c.StartDaemon(ctx, d); err != nil {
			t.Fatal(err)
		}
		if err := c.StartDaemon(ctx, d); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%v runs already: %v", d, err)
		}
	}
	whole := master
	whole.Group, whole.Port, whole.TTL = netip.MustParseAddr("224.0.0.81"), 8848, 1
	has(whole, backup)
	out, err := exec.Command("ipvsadm", "-L", "--daemon").CombinedOutput()
	if text := string(out); err != nil || !strings.Contains(text, "master sync daemon (mcast=eth0, syncid=5") || !strings.Contains(text, "backup sync daemon (mcast=eth0, syncid=7") {
		t.Errorf("ipvsadm -L --daemon: %v\n%s", err, text)
	}
	if err := c.StopDaemon(ctx, ipvs.MasterDaemon); err != nil {
		t.Error(err)
	}
	has(backup)
	if err := c.StopDaemon(ctx, ipvs.BackupDaemon); err != nil {
		t.Error(err)
	}
	has()

	six := ipvs.Daemon{State: ipvs.MasterDaemon, Interface: "lo", Group: netip.MustParseAddr("10.0.0.1")}
	for name, d := range map[string]ipvs.Daemon{
		"no state":     {Interface: "eth0"},
		"no interface": {State: ipvs.MasterDaemon},
		"a long name":  {State: ipvs.MasterDaemon, Interface: "eth0123456789012"},
		"no multicast": six,
		"not there":    {State: ipvs.MasterDaemon, Interface: "eth9"},
	} {
		if err := c.StartDaemon(ctx, d); err == nil || errors.Is(err, unix.EEXIST) {
			t.Errorf("%s: %v", name, err)
		}
	}
	has()
}
