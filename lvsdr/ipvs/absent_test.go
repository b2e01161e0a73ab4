package ipvs_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// loaded tells whether ip_vs is in the kernel.
func loaded() bool {
	_, err := os.Stat("/sys/module/ip_vs")
	return err == nil
}

// TestAbsentHere runs on any machine without IPVS, and changes nothing there.
func TestAbsentHere(t *testing.T) {
	if loaded() {
		t.Skip("this kernel has IPVS")
	}
	if _, err := ipvs.Open(); !errors.Is(err, ipvs.ErrNoIPVS) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open: %v", err)
	}
	if loaded() {
		t.Error("to look for IPVS made the kernel load it")
	}
}

// reloaded is set when this process has seen IPVS go and come back, which
// moby/ipvs does not survive: it keeps the netlink family id of before.
var reloaded bool

// TestKernelComesAndGoes: a client finds the module when it is loaded, and again
// when it is loaded anew and has another netlink family id.
func TestKernelComesAndGoes(t *testing.T) {
	needGuest(t)
	if reloaded {
		t.Skip("once is enough: moby/ipvs in this process finds IPVS once only")
	}
	reloaded = true
	unload(t)
	if _, err := ipvs.Open(); !errors.Is(err, ipvs.ErrNoIPVS) {
		t.Fatalf("Open without ip_vs: %v", err)
	}
	c, err := ipvs.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 2 {
		if _, err := c.Services(t.Context(), ipvs.Plain); !errors.Is(err, ipvs.ErrNoIPVS) {
			t.Errorf("Services without ip_vs: %v", err)
		}
		if done, err := c.Apply(t.Context(), ports(1)); done != 0 || !errors.Is(err, ipvs.ErrNoIPVS) {
			t.Errorf("Apply without ip_vs: %d, %v", done, err)
		}
		if loaded() {
			t.Fatal("ip_vs was loaded by looking")
		}
		load(t)
		if got := table(t, c); len(got) != 0 {
			t.Errorf("got %v", got)
		}
		apply(t, c, ports(3)...)
		if got := table(t, c); len(got) != 3 {
			t.Errorf("got %v", got)
		}
		unload(t)
	}
	load(t)
	if _, err := c.Timeouts(t.Context()); err != nil {
		t.Fatal(err)
	}
	unload(t)
	load(t) // unnoticed by the client, which has the id of before
	apply(t, c, ports(3)...)
	unload(t)
}

func load(t *testing.T) {
	t.Helper()
	if err := run("modprobe", "-a", "ip_vs", "ip_vs_rr"); err != nil {
		t.Fatal(err)
	}
}

// unload takes IPVS out of the kernel. Namespaces of earlier tests, which go away
// in their own time, hold it for a while.
func unload(t *testing.T) {
	t.Helper()
	if err := exec.Command("ipvsadm", "-C").Run(); err != nil && loaded() {
		t.Fatalf("ipvsadm -C: %v", err)
	}
	for deadline := time.Now().Add(20 * time.Second); loaded(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("ip_vs stays in use")
		}
		entries, _ := os.ReadDir("/sys/module")
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), "ip_vs_") {
				_ = exec.Command("rmmod", e.Name()).Run()
			}
		}
		_ = exec.Command("rmmod", "ip_vs").Run()
	}
}
